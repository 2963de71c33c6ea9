// textmate.mjs MODULES FILE…: holds the TextMate grammar to files that the compiler accepts, with the libraries that VS Code uses.
//
// MODULES is the directory with the node_modules. Of each file no text may be invalid, every bracket has to be closed at its end,
// and what stands behind a file has the colours of the top level. Prints what is wrong, one a line; exits with 1 then.
//
// With --tokens FILE the tokens of a file are printed instead, for the test of what has which colour.

import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [modules, ...rest] = process.argv.slice(2)
const require = createRequire(join(modules, 'package.json'))
const textmate = require('vscode-textmate')
const oniguruma = require('vscode-oniguruma')

const extension = join(dirname(fileURLToPath(import.meta.url)), '../../editors/vscode')
const contributed = JSON.parse(readFileSync(join(extension, 'package.json'), 'utf8')).contributes.grammars
const paths = new Map(contributed.map(one => [one.scopeName, join(extension, one.path)]))

await oniguruma.loadWASM(readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')))
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: patterns => new oniguruma.OnigScanner(patterns),
    createOnigString: text => new oniguruma.OnigString(text),
  }),
  loadGrammar: async scope => {
    const path = paths.get(scope)
    return path ? textmate.parseRawGrammar(readFileSync(path, 'utf8'), path) : null
  },
  getInjections: scope => contributed.filter(one => one.injectTo?.includes(scope)).map(one => one.scopeName),
})

const scopeOf = name => (name.endsWith('.stead') ? 'source.stead' : 'text.jinja2.stead')

/** The tokens of a text, line by line, and the rules that are open at its end. */
function tokens(grammar, text) {
  const lines = []
  let stack = textmate.INITIAL
  for (const line of text.split(/\r?\n/)) {
    const result = grammar.tokenizeLine(line, stack, 5000)
    if (result.stoppedEarly) throw new Error('a line takes too long')
    lines.push(result.tokens.map(token => ({ text: line.slice(token.startIndex, token.endIndex), scopes: token.scopes })))
    stack = result.ruleStack
  }
  return { lines, stack }
}

let wrong = 0
function tell(message) {
  wrong += 1
  console.log(message)
}

if (rest[0] === '--tokens') {
  const [, file] = rest
  const grammar = await registry.loadGrammar(scopeOf(file))
  tokens(grammar, readFileSync(file, 'utf8')).lines.forEach((line, number) => {
    for (const token of line.filter(token => token.text.trim())) {
      console.log(`${number + 1} ${JSON.stringify(token.text)} ${token.scopes.slice(1).join(' ')}`)
    }
  })
} else {
  for (const file of rest) {
    const grammar = await registry.loadGrammar(scopeOf(file))
    if (!grammar) throw new Error(`there is no grammar for ${file}`)
    const { lines, stack } = tokens(grammar, readFileSync(file, 'utf8'))
    lines.forEach((line, number) => {
      for (const token of line) {
        if (token.scopes.some(scope => scope.startsWith('invalid'))) tell(`${file}:${number + 1}: ${token.text} is invalid`)
      }
    })
    const open = grammar.tokenizeLine('x', stack).tokens[0].scopes
    if (open.length > 2) tell(`${file}: still open at the end: ${open.slice(1).join(' ')}`)
    if (stack.depth > 1) tell(`${file}: ${stack.depth - 1} rules are still open at the end`)
  }
  console.log(`${rest.length} files`)
}
process.exit(wrong > 0 ? 1 : 0)
