// The client: it starts `stead lsp` and shows what the server has to show. Everything that is known of the language is known there.

import * as vscode from 'vscode'
import {
  LanguageClient,
  LanguageClientOptions,
  Location,
  Position,
  ServerOptions,
  State,
} from 'vscode-languageclient/node'

/** The scheme of documents that the server makes: plans, catalogs, graphs. */
const SCHEME = 'stead'

let client: LanguageClient | undefined
let output: vscode.LogOutputChannel

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  output = vscode.window.createOutputChannel('Stead', { log: true })
  const shown = new Shown()
  context.subscriptions.push(
    output,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, shown),
    // The server's own commands, `stead.plan` and so on, are registered by the library; these ask for a node first.
    vscode.commands.registerCommand('stead.planNode', () => ask('stead.plan')),
    vscode.commands.registerCommand('stead.showCatalog', () => ask('stead.catalog')),
    vscode.commands.registerCommand('stead.showGraph', () => ask('stead.graph')),
    vscode.commands.registerCommand('stead.showReferences', showReferences),
    vscode.commands.registerCommand('stead.explain', () => explain()),
    vscode.commands.registerCommand('stead.restart', () => restart(shown)),
    vscode.workspace.onDidChangeConfiguration(async event => {
      if (event.affectsConfiguration('stead.path')) await restart(shown)
    }),
  )
  await start(shown)
}

export async function deactivate(): Promise<void> {
  await client?.stop()
}

async function start(shown: Shown): Promise<void> {
  const command = program()
  const server: ServerOptions = { command, args: ['lsp'] }
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: 'file', language: 'stead' },
      { scheme: 'file', pattern: '**/*.{j2,jinja,jinja2}' },
      { scheme: 'file', pattern: '**/stead.toml' },
      { scheme: 'file', pattern: '**/data/**/*.{yaml,yml,toml,json}' },
    ],
    synchronize: {
      configurationSection: 'stead',
      fileEvents: vscode.workspace.createFileSystemWatcher('**/*.{stead,j2,jinja,jinja2,yaml,yml,toml,json}'),
    },
    outputChannel: output,
    middleware: {
      // What a command gives is Markdown.
      executeCommand: async (command, args, next) => {
        const title = `${command.replace(/^stead\./, '')} of ${typeof args[1] === 'string' ? args[1] : 'this machine'}`
        try {
          const text: unknown = await next(command, args)
          if (typeof text === 'string') await shown.open(title, text)
          return text
        } catch (error) {
          void vscode.window.showErrorMessage(`Stead: ${error instanceof Error ? error.message : String(error)}`)
          return undefined
        }
      },
    },
  }
  client = new LanguageClient('stead', 'Stead', server, options)
  try {
    await client.start()
  } catch (error) {
    output.error(String(error))
    const settings = 'Open settings'
    const chosen = await vscode.window.showErrorMessage(
      `Stead: \`${command} lsp\` cannot be started. Set \`stead.path\` to where the program is.`,
      settings,
    )
    if (chosen === settings) await vscode.commands.executeCommand('workbench.action.openSettings', 'stead.path')
  }
}

async function restart(shown: Shown): Promise<void> {
  const old = client
  client = undefined
  if (old && old.state !== State.Stopped) await old.stop().catch(error => output.warn(String(error)))
  await old?.dispose().catch(error => output.warn(String(error)))
  await start(shown)
}

function program(): string {
  return vscode.workspace.getConfiguration('stead').get<string>('path')?.trim() || 'stead'
}

/** Documents that the server made, by their address. */
class Shown implements vscode.TextDocumentContentProvider {
  private readonly texts = new Map<string, string>()
  private readonly changed = new vscode.EventEmitter<vscode.Uri>()
  readonly onDidChange = this.changed.event

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.toString()) ?? ''
  }

  async open(name: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${name}.md` })
    this.texts.set(uri.toString(), text)
    this.changed.fire(uri)
    const document = await vscode.workspace.openTextDocument(uri)
    await vscode.languages.setTextDocumentLanguage(document, 'markdown')
    await vscode.commands.executeCommand('markdown.showPreview', uri)
  }
}

/** Asks for a node and gives it to a command of the server. */
async function ask(command: string): Promise<void> {
  const uri = vscode.window.activeTextEditor?.document.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri
  if (!client || client.state !== State.Running || !uri) {
    void vscode.window.showWarningMessage('Stead: the language server does not run, or no file is open.')
    return
  }
  const node = await vscode.window.showInputBox({
    title: 'Which node?',
    placeHolder: 'web-1',
    prompt: 'A name of a node; leave it empty for this machine.',
  })
  if (node === undefined) return
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: 'Stead' }, () =>
    Promise.resolve(vscode.commands.executeCommand(command, uri.toString(), node || null)),
  )
}

/** A code lens of the server: the places that know a name. */
async function showReferences(uri: string, position: Position, locations: Location[]): Promise<void> {
  if (!client) return
  const convert = client.protocol2CodeConverter
  await vscode.commands.executeCommand(
    'editor.action.showReferences',
    vscode.Uri.parse(uri),
    convert.asPosition(position),
    locations.map(location => convert.asLocation(location)),
  )
}

/** Shows the page of a code: the one under the cursor, or one that is typed. */
async function explain(): Promise<void> {
  const editor = vscode.window.activeTextEditor
  const here = editor
    ? vscode.languages.getDiagnostics(editor.document.uri).find(one => one.range.contains(editor.selection.active))
    : undefined
  const known = typeof here?.code === 'object' ? String(here.code.value) : here?.code?.toString()
  const code = known ?? (await vscode.window.showInputBox({ title: 'Which code?', placeHolder: 'unknown-attribute' }))
  if (!code || !/^[a-z0-9-]+$/.test(code)) return
  const terminal = vscode.window.createTerminal({ name: 'stead explain', shellPath: program(), shellArgs: ['explain', code] })
  terminal.show()
}
