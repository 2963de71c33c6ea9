//! Code actions: what would mend a finding, and changes of form that keep the meaning.

mod fixes;
mod imports;
mod missing;
mod refactor;

use lsp_types::{CodeAction, CodeActionKind, CodeActionOrCommand, CodeActionParams, Diagnostic};
use stead_grammar::ast::Span;

pub(crate) use imports::import_edit;

use crate::snapshot::Snapshot;

/// The kinds of actions there are.
pub(crate) fn kinds() -> Vec<CodeActionKind> {
    vec![
        CodeActionKind::QUICKFIX,
        CodeActionKind::REFACTOR,
        CodeActionKind::REFACTOR_EXTRACT,
        CodeActionKind::REFACTOR_INLINE,
        CodeActionKind::REFACTOR_REWRITE,
        CodeActionKind::SOURCE,
        CodeActionKind::SOURCE_ORGANIZE_IMPORTS,
        CodeActionKind::SOURCE_FIX_ALL,
    ]
}

/// An action before it has the protocol's form.
pub(crate) struct Action {
    pub(crate) title: String,
    pub(crate) kind: CodeActionKind,
    /// What to write where, by files; edits of one file do not overlap.
    pub(crate) edits: Vec<(std::sync::Arc<str>, Span, String)>,
    /// The finding it mends.
    pub(crate) mends: Option<&'static str>,
    pub(crate) is_preferred: bool,
}

impl Action {
    fn new(title: impl Into<String>, kind: CodeActionKind) -> Self {
        Self { title: title.into(), kind, edits: Vec::new(), mends: None, is_preferred: false }
    }

    fn edit(mut self, file: &std::sync::Arc<str>, span: Span, text: impl Into<String>) -> Self {
        self.edits.push((file.clone(), span, text.into()));
        self
    }
}

/// The actions for a range.
pub(crate) fn code_actions(snapshot: &Snapshot, params: CodeActionParams) -> Option<Vec<CodeActionOrCommand>> {
    let range = snapshot.text.span(params.range);
    let mut actions = found(snapshot, range);
    if let Some(only) = &params.context.only {
        // `refactor` asks for `refactor.extract` as well.
        let asked = |kind: &CodeActionKind| {
            only.iter()
                .any(|one| kind.as_str().strip_prefix(one.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        };
        actions.retain(|action| asked(&action.kind));
    }
    let convert = |action: Action| {
        let mends = |one: &&Diagnostic| match (&one.code, action.mends) {
            (Some(lsp_types::NumberOrString::String(code)), Some(mended)) => code == mended,
            _ => false,
        };
        let diagnostics: Vec<Diagnostic> = params.context.diagnostics.iter().filter(mends).cloned().collect();
        CodeActionOrCommand::CodeAction(CodeAction {
            title: action.title,
            kind: Some(action.kind),
            diagnostics: Some(diagnostics).filter(|list| !list.is_empty()),
            edit: Some(snapshot.edit(action.edits.iter().map(|(file, span, text)| (file, *span, &**text)))),
            is_preferred: action.is_preferred.then_some(true),
            ..CodeAction::default()
        })
    };
    Some(actions.into_iter().map(convert).collect())
}

pub(crate) fn found(snapshot: &Snapshot, range: Span) -> Vec<Action> {
    let mut actions = fixes::found(snapshot, range);
    if snapshot.source().is_some() {
        actions.extend(imports::organize(snapshot));
        actions.extend(refactor::found(snapshot, range));
    }
    actions
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;
    use stead_grammar::ast::Span;

    /// Applies the action whose title begins so to the first file.
    #[track_caller]
    fn check(text: &str, title: &str, expected: &str) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let range = Span::new(offset, fixture.second_cursor().unwrap_or(offset));
        let actions = super::found(&snapshot, range);
        let titles: Vec<&str> = actions.iter().map(|action| &*action.title).collect();
        let Some(action) = actions.iter().find(|action| action.title.starts_with(title)) else {
            panic!("no {title} in {titles:?}")
        };
        let mut edits = std::collections::BTreeMap::<_, Vec<_>>::new();
        for (file, span, text) in &action.edits {
            edits.entry(file.clone()).or_default().push((*span, text.clone()));
        }
        assert_eq!(fixture.apply(&edits), expected);
    }

    #[track_caller]
    fn absent(text: &str, title: &str) {
        let fixture = Fixture::new(text);
        let (snapshot, offset) = fixture.at_cursor();
        let range = Span::new(offset, fixture.second_cursor().unwrap_or(offset));
        assert!(!super::found(&snapshot, range).iter().any(|action| action.title.starts_with(title)));
    }

    #[test]
    fn hints_become_fixes() {
        check("file \"/x\" { con$0tnt = \"a\" }\n", "Replace with `content`", "file \"/x\" { content = \"a\" }\n");
        check("fiel$0 \"/x\"\n", "Replace with `file`", "file \"/x\"\n");
        check(
            "file \"/x\" { mode = \"06$044\" }\n".replace("06$044", "0$0644").as_str(),
            "Write as a mode",
            "file \"/x\" { mode = 0644 }\n",
        );
        check("file \"/x\" { mode = 6$044 }\n", "Write as a mode", "file \"/x\" { mode = 0644 }\n");
        check("nee$0dy \"/x\" { }\n", "Add the missing attributes", "needy \"/x\" { target = \"\" }\n");
        check(
            "//- site.stead\nnode \"n\" { ser$0ve() }\n//- web/a.stead\nstate serve() { }\n",
            "Import `serve`",
            "//- site.stead\nuse web { serve }\n\nnode \"n\" { serve() }\n",
        );
    }

    #[test]
    fn data_and_settings_are_mended_where_they_stand() {
        let with = |data: &str| {
            format!(
                "//- site.stead\nenum Env {{ prod, dev }}\ntype V {{ port: Port, mode: Mode = 0644 }}\nstate w(v: V, env: Env = dev) {{ file \"/${{v.port}}${{env}}\" {{ mode = v.mode }} }}\nnode \"*\" {{ w() }}\n//- data/common.{data}"
            )
        };
        let mends = |data: &str, title: &str, expected: &str| {
            let name = data.split_once('\n').map_or("", |(name, _)| name);
            let head = if name == "yaml" { "//- data/common.yaml\n" } else { "" };
            check(&with(data), title, &format!("{head}{expected}"));
        };
        mends("yaml\nw:\n  v: { por$0tt: 1 }\n", "Replace with `port`", "w:\n  v: { port: 1 }\n");
        mends("json\n{\"w\": {\"v\": {\"por$0tt\": 1}}}\n", "Replace with `port`", "{\"w\": {\"v\": {\"port\": 1}}}\n");
        mends("yaml\nw:\n  v: { port: 1, mode: 64$00 }\n", "Replace with `0640`", "w:\n  v: { port: 1, mode: 0640 }\n");
        mends(
            "json\n{\"w\": {\"v\": {\"port\": 1, \"mode\": 64$00}}}\n",
            "Replace with `\"0640\"`",
            "{\"w\": {\"v\": {\"port\": 1, \"mode\": \"0640\"}}}\n",
        );
        mends("yaml\nw:\n  env: pr$0d\n  v: { port: 1 }\n", "Replace with `prod`", "w:\n  env: prod\n  v: { port: 1 }\n");
        check("//- site.stead\n\n//- stead.toml\nnmae$0 = \"x\"\n", "Replace with `name`", "name = \"x\"\n");
        check(
            "//- site.stead\n\n//- stead.toml\n[lints]\nshadowed-nam$0 = \"off\"\n",
            "Replace with `shadowed-name`",
            "[lints]\nshadowed-name = \"off\"\n",
        );
    }

    #[test]
    fn unused_names_go() {
        check(
            "//- site.stead\nuse web\nuse web { ser$0ve }\nnode \"n\" { web.serve() }\n//- web/a.stead\nstate serve() { }\n",
            "Remove the unused import",
            "//- site.stead\nuse web\nnode \"n\" { web.serve() }\n",
        );
        check("let a$0 = 1\nfile \"/x\"\n", "Name it `_a`", "let _a = 1\nfile \"/x\"\n");
        let allowed = "# stead: allow(unused-variable) \nlet a = 1\nfile \"/x\"\n";
        check("let a$0 = 1\nfile \"/x\"\n", "Allow `unused-variable` here", allowed);
    }

    #[test]
    fn an_unused_parameter_is_named_anew_by_its_callers_too() {
        let with = |name: &str, cursor: &str| {
            format!(
                "//- site.stead\nstate s(a: Int, {name}{cursor}: Int) {{ file \"/${{a}}\" }}\nnode \"n\" {{ s({name} = 1) }}\n//- data/common.yaml\ns:\n  a: 1\n  {name}: 2\n"
            )
        };
        let expected = "//- data/common.yaml\ns:\n  a: 1\n  _b: 2\n//- site.stead\nstate s(a: Int, _b: Int) { file \"/${a}\" }\nnode \"n\" { s(_b = 1) }\n";
        check(&with("b", "$0"), "Name it `_b`", expected);
    }

    #[test]
    fn no_comment_is_put_into_a_text() {
        absent("let a = \"\"\"\n  x\n  ${1 ?? $02}\n  \"\"\"\nfile \"/${a}\"\n", "Allow");
        let own_line = "let a = [\n  1 ?? $02,\n]\nfile \"/${a}\"\n";
        let allowed = "let a = [\n  # stead: allow(needless-default) \n  1 ?? 2,\n]\nfile \"/${a}\"\n";
        check(own_line, "Allow `needless-default` here", allowed);
    }

    #[test]
    fn a_value_is_not_put_where_its_names_mean_something_else() {
        let with = |a: &str, rest: &str| format!("let x = \"1\"\n{a}for {rest}\n");
        absent(&with("let a$0 = x\n", "x in [\"2\"] { file \"/${x}\" { content = a } }"), "Inline");
        absent(&with("let a$0 = [x]\n", "y in a.map(x => x + a[0]) { file \"/${y}\" }"), "Inline");
        check(
            &with("let a$0 = x\n", "y in [\"2\"] { file \"/${y}\" { content = a + a } }"),
            "Inline `a`",
            &with("", "y in [\"2\"] { file \"/${y}\" { content = x + x } }"),
        );
    }

    #[test]
    fn hints_on_syntax_become_fixes() {
        let file = |attribute: &str| format!("file \"/x\" {{ {attribute} }}\n");
        check(&file("content = 'a$0'"), "Replace with `\"a\"`", &file("content = \"a\""));
        check(&file("content:$0 \"a\""), "Replace with `=`", &file("content = \"a\""));
        check("/$0/ x\nfile \"/x\"\n", "Replace with `#`", "# x\nfile \"/x\"\n");
        check("let i$0f = 1\n", "Replace with `if_`", "let if_ = 1\n");
        let with = |condition: &str| format!("fn f(a: Bool, b: Bool) -> Bool = if {condition} {{ a }} else {{ b }}\n");
        check(&with("a an$0d b"), "Replace with `&&`", &with("a && b"));
        check(&with("a |$0 b"), "Replace with `||`", &with("a || b"));
        check(&with("not a$0"), "Replace with `!`", &with("!a"));
        absent(&with("not a$0 == b"), "Replace with `!`");
        check(&with("a =$0 b"), "Replace with `==`", &with("a == b"));
    }

    #[test]
    fn hints_on_types_become_fixes() {
        let with = |value: &str| {
            format!(
                "enum E {{ one, two }}\ntype V {{ e: E, d: Duration, l: List<Int>, x: Float }}\nfn f(v: V, o: V?, n: Int, c: String = \"\") -> V = {{ e = one, d = 1s, l = [1], x = 1.0, {value} }}\n"
            )
            .replace("e = one, d = 1s", if value.starts_with('e') { "d = 1s" } else { "e = one, d = 1s" })
            .replace("d = 1s, l", if value.starts_with('d') { "l" } else { "d = 1s, l" })
            .replace("l = [1], ", if value.starts_with('l') { "" } else { "l = [1], " })
            .replace("x = 1.0, ", if value.starts_with('x') { "" } else { "x = 1.0, " })
        };
        check(&with("e = \"t$0wo\""), "Replace with `two`", &with("e = two"));
        check(&with("e = tw$0oo"), "Replace with `two`", &with("e = two"));
        check(&with("d = \"5$0m\""), "Replace with `5m`", &with("d = 5m"));
        check(&with("d = 5$0"), "Replace with `5s`", &with("d = 5s"));
        check(&with("l = 5$0"), "Replace with `[5]`", &with("l = [5]"));
        check(&with("l = n$0"), "Replace with `[n]`", &with("l = [n]"));
        check(&with("x = n$0"), "Replace with `n.to_float()`", &with("x = n.to_float()"));
        // What a name stands for is not written where it is used.
        absent(&format!("let five = \"5m\"\n{}", with("d = fi$0ve")), "Replace with");
        let optional = |dot: &str| format!("type V {{ n: Int }}\nfn f(v: V?) -> Int? = v{dot}n\n");
        check(&optional("$0."), "Replace with `?.`", &optional("?."));
        let called = |call: &str| format!("fn g(a: Int = 1) -> Int = a\nfn h(l: List<Int>) -> Int = l.len() + {call}\n");
        check(&called("g$0"), "Replace with `g()`", &called("g()"));
        check(&called("le$0n(l)"), "Replace with `l.len()`", &called("l.len()"));
    }

    #[test]
    fn what_is_missing_is_added() {
        let call = |args: &str| {
            format!("fn f(a: Int, b: Bool, c: Int = 1) -> Int = if b {{ a }} else {{ c }}\nlet x = f({args})\nfile \"/${{x}}\"\n")
        };
        check(&call("$0"), "Add the missing arguments", &call("a = 0, b = false"));
        check(&call("1$0"), "Add the missing arguments", &call("1, b = false"));
        check(&call("\n  b = true,$0\n"), "Add the missing arguments", &call("\n  b = true,\n  a = 0,\n"));
        let state = |args: &str| format!("state s(a: Int) {{ file \"/${{a}}\" }}\nnode \"*\" {{ s({args}) }}\n");
        check(&state("$0"), "Add the missing arguments", &state("a = 0"));
        let expr = |cases: &str| format!("enum E {{ a, b, c }}\nfn f(e: E) -> Int = match e {{{cases}}}\n");
        check(&expr(" a => 1 ").replace("match e", "match e$0"), "Add the missing cases", &expr(" a => 1, b => 0, c => 0 "));
        let stmt = |cases: &str| format!("enum E {{ a, b }}\nstate s(e: E) {{\n  match e$0 {{\n    {cases}\n  }}\n}}\n");
        check(
            &stmt("a => { file \"/a\" }"),
            "Add the missing cases",
            &stmt("a => { file \"/a\" },\n    b => { }").replace("$0", ""),
        );
        let open = |cases: &str| format!("fn f(n: Int) -> String = match n {{ {cases} }}\n");
        check(&open("1 => \"a\"").replace("match n", "match n$0"), "Add the missing cases", &open("1 => \"a\", _ => \"\""));
    }

    #[test]
    fn what_does_nothing_goes() {
        check("for x in [1] {$0 }\nfile \"/x\"\n", "Remove the `for`", "file \"/x\"\n");
        check(
            "//- site.stead\nuse web\nuse we$0b\nnode \"n\" { web.serve() }\n//- web/a.stead\nstate serve() { }\n",
            "Remove the second import",
            "//- site.stead\nuse web\nnode \"n\" { web.serve() }\n",
        );
    }

    #[test]
    fn what_is_needless_goes() {
        check("let a = 1 ?? $02\nfile \"/${a}\"\n", "Remove `?? 2`", "let a = 1\nfile \"/${a}\"\n");
        check("let d$0 = file \"/x\"\n", "Leave out `let d =`", "file \"/x\"\n");
        check("state s() { }\nlet d$0 = s()\n", "Leave out `let d =`", "state s() { }\ns()\n");
        let hinted = |site: &str| format!("//- stead.toml\n[lints]\nneedless-attribute = \"hint\"\n//- site.stead\n{site}");
        let leaves_out = |site: &str, expected: &str| check(&hinted(site), "Leave `state` out", expected);
        leaves_out("file \"/x\" { st$0ate = present, mode = 0644 }\n", "file \"/x\" { mode = 0644 }\n");
        leaves_out("file \"/x\" { mode = 0644, st$0ate = present }\n", "file \"/x\" { mode = 0644 }\n");
        leaves_out("file \"/x\" {\n  st$0ate = present\n  mode = 0644\n}\n", "file \"/x\" {\n  mode = 0644\n}\n");
        check("file \"/x\"  # stead: allow(empty-$0block) no\n", "Remove the comment", "file \"/x\"\n");
        check("# stead: allow(empty-$0block) no\nfile \"/x\"\n", "Remove the comment", "file \"/x\"\n");
        absent("# stead: allow(empty-$0block, shadowed-name) no\nfile \"/x\"\n", "Remove the comment");
    }

    #[test]
    fn what_is_meant_is_written() {
        let with = |condition: &str| format!("fn f(x: Int?, s: String) -> Bool = if {condition} {{ true }} else {{ false }}\n");
        check("fn f(n: Int) -> String = n$0\n", "Replace with `\"${n}\"`", "fn f(n: Int) -> String = \"${n}\"\n");
        check(&with("x$0"), "Replace with `x != none`", &with("x != none"));
        check("fn f(s: String) -> Any = s.up$0per\n", "Replace with `upper()`", "fn f(s: String) -> Any = s.upper()\n");
        absent("fn f(s: String) -> Any = s.sp$0lit\n", "Replace with");
        let v = |end: &str| format!("type V {{ port: Port }}\nfn f(v: V) -> Any = v.port{end}\n");
        check(&v("$0()"), "Remove `()`", &v(""));
    }

    #[test]
    fn what_a_type_would_write_is_written() {
        let exec = |command: &str| format!("exec \"x\" {{ command = {command}, creates = \"/x\" }}\n");
        check(&exec("\"apt-get up$0date\""), "Write `command =", &exec("[\"apt-get\", \"update\"]"));
        absent(&format!("let c = \"true\"\n{}", exec("c$0")), "Write `command =");
        check("file \"/x\" { mode = 06$046 }\n", "Write `mode = 0644`", "file \"/x\" { mode = 0644 }\n");
    }

    #[test]
    fn imports_are_organized() {
        check(
            "//- site.stead\nuse web { serve, other }$0\nuse base\nnode \"n\" { base.b(), serve(), other() }\n//- web/a.stead\nstate serve() { }\nstate other() { }\n//- base/a.stead\nstate b() { }\n",
            "Organize imports",
            "//- site.stead\nuse base\nuse web { other, serve }\nnode \"n\" { base.b(), serve(), other() }\n",
        );
    }

    #[test]
    fn a_comment_stays_with_its_import() {
        absent(
            "//- site.stead\nuse web$0\nuse base { b } # why\nnode \"n\" { web.serve() }\n//- web/a.stead\nstate serve() { }\n//- base/a.stead\nstate b() { }\n",
            "Organize imports",
        );
    }

    #[test]
    fn code_is_extracted_and_inlined() {
        check(
            "file \"/x\" { content = $0\"a\"$1 }\n",
            "Extract to a `let`",
            "let value = \"a\"\nfile \"/x\" { content = value }\n",
        );
        check(
            "state s(x: Int) {\n  $0file \"/${x}\"\n  file \"/b\"$1\n}\n",
            "Extract to a state",
            "state s(x: Int) {\n  extracted(x = x)\n}\n\nstate extracted(x: Int) {\n  file \"/${x}\"\n  file \"/b\"\n}\n",
        );
        check("let a$0 = 1 + 2\nfile \"/${a * 2}\"\n", "Inline `a`", "file \"/${(1 + 2) * 2}\"\n");
        absent("state s() {\n  $0let d = directory \"/d\"$1\n  file \"/d/x\" { require = [d] }\n}\n", "Extract to a state");
    }

    #[test]
    fn an_order_becomes_explicit() {
        check(
            "directory \"/d\"\nfile$0 \"/d/x\"\n",
            "Make the order after",
            "directory \"/d\"\nfile \"/d/x\" { require = [directory[\"/d\"]] }\n",
        );
        check(
            "directory \"/d\"\nfile$0 \"/d/x\" { mode = 0644 }\n",
            "Make the order after",
            "directory \"/d\"\nfile \"/d/x\" { mode = 0644, require = [directory[\"/d\"]] }\n",
        );
    }
}
