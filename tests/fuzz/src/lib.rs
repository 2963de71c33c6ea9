//! What holds for any bytes: the bodies of the fuzz targets, which the tests of the workspace run as well.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use stead_compiler::config::Config;
use stead_compiler::data::{self, Format};
use stead_compiler::{Diagnostic, Input, MemorySources, NodeContext, Project, Schemas};
use stead_engine::{SavedChange, SavedPlan, SavedPlanError};

/// A law by its name, which is that of its fuzz target and of the folder of its seeds.
pub type Law = (&'static str, fn(&[u8]));

/// Every law.
pub const LAWS: &[Law] = &[
    ("check", check),
    ("config", config),
    ("data_json", data_json),
    ("data_toml", data_toml),
    ("data_yaml", data_yaml),
    ("facts", facts),
    ("format", format),
    ("frames", frames),
    ("parse", parse),
    ("saved_plan", saved_plan),
    ("template", template),
];

/// Any text gives a tree, and every error lies inside it, between characters.
pub fn parse(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let parsed = stead_grammar::parse(source);
    for error in &parsed.errors {
        let labels = error.labels.iter().map(|(span, _)| *span);
        for span in labels.chain([error.span]) {
            assert!(source.get(span.range()).is_some(), "{error:?}");
        }
    }
}

/// What is formatted means the same, keeps its comments, and stays as it is when it is formatted again.
pub fn format(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let Ok(guarded) = stead_grammar::format(source) else { return };
    let (before, printed) = (stead_grammar::parse(source), stead_grammar::print_unchecked(source));
    let after = stead_grammar::parse(&printed);
    assert_eq!(after.errors, []);
    assert_eq!(stead_grammar::dump(&after.file), stead_grammar::dump(&before.file));
    assert_eq!(after.comments.len(), before.comments.len());
    assert_eq!(guarded, printed);
    assert_eq!(stead_grammar::print_unchecked(&printed), printed);
}

/// Any YAML is read, or told what is wrong with it where.
pub fn data_yaml(bytes: &[u8]) {
    data(bytes, "any.yaml", Format::Yaml);
}

/// Any TOML is read, or told what is wrong with it where.
pub fn data_toml(bytes: &[u8]) {
    data(bytes, "any.toml", Format::Toml);
}

/// Any JSON is read, or told what is wrong with it where; what is read is what others read.
pub fn data_json(bytes: &[u8]) {
    data(bytes, "any.json", Format::Json);
}

fn data(bytes: &[u8], name: &str, format: Format) {
    let name: Arc<str> = name.into();
    let (node, found) = data::parse(&name, bytes, format);
    inside(&found, |_| Some(bytes));
    if let Some(node) = &node {
        let _ = node.to_value();
    }
    let (again, same) = data::parse(&name, bytes, format);
    assert_eq!(format!("{node:?}{found:?}"), format!("{again:?}{same:?}"), "the same bytes, the same values");
}

/// Any `stead.toml` gives settings.
pub fn config(bytes: &[u8]) {
    let (_, found) = Config::parse(&"stead.toml".into(), bytes);
    inside(&found, |_| Some(bytes));
}

/// Any text of a template is checked or told what is wrong with it, where it stands, and rendering it ends.
pub fn template(bytes: &[u8]) {
    let source = "file \"/x\" { content = template(\"t.j2\", { name = \"a\", list = [1, 2], map = { a = 1 } }) }\n";
    compile(&[("site.stead", source.as_bytes()), ("templates/t.j2", bytes)]);
}

/// Any source is checked and compiled, or told what is wrong with it, where it stands.
pub fn check(bytes: &[u8]) {
    compile(&[("site.stead", bytes)]);
}

fn compile(files: &[(&str, &[u8])]) {
    static SCHEMAS: LazyLock<Arc<Schemas>> = LazyLock::new(|| Arc::new(Schemas::new(stead_stdlib::registry().schemas())));
    let files: BTreeMap<&str, &[u8]> = files.iter().copied().collect();
    let mut sources = MemorySources::new();
    for (name, bytes) in &files {
        sources.insert(*name, *bytes);
    }
    let project = Project::load(Input::file(Arc::new(sources), SCHEMAS.clone(), "site.stead"));
    let (catalog, found) = stead_compiler::compile(&project, &NodeContext { name: "web-1".into(), ..NodeContext::default() });
    assert_eq!(catalog.is_none(), found.iter().any(Diagnostic::is_error), "no catalog, no error");
    for diagnostics in [project.diagnostics(), &found] {
        inside(diagnostics, |name| files.get(name).copied());
    }
}

/// Every label lies in its file, between characters.
fn inside<'f>(diagnostics: &[Diagnostic], bytes_of: impl Fn(&str) -> Option<&'f [u8]>) {
    for diagnostic in diagnostics {
        for label in &diagnostic.labels {
            let Some(bytes) = bytes_of(&label.file) else { continue };
            assert!(bytes.get(label.span.range()).is_some(), "{diagnostic:?}");
            if let Ok(text) = std::str::from_utf8(bytes) {
                assert!(text.get(label.span.range()).is_some(), "{diagnostic:?}");
            }
        }
    }
}

/// Any file of facts is read, or told what is wrong with it where.
pub fn facts(bytes: &[u8]) {
    let (_, found) = stead_compiler::facts::from_json(&"facts.json".into(), bytes, &stead_catalog::facts_type());
    inside(&found, |_| Some(bytes));
}

/// No bytes make the decoder of saved plans fail but with an error, whole or as the body of a file that is otherwise right;
/// what is read is written and read back.
pub fn saved_plan(bytes: &[u8]) {
    for plan in [SavedPlan::decode(bytes), SavedPlan::decode(&sealed(bytes))] {
        match plan {
            Ok(plan) => {
                let written = plan.encode().expect("what was read can be written");
                assert_eq!(SavedPlan::decode(&written).expect("what was written can be read"), plan);
            }
            Err(SavedPlanError::Io(error)) => panic!("decoding does no input: {error}"),
            Err(_) => {}
        }
    }
}

/// Whatever comes over a pipe is read, or refused; what is read and makes sense is written and read again.
pub fn frames(bytes: &[u8]) {
    stead_engine::try_frames(bytes);
}

/// A file of a saved plan around a body, with the right length and hash: else no fuzzer would come past the hash.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"stead-plan\x01".to_vec();
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(body);
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    bytes
}

/// Saved plans to start from: the whole file, and its body.
pub fn saved_plan_seeds() -> Vec<Vec<u8>> {
    let change = SavedChange { action: stead_catalog::Action::Update, fingerprint: [7; 32] };
    let plan = SavedPlan {
        id: [1; 32],
        node: "web-1".into(),
        project: "/srv/site".into(),
        root: "/".into(),
        created_ns: 1_700_000_000_000_000_000,
        catalog_hash: [2; 32],
        selection: vec!["--only=file".into()],
        undoes: Some((3, false)),
        changes: BTreeMap::from([("file[\"/etc/motd\"]".to_owned(), change)]),
    };
    let whole = plan.encode().expect("a small plan can be written");
    let body = whole[15..whole.len() - 32].to_vec();
    assert_eq!(sealed(&body), whole, "the format is as the law thinks");
    vec![whole, body]
}
