"""Drives `stead lsp` through every feature, with the client of pygls: what an editor sees, seen from outside.

  features.py STEAD          every feature
  features.py STEAD edits N  N random edits; after each the diagnostics are those of a fresh `stead check`
"""
import asyncio, json, os, random, re, subprocess, sys, tempfile

from lsprotocol import types as lsp
from pygls.lsp.client import BaseLanguageClient

STEAD = os.path.abspath(sys.argv[1])

PROJECT = {
    "stead.toml": 'name = "p"\n',
    "site.stead": (
        "use web\nuse web.parts { Site, conf }\n\n"
        "let limit = 3\n"
        "enum Env { prod, dev }\n"
        "fn label(e: Env) -> String = match e { prod => \"p\", dev => \"d\" }\n\n"
        "state base(owner: String, env: Env = dev) {\n"
        "  directory \"/srv/x\" { mode = 0755 }\n"
        "  file \"/srv/x/a\" { content = \"${limit} ${label(env)} ${owner}\", mode = 0644 }\n"
        "}\n\n"
        "node \"*\" {\n  base(\"me\")\n  web.serve(port = 80)\n}\n"
        "fn _path(s: Site) -> Path = conf(s)\n"
    ),
    "web/web.stead": (
        "use web.parts { Site, conf }\n\n## Serves sites.\n"
        "state serve(sites: List<Site> = [], port: Port) {\n"
        "  for s in sites { file conf(s) { content = template(\"a.j2\", { s, port }) } }\n}\n"
    ),
    "web/parts/parts.stead": "type Site {\n  ## Its name.\n  name: String\n  port: Port = 80\n}\nfn conf(s: Site) -> Path = \"/srv/${s.name}\"\n",
    "templates/a.j2": "server {{ s.name }} {{ port }}\n",
    "data/common.yaml": "serve:\n  sites:\n    - name: one\n",
    "facts/n.json": '{"hostname": "n"}\n',
}


class Client(BaseLanguageClient):
    """Keeps what the server sends by itself."""

    def __init__(self, root, settings):
        super().__init__("tests", "1")
        self.root, self.told, self.asked, self.versions, self.progress = root, {}, [], {}, []
        self.news, self.refreshed = asyncio.Event(), asyncio.Event()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _(params):
            self.told[params.uri] = params
            self.news.set()

        @self.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def _(params):
            self.asked.extend(one.method for one in params.registrations)

        @self.feature(lsp.WORKSPACE_CONFIGURATION)
        def _(params):
            return [settings]

        @self.feature(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def _(params):
            return None

        @self.feature(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
        def _(params):
            self.refreshed.set()

        @self.feature(lsp.PROGRESS)
        def _(params):
            self.progress.append(params.value)

    def uri(self, name):
        return "file://" + os.path.join(self.root, name)

    def at(self, name, line, character):
        return {"text_document": lsp.TextDocumentIdentifier(uri=self.uri(name)), "position": lsp.Position(line, character)}

    def open(self, name, text=None):
        self.versions[name] = 1
        text = open(os.path.join(self.root, name)).read() if text is None else text
        document = lsp.TextDocumentItem(uri=self.uri(name), language_id="stead", version=1, text=text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(document))
        return text

    def change(self, name, text, span=None):
        self.versions[name] += 1
        document = lsp.VersionedTextDocumentIdentifier(uri=self.uri(name), version=self.versions[name])
        change = lsp.TextDocumentContentChangeWholeDocument(text) if span is None else lsp.TextDocumentContentChangePartial(range=span, text=text)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [change]))

    async def until(self, name, right, limit=60):
        """Waits for diagnostics of a file that are right."""
        end = asyncio.get_event_loop().time() + limit
        while True:
            found = self.told.get(self.uri(name))
            if found is not None and right(list(found.diagnostics)):
                return found.diagnostics
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), end - asyncio.get_event_loop().time())
            except asyncio.TimeoutError:
                raise AssertionError(f"diagnostics of {name}: {found}") from None


def write(root, files=PROJECT):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", newline="") as f:
            f.write(text)


async def connect(root, pull=False, snippets=False, encodings=("utf-16",), settings={"inlayHints": {"types": True}}, others=()):
    client = Client(root, settings)
    await client.start_io(STEAD, "lsp")
    # Nobody else reads what is logged.
    asyncio.create_task(client._server.stderr.read())
    capabilities = lsp.ClientCapabilities(
        general=lsp.GeneralClientCapabilities(position_encodings=list(encodings)),
        window=lsp.WindowClientCapabilities(work_done_progress=True),
        workspace=lsp.WorkspaceClientCapabilities(
            configuration=True,
            diagnostics=lsp.DiagnosticWorkspaceClientCapabilities(refresh_support=True) if pull is True else None,
            did_change_watched_files=lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
        ),
        text_document=lsp.TextDocumentClientCapabilities(
            diagnostic=lsp.DiagnosticClientCapabilities() if pull else None,
            completion=lsp.CompletionClientCapabilities(completion_item=lsp.ClientCompletionItemOptions(snippet_support=snippets)),
        ),
    )
    folders = [lsp.WorkspaceFolder(uri="file://" + path, name=os.path.basename(path)) for path in (root, *others)]
    result = await client.initialize_async(
        lsp.InitializeParams(capabilities=capabilities, workspace_folders=folders, process_id=os.getpid())
    )
    client.initialized(lsp.InitializedParams())
    return client, result


async def goodbye(client):
    await client.shutdown_async(None)
    client.exit(None)
    assert await asyncio.wait_for(client._server.wait(), 20) == 0


def labels(result):
    return [item.label for item in result]


async def features(root):
    client, result = await connect(root)
    assert result.capabilities.position_encoding == "utf-16"
    text = client.open("site.stead")
    # The state `base` is on both nodes; nothing is wrong.
    await client.until("site.stead", lambda found: found == [])
    assert "workspace/didChangeWatchedFiles" in client.asked
    assert any(value["kind"] == "begin" if isinstance(value, dict) else value.kind == "begin" for value in client.progress)

    hover = await client.text_document_hover_async(lsp.HoverParams(**client.at("site.stead", 9, 33)))
    assert "let limit: Int = 3" in hover.contents.value, hover
    found = await client.text_document_definition_async(lsp.DefinitionParams(**client.at("site.stead", 14, 7)))
    assert [one.uri for one in found] == [client.uri("web/web.stead")], found
    client.open("web/web.stead")
    found = await client.text_document_type_definition_async(lsp.TypeDefinitionParams(**client.at("web/web.stead", 4, 29)))
    assert [one.uri for one in found] == [client.uri("web/parts/parts.stead")], found
    # From the parameter to the data that feeds it, from the template to what it is given.
    found = await client.text_document_definition_async(lsp.DefinitionParams(**client.at("web/web.stead", 3, 13)))
    assert [one.uri for one in found] == [client.uri("data/common.yaml")], found
    client.open("templates/a.j2")
    found = await client.text_document_definition_async(lsp.DefinitionParams(**client.at("templates/a.j2", 0, 23)))
    assert [one.uri for one in found] == [client.uri("web/web.stead")], found
    context = lsp.ReferenceContext(include_declaration=True)
    found = await client.text_document_references_async(lsp.ReferenceParams(**client.at("site.stead", 3, 5), context=context))
    assert len(found) == 2, found
    found = await client.text_document_document_highlight_async(lsp.DocumentHighlightParams(**client.at("site.stead", 3, 5)))
    assert len(found) == 2, found

    edit = await client.text_document_rename_async(lsp.RenameParams(**client.at("web/web.stead", 3, 13), new_name="pages"))
    assert sorted(edit.changes) == [client.uri("data/common.yaml"), client.uri("web/web.stead")], edit
    prepared = await client.text_document_prepare_rename_async(lsp.PrepareRenameParams(**client.at("site.stead", 3, 5)))
    assert prepared.placeholder == "limit", prepared
    try:
        await client.text_document_rename_async(lsp.RenameParams(**client.at("site.stead", 3, 5), new_name="for"))
        raise AssertionError("a keyword is no name")
    except Exception as error:
        assert "is not a name" in str(error), error

    symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(client.uri("site.stead"))))
    assert [one.name for one in symbols] == ["limit", "Env", "label", "base", 'node "*"', "_path"], symbols
    symbols = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("serve"))
    assert any(one.name == "serve" for one in symbols), symbols

    document = lsp.TextDocumentIdentifier(client.uri("site.stead"))
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
    # What comes of compiling is there when that is done.
    expected = {": Int", "owner:", 'after directory["/srv/x"]', "2 nodes"}
    for _ in range(300):
        hints = await client.text_document_inlay_hint_async(lsp.InlayHintParams(document, whole))
        if expected <= {one.label for one in hints}:
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError(hints)
    lenses = await client.text_document_code_lens_async(lsp.CodeLensParams(document))
    titles = [one.command.title for one in lenses]
    assert "1 reference" in titles and "2 nodes" in titles and any(title.startswith("plan ") for title in titles), titles
    tokens = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(document))
    assert len(tokens.data) % 5 == 0 and tokens.data
    delta = await client.text_document_semantic_tokens_full_delta_async(lsp.SemanticTokensDeltaParams(document, tokens.result_id))
    assert len(delta.edits) == 0, delta
    part = await client.text_document_semantic_tokens_range_async(lsp.SemanticTokensRangeParams(document, lsp.Range(lsp.Position(3, 0), lsp.Position(4, 0))))
    assert 0 < len(part.data) < len(tokens.data)
    folds = await client.text_document_folding_range_async(lsp.FoldingRangeParams(document))
    assert any(one.kind == "imports" for one in folds) and len(folds) >= 3, folds
    ranges = await client.text_document_selection_range_async(lsp.SelectionRangeParams(document, [lsp.Position(9, 33)]))
    assert ranges[0].parent.parent is not None
    links = await client.text_document_document_link_async(lsp.DocumentLinkParams(lsp.TextDocumentIdentifier(client.uri("web/web.stead"))))
    assert [one.target for one in links] == [client.uri("templates/a.j2")], links
    linked = await client.text_document_linked_editing_range_async(lsp.LinkedEditingRangeParams(**client.at("site.stead", 3, 5)))
    places = [(3, 4), (9, text.split("\n")[9].index("limit"))]
    assert [(one.start.line, one.start.character) for one in linked.ranges] == places, linked
    # One that is key and value at once in `{ s, port }` cannot be edited so.
    assert await client.text_document_linked_editing_range_async(lsp.LinkedEditingRangeParams(**client.at("web/web.stead", 4, 6))) is None
    items = await client.text_document_prepare_call_hierarchy_async(lsp.CallHierarchyPrepareParams(**client.at("web/web.stead", 3, 8)))
    calls = await client.call_hierarchy_incoming_calls_async(lsp.CallHierarchyIncomingCallsParams(items[0]))
    assert [one.from_.name for one in calls] == ['node "*"'], calls
    items = await client.text_document_prepare_call_hierarchy_async(lsp.CallHierarchyPrepareParams(**client.at("site.stead", 7, 8)))
    calls = await client.call_hierarchy_outgoing_calls_async(lsp.CallHierarchyOutgoingCallsParams(items[0]))
    assert [one.to.name for one in calls] == ["label"], calls

    # Completion, in the middle of a keystroke.
    lines = text.split("\n")
    broken = "\n".join(lines[:9] + ["  file \"/srv/x/b\" { mo }"] + lines[9:])
    client.change("site.stead", broken)
    found = await client.text_document_completion_async(lsp.CompletionParams(**client.at("site.stead", 9, 22)))
    assert "mode" in labels(found) and "require" in labels(found), labels(found)
    broken = "\n".join(lines[:9] + ["  web."] + lines[9:])
    client.change("site.stead", broken)
    found = await client.text_document_completion_async(lsp.CompletionParams(**client.at("site.stead", 9, 6)))
    assert "serve" in labels(found), labels(found)
    broken = text.replace('web.serve(port = 80)', 'web.serve(')
    client.change("site.stead", broken)
    help_ = await client.text_document_signature_help_async(lsp.SignatureHelpParams(**client.at("site.stead", 14, 12)))
    assert help_.signatures[0].label.startswith("serve("), help_
    client.change("templates/a.j2", "server {{ s. }}")
    found = await client.text_document_completion_async(lsp.CompletionParams(**client.at("templates/a.j2", 0, 12)))
    assert "name" in labels(found), labels(found)
    client.change("site.stead", text)

    # Mistakes in sources, templates and data, with related places and pages; mended by the fix that is offered.
    client.change("templates/a.j2", "server {{ s.nmae }} {{ port }}")
    wrong = await client.until("templates/a.j2", lambda found: [one.code for one in found] == ["undefined-template-variable"])
    assert wrong[0].related_information and wrong[0].code_description.href, wrong
    context = lsp.CodeActionContext(wrong)
    actions = await client.text_document_code_action_async(
        lsp.CodeActionParams(lsp.TextDocumentIdentifier(client.uri("templates/a.j2")), wrong[0].range, context)
    )
    fix = next(one for one in actions if one.title == "Replace with `name`")
    assert fix.is_preferred and fix.edit.changes[client.uri("templates/a.j2")][0].new_text == "name"
    client.change("templates/a.j2", PROJECT["templates/a.j2"])
    await client.until("templates/a.j2", lambda found: found == [])
    client.open("data/common.yaml", "serve:\n  sites:\n    - name: 1\n")
    await client.until("data/common.yaml", lambda found: [one.code for one in found] == ["type-mismatch"])
    client.change("data/common.yaml", PROJECT["data/common.yaml"])
    await client.until("data/common.yaml", lambda found: found == [])
    client.change("site.stead", text + "let unused = 1\n")
    wrong = await client.until("site.stead", lambda found: [one.code for one in found] == ["unused-variable"])
    assert list(wrong[0].tags) == [lsp.DiagnosticTag.Unnecessary], wrong

    # Formatting.
    client.change("site.stead", text.replace("  directory", "      directory"))
    edits = await client.text_document_formatting_async(lsp.DocumentFormattingParams(document, lsp.FormattingOptions(2, True)))
    assert len(edits) == 1 and edits[0].range.start.line == 8, edits
    edits = await client.text_document_range_formatting_async(
        lsp.DocumentRangeFormattingParams(document, lsp.Range(lsp.Position(0, 0), lsp.Position(2, 0)), lsp.FormattingOptions(2, True))
    )
    assert len(edits) == 0, edits
    edits = await client.text_document_on_type_formatting_async(
        lsp.DocumentOnTypeFormattingParams(document, lsp.Position(10, 1), "}", lsp.FormattingOptions(2, True))
    )
    assert len(edits) == 1, edits
    client.change("site.stead", text)

    # Commands.
    node = next(title for title in titles if title.startswith("plan ")).removeprefix("plan ")
    plan = await client.workspace_execute_command_async(lsp.ExecuteCommandParams("stead.plan", [client.uri("site.stead")]))
    assert plan.startswith("### Plan for") and "/srv/x/a" in plan, plan
    assert "wanted on n" in titles, titles
    wanted = await client.workspace_execute_command_async(lsp.ExecuteCommandParams("stead.plan", [client.uri("site.stead"), "n"]))
    assert "/srv/one" in wanted and "**want**" in wanted, wanted
    catalog = await client.workspace_execute_command_async(lsp.ExecuteCommandParams("stead.catalog", [client.uri("site.stead"), "n"]))
    assert catalog.startswith("### Catalog of `n`") and "/srv/one" in catalog, (node, catalog)
    graph = await client.workspace_execute_command_async(lsp.ExecuteCommandParams("stead.graph", [client.uri("site.stead"), "n"]))
    assert "digraph" in graph, graph

    # A change on disk that the client tells, and a file that vanishes.
    client.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(client.uri("templates/a.j2"))))
    os.remove(os.path.join(root, "templates/a.j2"))
    client.workspace_did_change_watched_files(
        lsp.DidChangeWatchedFilesParams([lsp.FileEvent(client.uri("templates/a.j2"), lsp.FileChangeType.Deleted)])
    )
    await client.until("web/web.stead", lambda found: [one.code for one in found] == ["template-not-found"])
    write(root, {"templates/a.j2": PROJECT["templates/a.j2"]})
    client.workspace_did_change_watched_files(
        lsp.DidChangeWatchedFilesParams([lsp.FileEvent(client.uri("templates/a.j2"), lsp.FileChangeType.Created)])
    )
    await client.until("web/web.stead", lambda found: found == [])
    await goodbye(client)


async def actions(root):
    """Each kind of quick fix and refactoring, applied: what comes of it is what a person would have written, and nothing is wrong with it."""
    client, _ = await connect(root)
    client.open("site.stead", "")

    async def apply(text, title, expected, name="site.stead", select=None):
        """The cursor is at the first `|`; the selection goes on to the second, where there is one."""
        parts = text.split("|")
        place = positions("".join(parts))
        start, end = place(len(parts[0])), place(len("".join(parts[:-1])))
        client.change(name, "".join(parts))
        found = []
        for _ in range(100):
            found = await client.text_document_code_action_async(
                lsp.CodeActionParams(lsp.TextDocumentIdentifier(client.uri(name)), lsp.Range(start, end), lsp.CodeActionContext([]))
            )
            if any(one.title.startswith(title) for one in found):
                break
            # Some come of compiling.
            await asyncio.sleep(0.1)
        action = next((one for one in found if one.title.startswith(title)), None)
        assert action, (title, [one.title for one in found])
        changed = "".join(parts)
        for edit in sorted(action.edit.changes[client.uri(name)], key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
            offset = lambda at: sum(len(line) + 1 for line in changed.split("\n")[: at.line]) + at.character
            changed = changed[: offset(edit.range.start)] + edit.new_text + changed[offset(edit.range.end) :]
        assert changed == expected, (title, changed)

    await apply('file "/a" { mod|e = "0644" }\n'.replace("mod|e", "mode").replace('"0644"', '"0|644"'), "Write as a mode", 'file "/a" { mode = 0644 }\n')
    await apply('file "/a" { cont|nt = "x" }\n', "Replace with `content`", 'file "/a" { content = "x" }\n')
    await apply('authorized|_key "k"\n', "Add the missing attributes", 'authorized_key "k" { user = "" }\n')
    await apply('node "*" { ser|ve(port = 1) }\n', "Import `serve`", 'use web { serve }\n\nnode "*" { serve(port = 1) }\n')
    await apply("use web\nuse web.parts { co|nf, Site }\nfn _f(s: Site) -> Path = conf(s)\n", "Organize imports",
                "use web.parts { Site, conf }\nfn _f(s: Site) -> Path = conf(s)\n")
    await apply('node "*" {\n  file "/a" { content = |"x"| }\n}\n', "Extract to a `let`",
                'node "*" {\n  let value = "x"\n  file "/a" { content = value }\n}\n')
    await apply('node "*" {\n  |file "/a"|\n}\n', "Extract to a state", 'node "*" {\n  extracted()\n}\n\nstate extracted() {\n  file "/a"\n}\n')
    await apply('directory "/d"\nfi|le "/d/x"\n', 'Make the order after `directory["/d"]`',
                'directory "/d"\nfile "/d/x" { require = [directory["/d"]] }\n')
    await apply("let unu|sed = 1\n", "Name it `_unused`", "let _unused = 1\n")
    await apply("let unu|sed = 1\n", "Allow `unused-variable` here", "# stead: allow(unused-variable) \nlet unused = 1\n")
    await apply("use web\nuse web.parts { conf, Si|te }\nnode \"*\" { web.serve() }\nfn _f() -> Path = conf({ name = \"a\" })\n",
                "Remove the unused import",
                "use web\nuse web.parts { conf }\nnode \"*\" { web.serve() }\nfn _f() -> Path = conf({ name = \"a\" })\n")
    await apply('file "/a" { cont|nt = "x" }\nfile "/b" { contnt = "y" }\n', "Apply all suggestions",
                'file "/a" { content = "x" }\nfile "/b" { content = "y" }\n')
    await apply('let na|me = "x"\nfile "/a" { content = name }\n', "Inline", 'file "/a" { content = "x" }\n')
    client.open("data/common.yaml")
    client.change("site.stead", PROJECT["site.stead"])
    await apply("serve:\n  sites:\n    - nam|: one\n", "Replace with `name`", "serve:\n  sites:\n    - name: one\n", "data/common.yaml")
    await goodbye(client)


def labelled(found, label):
    items = found.items if hasattr(found, "items") and not isinstance(found, list) else found
    return next((item for item in items or [] if item.label == label), None)


async def completions(root):
    """Everything that can be completed, each where it stands."""
    write(root, {"files/banner.txt": "x\n"})
    client, _ = await connect(root, snippets=True)
    client.open("site.stead")
    client.open("templates/a.j2")

    async def complete(text, name="site.stead"):
        """The cursor is at `|`."""
        before, after = text.split("|")
        client.change(name, before + after)
        at = positions(before + after)(len(before))
        return await client.text_document_completion_async(
            lsp.CompletionParams(lsp.TextDocumentIdentifier(client.uri(name)), at))

    async def offers(text, *wanted, name="site.stead"):
        found = await complete(text, name)
        assert set(wanted) <= set(labels(found)), (text, wanted, labels(found))
        return {label: labelled(found, label) for label in wanted}

    await offers("fi|\n", "file", "state")
    needed = sorted(await complete('authorized_key "k" {\n  |\n}\n'), key=lambda item: item.sort_text)
    assert needed[0].label == "user" and needed[0].documentation.value and needed[0].detail == "String", needed[0]
    assert needed[0].insert_text_format == lsp.InsertTextFormat.Snippet and "$0" in needed[0].text_edit.new_text, needed[0]
    await offers('service "x" { state = | }\n', "running", "stopped")
    await offers('service "x" { enabled = | }\n', "true", "false")
    await offers("enum Env { prod, dev }\nfn _f(e: Env) -> Bool = e == |\n", "prod", "dev")
    await offers("fn made() -> Int = 1\nlet a = |\n", "made", "template", "facts")
    await offers('let a = "x".|\n', "lines", "upper")
    await offers("type V {\n  ## The port.\n  port: Port\n}\nfn _f(v: V) -> Any = v.|\n", "port")
    await offers("type V { port: Port }\nlet v: V = { | }\n", "port")
    hostname = await offers('file "/a" { content = facts.| }\n', "hostname", "os")
    assert hostname["hostname"].detail, hostname
    await offers('file "/a" { content = data.| }\n', "serve")
    await offers('service "nginx" { }\nfile "/a" { require = [service["|"]] }\n', "nginx")
    await offers("use |\n", "web", "web.parts")
    await offers("use web.parts { | }\n", "Site", "conf")
    await offers("fn _f(x: |) -> Int = 1\n", "Int", "String")
    await offers('file "/a" { content = template("|") }\n', "a.j2")
    await offers('file "/a" { source = "|" }\n', "banner.txt")
    # What another module defines is imported with it.
    found = await offers('node "*" {\n  ser|\n}\n', "serve")
    assert [edit.new_text.strip() for edit in found["serve"].additional_text_edits] == ["use web { serve }"], found
    client.change("site.stead", PROJECT["site.stead"])
    await offers("{{ | }}", "s", "port", name="templates/a.j2")
    await offers("{{ s.| }}", "name", "port", name="templates/a.j2")
    await offers("{{ s.name.| }}", "upper", "startswith", name="templates/a.j2")
    # What is deprecated is marked, and comes last.
    old = "## Deprecated: use `b`\nfn a() -> Int = 1\nfn b() -> Int = 2\n"
    found = await complete(old + "let c = |\n")
    assert list(labelled(found, "a").tags) == [lsp.CompletionItemTag.Deprecated] and labelled(found, "b").tags is None
    assert labelled(found, "b").sort_text < labelled(found, "a").sort_text
    client.change("site.stead", old + "fn _c() -> Int = a()\n")
    told = await client.until("site.stead", lambda found: "deprecated-name" in [one.code for one in found])
    told = next(one for one in told if one.code == "deprecated-name")
    assert list(told.tags) == [lsp.DiagnosticTag.Deprecated] and told.message.startswith("the function `a` is deprecated: use `b`"), told
    assert told.related_information[0].location.range.start.line == 1, told
    symbols = await client.text_document_document_symbol_async(
        lsp.DocumentSymbolParams(lsp.TextDocumentIdentifier(client.uri("site.stead"))))
    assert [(one.name, list(one.tags or [])) for one in symbols[:2]] == [("a", [lsp.SymbolTag.Deprecated]), ("b", [])], symbols
    await goodbye(client)


async def looked_at(root):
    """Hover, signatures and places, of everything that has a name."""
    write(root, {"facts/m.json": '{"hostname": "m"}\n', "data/nodes/m.yaml": "serve:\n  port: 81\n", "data/other.toml": "x = 1\n"})
    write(root, {"stead.toml": 'name = "p"\n[data]\nhierarchy = ["nodes/${node.name}", "common", "other"]\n'})
    client, _ = await connect(root)
    text = client.open("site.stead")
    client.open("web/web.stead")
    client.open("templates/a.j2")
    await client.until("site.stead", lambda found: found == [])
    hover = lambda name, line, at: client.text_document_hover_async(lsp.HoverParams(**client.at(name, line, at)))
    told = await hover("site.stead", 9, 3)
    assert "Attributes" in told.contents.value, told
    told = await hover("site.stead", 8, 23)
    assert "directory.mode" in told.contents.value, told
    told = await hover("site.stead", 14, 8)
    assert "Serves sites." in told.contents.value, told
    # What the data says, for each node.
    for _ in range(300):
        told = await hover("web/web.stead", 3, 39)
        if "`m`: `81`" in told.contents.value:
            break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError(told)
    told = await hover("templates/a.j2", 0, 24)
    assert "Port" in told.contents.value, told
    found = await client.text_document_declaration_async(lsp.DeclarationParams(**client.at("site.stead", 14, 7)))
    assert [one.uri for one in found] == [client.uri("web/web.stead")], found
    # From a reference to its resource, and from a call to its template.
    client.change("site.stead", text + 'file "/srv/y" { require = [file["/srv/x/a"]], content = template("a.j2", { s = { name = "a" }, port = 1 }) }\n')
    line = text.count("\n")
    reference = len('file "/srv/y" { require = [file["/sr')
    found = await client.text_document_definition_async(lsp.DefinitionParams(**client.at("site.stead", line, reference)))
    assert [(one.uri, one.range.start.line) for one in found] == [(client.uri("site.stead"), 9)], found
    call = len('file "/srv/y" { require = [file["/srv/x/a"]], content = template("a.')
    found = await client.text_document_definition_async(lsp.DefinitionParams(**client.at("site.stead", line, call)))
    assert [one.uri for one in found] == [client.uri("templates/a.j2")], found
    help_ = await client.text_document_signature_help_async(lsp.SignatureHelpParams(**client.at("site.stead", line, call)))
    assert help_.signatures[0].label.startswith("template(path") and help_.active_parameter == 0, help_
    # A name that is taken is refused, with the reason.
    try:
        await client.text_document_rename_async(lsp.RenameParams(**client.at("site.stead", 5, 4), new_name="base"))
        raise AssertionError("two of one name")
    except Exception as error:
        assert "base" in str(error), error
    # The settings of the editor, when they change.
    client.change("site.stead", text)
    whole = lsp.InlayHintParams(lsp.TextDocumentIdentifier(client.uri("site.stead")), lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0)))
    assert ": Int" in [one.label for one in await client.text_document_inlay_hint_async(whole)]
    client.workspace_did_change_configuration(
        lsp.DidChangeConfigurationParams({"stead": {"inlayHints": {"types": False}}}))
    assert ": Int" not in [one.label for one in await client.text_document_inlay_hint_async(whole)]
    # A range is formatted by itself.
    client.change("site.stead", text.replace("  directory", "      directory").replace("let limit", "let   limit"))
    edits = await client.text_document_range_formatting_async(lsp.DocumentRangeFormattingParams(
        lsp.TextDocumentIdentifier(client.uri("site.stead")), lsp.Range(lsp.Position(3, 0), lsp.Position(4, 0)), lsp.FormattingOptions(2, True)))
    assert [edit.range.start.line for edit in edits] == [3], edits
    await goodbye(client)


async def sound(root):
    """What is written by an edit of the server means what it should."""
    write(root, {"data/more.toml": "[serve]\nport = 80\n", "stead.toml": 'name = "p"\n[data]\nhierarchy = ["more", "common"]\n'})
    client, _ = await connect(root)
    text = client.open("site.stead")
    client.open("data/more.toml")
    client.open("web/web.stead")
    await client.until("site.stead", lambda found: found == [])
    document = lsp.TextDocumentIdentifier(client.uri("site.stead"))
    # What is typed last closes an `else` on a line of its own.
    lines = ["let on = true", "if on {", '    file "/a"', "  }", "  else {", '    file "/b"', "  }"]
    client.change("site.stead", "\n".join(lines) + "\n")
    edits = await client.text_document_on_type_formatting_async(
        lsp.DocumentOnTypeFormattingParams(document, lsp.Position(6, 3), "}", lsp.FormattingOptions(2, True)))
    new = list(lines)
    for edit in sorted(edits, key=lambda one: -one.range.start.line):
        assert edit.range.start.character == edit.range.end.character == 0, edit
        new[edit.range.start.line:edit.range.end.line] = edit.new_text.splitlines()
    assert new == ["let on = true", "if on {", '  file "/a"', "} else {", '  file "/b"', "}"], new
    # A key below a table of TOML is known, and what reads it follows its name.
    reads = 'file "/p" { content = "${data.serve.port}" }\n'
    client.change("site.stead", text.replace("web.serve(port = 80)", "web.serve()") + reads)
    await client.until("site.stead", lambda found: found == [])
    told = await client.text_document_hover_async(lsp.HoverParams(**client.at("data/more.toml", 1, 2)))
    assert "Port" in told.contents.value, told
    renamed = await client.text_document_rename_async(lsp.RenameParams(**client.at("data/more.toml", 1, 2), new_name="listen"))
    assert {client.uri(name) for name in ("site.stead", "web/web.stead", "data/more.toml")} <= set(renamed.changes), renamed
    assert [edit.range.start.line for edit in renamed.changes[client.uri("site.stead")]] == [text.count("\n")], renamed
    # Several arguments are added at once.
    client.change("site.stead", text + "fn f(a: Int, b: Bool) -> Int = if b { a } else { 0 }\nlet x = f()\n")
    wrong = await client.until("site.stead", lambda found: [one.code for one in found][:2] == ["missing-argument"] * 2)
    actions = await client.text_document_code_action_async(
        lsp.CodeActionParams(document, wrong[0].range, lsp.CodeActionContext(list(wrong))))
    fix = next(one for one in actions if one.title == "Add the missing arguments")
    assert fix.edit.changes[client.uri("site.stead")][0].new_text == "a = 0, b = false", fix
    assert len(fix.diagnostics) == 2, fix
    # A mistake in the syntax that has one obvious fix.
    client.change("site.stead", text + "let word = 'a'\n")
    wrong = await client.until("site.stead", lambda found: [one.code for one in found][:1] == ["single-quoted-string"])
    actions = await client.text_document_code_action_async(
        lsp.CodeActionParams(document, wrong[0].range, lsp.CodeActionContext(list(wrong))))
    fix = next(one for one in actions if one.title == 'Replace with `"a"`')
    assert fix.edit.changes[client.uri("site.stead")][0].new_text == '"a"', fix
    await goodbye(client)


async def data(root):
    """Values that do not fit their parameters, in each format, and templates that are none."""
    client, _ = await connect(root)
    client.open("site.stead")
    codes = lambda *wanted: lambda found: [one.code for one in found] == list(wanted)
    client.open("data/common.yaml")
    client.open("data/more.toml", '[serve]\nport = "x"\n')
    client.change("site.stead", PROJECT["site.stead"].replace("web.serve(port = 80)", "web.serve()"))
    write(root, {"stead.toml": 'name = "p"\n[data]\nhierarchy = ["more", "extra", "common"]\n'})
    client.workspace_did_change_watched_files(
        lsp.DidChangeWatchedFilesParams([lsp.FileEvent(client.uri("stead.toml"), lsp.FileChangeType.Changed)]))
    wrong = await client.until("data/more.toml", codes("type-mismatch"))
    assert (wrong[0].range.start.line, wrong[0].range.start.character) == (1, 7), wrong
    client.change("data/more.toml", "[other]\nx = 1\n")
    await client.until("data/more.toml", codes())
    client.open("data/extra.json", '{\n  "serve": {"port": 99999}\n}\n')
    wrong = await client.until("data/extra.json", codes("out-of-range"))
    assert wrong[0].range.start.line == 1, wrong
    client.change("data/extra.json", '{"serve": {"port": 80}}\n')
    await client.until("data/extra.json", codes())
    client.open("templates/a.j2", "{% if %}\n")
    await client.until("templates/a.j2", codes("template-syntax-error"))
    client.change("templates/a.j2", PROJECT["templates/a.j2"])
    await client.until("templates/a.j2", codes())
    await goodbye(client)


async def large(root):
    """A file too large for each keystroke is loaded when the typing pauses; meanwhile everything else is answered."""
    comment = "# " + "x" * 98 + "\n"
    text = comment * 12_000 + "fn first() -> Int = 1\n"
    write(root, {"big/big.stead": text})
    client, _ = await connect(root)
    client.open("site.stead")
    client.open("big/big.stead")
    document = lsp.TextDocumentIdentifier(client.uri("big/big.stead"))
    symbols = lambda: client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
    names = lambda found: [one.name for one in found]
    assert names(await symbols()) == ["first"]
    arrived = []

    async def note(what, answer):
        try:
            arrived.append((what, await answer))
        except Exception as error:
            arrived.append((what, error))
    end = lsp.Position(12_001, 0)
    client.change("big/big.stead", "fn second() -> Int = 2\n", lsp.Range(end, end))
    asked = [
        note("outdated", symbols()),
        note("other", client.text_document_hover_async(lsp.HoverParams(**client.at("site.stead", 9, 33)))),
    ]
    asked = [asyncio.ensure_future(one) for one in asked]
    # All of them are sent before the next keystroke.
    await asyncio.sleep(0)
    end = lsp.Position(12_002, 0)
    client.change("big/big.stead", "fn third() -> Text = 2\n", lsp.Range(end, end))
    asked += [asyncio.ensure_future(note("last", symbols()))]
    await asyncio.gather(*asked)
    said = dict(arrived)
    assert "limit" in said["other"].contents.value, said["other"]
    assert "changed meanwhile" in str(said["outdated"]), said["outdated"]
    assert names(said["last"]) == ["first", "second", "third"], said["last"]
    assert [what for what, _ in arrived][-1] == "last", arrived
    told = await client.until("big/big.stead", lambda found: [one.code for one in found] == ["unknown-type"])
    assert told[0].range.start.line == 12_002, told
    # A small file beside it is looked at as ever, with the large one as it was.
    client.change("big/big.stead", "", lsp.Range(end, lsp.Position(12_003, 0)))
    client.change("site.stead", PROJECT["site.stead"] + "use big\nfn _big() -> Int = big.second() + big.fourth()\n")
    told = await client.until("site.stead", lambda found: [one.code for one in found] == ["unknown-name"])
    assert "fourth" in told[0].message, told
    await client.until("big/big.stead", lambda found: found == [])
    client.change("big/big.stead", "fn fourth() -> Int = 4\n", lsp.Range(end, end))
    await client.until("site.stead", lambda found: found == [])
    # What waits can be cancelled.
    client.change("big/big.stead", "# \n", lsp.Range(end, end))
    waits = asyncio.ensure_future(symbols())
    await asyncio.sleep(0)
    number = client.protocol._request_futures and list(client.protocol._request_futures)[-1]
    client.cancel_request(lsp.CancelParams(number))
    try:
        await waits
        raise AssertionError("it was cancelled")
    except (Exception, asyncio.CancelledError) as error:
        assert not isinstance(error, AssertionError), error
    await goodbye(client)


async def roots(root):
    """Several folders, and one more that comes later and goes again: each is a project of its own."""
    other, third = (os.path.join(os.path.dirname(root), name) for name in ("other", "third"))
    write(other, {"stead.toml": 'name = "o"\n', "site.stead": "let limit = 1\nfn label() -> Int = limit\nlet wrong: String = label()\n"})
    write(third, {"stead.toml": 'name = "t"\n', "site.stead": "let wrong = nope\n"})
    client, _ = await connect(root, others=[other])
    uri = lambda root: "file://" + os.path.join(root, "site.stead")

    async def until(root, right):
        for _ in range(600):
            told = client.told.get(uri(root))
            if told is not None and right([one.code for one in told.diagnostics]):
                return
            await asyncio.sleep(0.1)
        raise AssertionError((root, client.told.get(uri(root))))
    # A folder with a project is looked at though none of its files is open.
    await until(other, lambda codes: "type-mismatch" in codes)
    assert uri(third) not in client.told
    client.open("site.stead")
    # Each name is that of its own project.
    found = await client.text_document_references_async(
        lsp.ReferenceParams(**client.at("site.stead", 3, 5), context=lsp.ReferenceContext(include_declaration=True)))
    assert len(found) == 2 and {one.uri for one in found} == {uri(root)}, found
    symbols = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams("label"))
    assert {one.location.uri for one in symbols} == {uri(root), uri(other)}, symbols
    folder = lsp.WorkspaceFolder("file://" + third, "t")
    client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(lsp.WorkspaceFoldersChangeEvent([folder], [])))
    await until(third, lambda codes: codes == ["unknown-name"])
    client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(lsp.WorkspaceFoldersChangeEvent([], [folder])))
    await until(third, lambda codes: codes == [])
    await goodbye(client)


async def pulled(root):
    client, result = await connect(root, pull=True, encodings=("utf-8", "utf-16"))
    assert result.capabilities.position_encoding == "utf-8" and result.capabilities.diagnostic_provider
    client.open("site.stead", PROJECT["site.stead"] + "# 🦀\tä\r\nlet é🦀 = nope\n")
    report = await client.text_document_diagnostic_async(
        lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(client.uri("site.stead")))
    )
    assert report.kind == "full" and report.items, report
    again = await client.text_document_diagnostic_async(
        lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(client.uri("site.stead")), previous_result_id=report.result_id)
    )
    assert again.kind == "unchanged", again
    # What only compiling finds comes when the client was told to ask again; asked for meanwhile it is answered at once.
    async def until(right):
        for _ in range(300):
            client.refreshed.clear()
            report = await client.text_document_diagnostic_async(
                lsp.DocumentDiagnosticParams(lsp.TextDocumentIdentifier(client.uri("site.stead")))
            )
            if right([one.code for one in report.items]):
                return
            await asyncio.wait_for(client.refreshed.wait(), 60)
        raise AssertionError(report)
    twice = PROJECT["site.stead"] + 'node "n" {\n  file "/z" { content = "a" }\n  file "/z" { content = "b" }\n}\n'
    client.change("site.stead", twice)
    await until(lambda codes: codes == ["conflicting-resources"])
    # Files that are not open are told unasked, and open ones are not.
    client.change("site.stead", PROJECT["site.stead"].replace("port = 80", "prot = 80"))
    await until(lambda codes: codes)
    assert not (client.told.get(client.uri("site.stead")) and client.told[client.uri("site.stead")].diagnostics)
    await goodbye(client)
    # One that cannot be told to ask again is told unasked.
    client, result = await connect(root, pull="without refresh")
    assert result.capabilities.diagnostic_provider is None
    client.open("site.stead", twice)
    await client.until("site.stead", lambda found: [one.code for one in found] == ["conflicting-resources"])
    await goodbye(client)


async def inventories(root):
    """An inventory is read as a check reads it; a program is not run unless that is allowed, and nothing is told that is wrong for that reason alone."""
    site = (
        around(root)["site.stead"]
        + 'inventory { group "other" { hosts = ["c", "zz-*"] } }\n'
    )
    write(root, {"site.stead": site})
    client, _ = await connect(root)
    client.open("site.stead")
    # A mistake that stays is told once the project was looked at.
    client.change("site.stead", site + "let unused = 1\n")
    await client.until("site.stead", lambda found: [one.code for one in found] == ["unused-variable"])
    client.open("hosts/two.yaml", "web:\n  hosts: 3\n")
    await client.until("hosts/two.yaml", lambda found: [one.code for one in found] == ["type-mismatch"])
    client.change("hosts/two.yaml", "web:\n  hosts:\n    b-1:\n")
    await client.until("hosts/two.yaml", lambda found: found == [])
    await goodbye(client)
    # Where programs are run, what no host matches is known.
    client, _ = await connect(root, settings={"runPrograms": True})
    client.open("site.stead")
    await client.until("site.stead", lambda found: [one.code for one in found] == ["unmatched-pattern"])
    await goodbye(client)


async def bad_input(root):
    """Raw frames: what no client should send is answered with the protocol's error, and the server goes on."""
    server = await asyncio.create_subprocess_exec(
        STEAD, "lsp", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=1 << 26
    )

    def raw(body):
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def send(**message):
        raw(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def answer(number):
        while True:
            length = 0
            while line := (await server.stdout.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            message = json.loads(await server.stdout.readexactly(length))
            if message.get("id", "none") == number and "method" not in message:
                return message

    async def code(number):
        return (await answer(number))["error"]["code"]

    uri = lambda name: {"textDocument": {"uri": "file://" + os.path.join(root, name)}}
    send(id=1, method="textDocument/hover", params={})
    assert await code(1) == -32002
    send(id=2, method="initialize", params={"capabilities": {}, "processId": None, "rootUri": "file://" + root})
    assert "capabilities" in (await answer(2))["result"]
    send(method="initialized", params={})
    raw(b"{nonsense")
    assert await code(None) == -32700
    send(id=3, method="no/suchMethod", params={})
    assert await code(3) == -32601
    send(id=4, method="textDocument/hover", params={"position": 7})
    assert await code(4) == -32602
    send(id=5, method="textDocument/hover", params={**uri("none.stead"), "position": {"line": 0, "character": 0}})
    assert await code(5) == -32803
    send(id=6, method="textDocument/hover", params={"textDocument": {"uri": "untitled:x"}, "position": {"line": 0, "character": 0}})
    assert await code(6) == -32602
    send(method="no/suchNotification", params={})
    # A document that was closed is what is on disk; one that was never there is gone.
    for name in ("site.stead", "unsaved.stead"):
        send(method="textDocument/didOpen", params={"textDocument": {"languageId": "stead", "version": 1, "text": "let a = 1\n", **uri(name)["textDocument"]}})
        send(method="textDocument/didClose", params=uri(name))
    send(id=13, method="textDocument/documentSymbol", params=uri("site.stead"))
    assert [one["name"] for one in (await answer(13))["result"]][0] == "limit"
    send(id=14, method="textDocument/documentSymbol", params=uri("unsaved.stead"))
    assert await code(14) == -32803
    send(method="textDocument/didChange", params={"textDocument": {**uri("site.stead")["textDocument"], "version": 2}, "contentChanges": []})
    # A binary file, ten megabytes, and directories that lead into themselves.
    with open(os.path.join(root, "binary.stead"), "wb") as f:
        f.write(bytes(range(256)) * 40)
    os.symlink(root, os.path.join(root, "loop"))
    send(method="workspace/didChangeWatchedFiles", params={"changes": [{"uri": uri("binary.stead")["textDocument"]["uri"], "type": 1}]})
    send(id=7, method="textDocument/hover", params={**uri("binary.stead"), "position": {"line": 0, "character": 0}})
    await answer(7)
    big = "# " + "x" * 1000 + "\n"
    document = {"languageId": "stead", "version": 1, "text": big * 10_000, **uri("big.stead")["textDocument"]}
    send(method="textDocument/didOpen", params={"textDocument": document})
    send(id=8, method="textDocument/documentSymbol", params=uri("big.stead"))
    assert (await answer(8))["result"] == []
    # Of two in one go, the second is cancelled before it is begun.
    send(id=9, method="textDocument/documentSymbol", params=uri("site.stead"))
    send(id=10, method="workspace/symbol", params={"query": ""})
    send(method="$/cancelRequest", params={"id": 10})
    await answer(9)
    last = await answer(10)
    assert "result" in last or last["error"]["code"] == -32800, last
    send(id=11, method="shutdown")
    assert (await answer(11))["result"] is None
    send(id=12, method="textDocument/hover", params={})
    assert await code(12) == -32600
    send(method="exit")
    assert await asyncio.wait_for(server.wait(), 20) == 0


PIECES = ["{", "}", "[", "(", ")", '"', "${", " = ", ": ", ",", "\n", "\r\n", "\t", "# 🦀\n", "é", "file ", '"/x"', "if ", "match ", "=>", "let x = 1\n",
          "none", "0644", "..", "?.", "facts.os", "data.x", "state s() { }\n", "use web\n", "name", "port", "{{ ", " }}", "- ", "  "]


def positions(text):
    """Offset to line and UTF-16 column, as the protocol counts."""
    lines, start, i = [], 0, 0
    while i < len(text):
        if text[i] == "\n" or (text[i] == "\r" and text[i + 1:i + 2] != "\n"):
            lines.append(start)
            start = i + 1
        i += 1
    lines.append(start)

    def position(offset):
        line = max(n for n, at in enumerate(lines) if at <= offset)
        return lsp.Position(line, len(text[lines[line]:offset].encode("utf-16-le")) // 2)
    return position


def around(root):
    """What a project has besides its sources: inventories of other tools inside and outside, one of them a program, declared facts, a locked secret."""
    home = os.path.join(root, "../home")
    os.makedirs(home + "/.ssh")
    os.environ["HOME"] = os.path.realpath(home)
    stead = lambda *arguments, **more: subprocess.run([STEAD, *arguments], check=True, capture_output=True, text=True, **more).stdout
    recipient = re.search("age1[a-z0-9]+", stead("secret", "keygen", "--output", os.path.join(root, "../key")))[0]
    files = {
        "stead.toml": (
            f'name = "p"\n[secrets]\nrecipients = ["{recipient}"]\n'
            f'[inventory]\nfiles = ["hosts", "listing.py", "~/.ssh/config", "{os.path.realpath(home)}/roster"]\n'
            '[facts.programs]\nrack = ["/bin/echo", "\\"r7\\""]\n'
        ),
        "site.stead": PROJECT["site.stead"] + (
            "fact rack: String\nfact row: Int = 1\n"
            'inventory {\n  group "web" { hosts = ["a", "b-*", "c", "d"] }\n}\n'
            'node where \"web\" in node.groups { file "/rack" { content = "${facts.rack} ${facts.row}" } }\n'
            'state locked(token: Secret<String>) { file "/token" { content = token, mode = 0600 } }\nnode "*" { locked() }\n'
        ),
        "hosts/one.ini": "[web]\na ansible_user=x\n[db]\nn\n",
        "hosts/two.yaml": "web:\n  hosts:\n    b-1:\n    n:\n",
        "listing.py": '#!/bin/sh\necho \'{"db": {"hosts": ["c"]}}\'\n',
    }
    write(root, files)
    os.chmod(os.path.join(root, "listing.py"), 0o755)
    write(home, {".ssh/config": "Host d\n  User root\n", "roster": "e:\n  host: 10.0.0.1\n"})
    stead("secret", "set", os.path.join(root, "data/common.yaml"), "locked.token", input="hunter2")
    read = lambda name: open(os.path.join(root, name)).read()
    return {**PROJECT, **files, "data/common.yaml": read("data/common.yaml")}


async def edits(root, rounds):
    """Random small edits of open files; after each, what the server tells is what a fresh check tells."""
    seed = int(os.environ.get("STEAD_TEST_SEED", "1"))
    generator = random.Random(seed)
    project = around(root)
    client, _ = await connect(root, settings={"runPrograms": True})
    names = [name for name in project if not name.endswith((".toml", ".json", ".py"))]
    texts = {name: client.open(name) for name in names}
    for turn in range(rounds):
        name = generator.choice(names)
        text = texts[name]
        if generator.random() < 0.25:
            texts[name] = project[name]
            client.change(name, texts[name])
        else:
            start = generator.randint(0, len(text))
            end = min(len(text), start + generator.choice([0, 0, 1, 3, 10]))
            # The client and the server must agree what a line is: a pair is never split.
            start -= text[start - 1:start + 1] == "\r\n"
            end += text[end - 1:end + 1] == "\r\n"
            new = generator.choice(PIECES)
            if text[start - 1:start] == "\r" and new.startswith("\n") or new.endswith("\r") or text[end:end + 1] == "\n" and new.endswith("\r"):
                continue
            position = positions(text)
            client.change(name, new, lsp.Range(position(start), position(max(start, end))))
            texts[name] = text[:start] + new + text[max(start, end):]
        with open(os.path.join(root, name), "w", newline="") as f:
            f.write(texts[name])
        checked = subprocess.run([STEAD, "check", "--json", "--offline", root], capture_output=True, text=True)
        expected = {}
        for line in checked.stdout.splitlines():
            one = json.loads(line)
            at = next((label for label in one["labels"] if label["primary"]), one["labels"][0] if one["labels"] else None)
            file = at["file"] if at else "stead.toml"
            place = ((0, 0), (0, 0))
            if at:
                try:
                    data = open(os.path.join(root, file), "rb").read()
                except FileNotFoundError:
                    data = b""
                position = positions(data.decode())
                ends = (position(len(data[:end].decode(errors="ignore"))) for end in (at["start"], at["end"]))
                place = tuple((end.line, end.character) for end in ends)
            expected.setdefault(file, []).append((place, one["code"], one["message"]))
        everything = {name: sorted(list_) for name, list_ in expected.items()}

        def told(file):
            found = client.told.get(client.uri(file))
            if found is None:
                return []
            place = lambda one: tuple((end.line, end.character) for end in (one.start, one.end))
            return sorted((place(one.range), one.code, one.message.split("\n")[0]) for one in found.diagnostics)

        def same():
            files = set(everything) | {os.path.relpath(uri.removeprefix("file://"), root) for uri in client.told}
            for file in files:
                have, want = told(file), everything.get(file, [])
                # A label's words follow the message.
                if len(have) != len(want) or any(a[:2] != b[:2] or not a[2].startswith(b[2]) for a, b in zip(have, want)):
                    return (file, have, want)
            return None

        end = asyncio.get_event_loop().time() + 30
        while (difference := same()) is not None:
            client.news.clear()
            left = end - asyncio.get_event_loop().time()
            assert left > 0, f"seed {seed}, edit {turn} of {name}: {difference}"
            try:
                await asyncio.wait_for(client.news.wait(), min(left, 5))
            except asyncio.TimeoutError:
                pass
    await goodbye(client)


async def main():
    tests = [features, completions, looked_at, sound, data, large, actions, roots, pulled, inventories, bad_input]
    if sys.argv[2:3] == ["edits"]:
        async def random_edits(root):
            await edits(root, int(sys.argv[3]))
        tests = [random_edits]
    for test in tests:
        with tempfile.TemporaryDirectory() as parent:
            root = os.path.join(os.path.realpath(parent), "p")
            write(root)
            await test(root)
        print(f"{test.__name__}: ok", flush=True)


asyncio.run(main())
