//! Secrets that are not opened: values that nobody knows.

use std::sync::Arc;

use stead_catalog::Catalog;
use stead_compiler::config::Program;
use stead_compiler::secrets::{Locked, SecretError, Unseal};
use stead_compiler::{Input, MemorySources, NodeContext, Project, Severity};

use super::{facts, registry};

/// Opens nothing, as a review does: what stands for a node has to be complete.
struct Sealed;

impl Unseal for Sealed {
    fn open(&self, _: &str) -> Result<Option<Arc<str>>, SecretError> {
        Ok(None)
    }

    fn ask(&self, _: &Program, _: Option<&str>) -> Result<Option<Arc<str>>, SecretError> {
        Ok(None)
    }
}

fn sealed(letter: &str) -> String {
    format!("age:{}", letter.repeat(80))
}

/// The catalog, and what is worse than a hint.
fn compile(source: &str, files: &[(&str, &str)], secrets: Arc<dyn Unseal>) -> (Option<Catalog>, Vec<String>) {
    let mut sources = MemorySources::new();
    sources.insert("site.stead", source);
    files.iter().for_each(|(name, text)| {
        sources.insert(*name, text);
    });
    let input = Input { secrets, ..Input::directory(Arc::new(sources), Arc::new(registry::schemas())) };
    let project = Project::load(input);
    let node = NodeContext { name: "web-1".into(), facts: facts(), ..NodeContext::default() };
    let (catalog, mut found) = stead_compiler::compile(&project, &node);
    if !project.has_errors() {
        found.extend(project.diagnostics().iter().cloned());
    }
    let told = found.iter().filter(|one| one.severity == Severity::Error).map(ToString::to_string).collect();
    (catalog, told)
}

/// Everything that a secret can be and can be made into.
const SOURCE: &str = r#"
enum Level { low, high }
state db(
  pin: Secret<String(/[0-9]{4}/)>, pause: Secret<Duration>, bits: Secret<Mode>, port: Secret<Port>, on: Secret<Bool>,
  level: Secret<Level>, users: Secret<List<String>>, limits: Secret<Map<Int>>, key: Secret<String>,
) {
  let first = key.lines()[0]
  let both = "${first}:${pin} ${pause} ${port}"
  let chosen = if on { "a" } else { key.upper() }
  let matched = match level { low => 1, high => 2 }
  let all = [for u in users if u != "root": "user ${u}"].join("\n")
  let sum = [for k, n in limits: n * 2].len() + port - 1
  let either = on && port > 1024 || !on
  file "/a" { content = both, mode = bits }
  file "/b" { content = "${chosen} ${matched} ${sum} ${either}" }
  file "/c" { content = all + users.map(u => u.upper()).join(",") }
  file "/d" { content = template("t.j2", { users, key, words = key.split(",") }) }
  user "u" { password = key }
}
db(
  pin = data.pin, pause = data.pin, bits = data.pin, port = data.pin, on = data.pin, level = data.pin, users = data.pin,
  limits = data.pin, key = data.pin,
)
"#;

const TEMPLATE: &str = "{% for u in users %}{{ u }}{% endfor %}{{ key | upper }}{{ words | length }}\n";

#[test]
fn a_secret_that_is_not_opened_fits_everywhere() {
    let data = format!("pin: {}\n", sealed("A"));
    for secrets in [Arc::new(Locked) as Arc<dyn Unseal>, Arc::new(Sealed)] {
        let (catalog, told) = compile(SOURCE, &[("data/common.yaml", &data), ("templates/t.j2", TEMPLATE)], secrets);
        assert_eq!(told, [""; 0]);
        let catalog = catalog.expect("a catalog");
        assert_eq!(catalog.resources.len(), 5);
        assert!(!format!("{:?}", catalog.resources).contains("AAAA"), "nothing of it is shown");
    }
}

#[test]
fn what_is_made_of_it_tells_one_from_another() {
    let hash = |source: &str, letter: &str, template: &str| {
        let data = format!("pin: {}\n", sealed(letter));
        let files = [("data/common.yaml", data.as_str()), ("templates/t.j2", template)];
        let (catalog, told) = compile(source, &files, Arc::new(Sealed));
        assert_eq!(told, [""; 0]);
        catalog.expect("a catalog").hash()
    };
    let usual = hash(SOURCE, "A", TEMPLATE);
    assert_eq!(usual, hash(SOURCE, "A", TEMPLATE), "the same sources give the same catalog");
    assert_ne!(usual, hash(SOURCE, "B", TEMPLATE), "another secret");
    assert_ne!(usual, hash(SOURCE, "A", &TEMPLATE.replace("upper", "lower")), "another template");
    for (from, to) in [
        ("low => 1", "low => 3"),
        ("{ \"a\" }", "{ \"b\" }"),
        ("n * 2", "n * 3"),
        ("\"user ${u}\"", "\"users ${u}\""),
        ("u => u.upper()", "u => u.lower()"),
        ("port > 1024", "port > 1025"),
        ("lines()[0]", "lines()[1]"),
        ("u != \"root\"", "u != \"toor\""),
    ] {
        assert!(SOURCE.contains(from));
        assert_ne!(usual, hash(&SOURCE.replace(from, to), "A", TEMPLATE), "{from} became {to}");
    }
}

#[test]
fn the_program_that_tells_it_counts() {
    let hash = |program: &str| {
        let toml = format!("[secrets.commands]\nvault = [\"{program}\", \"get\"]\n");
        let source = "user \"u\" { password = data.pin }\n";
        let files = [("data/common.yaml", "pin: secret:vault:db\n"), ("stead.toml", toml.as_str())];
        let (catalog, told) = compile(source, &files, Arc::new(Sealed));
        assert_eq!(told, [""; 0]);
        catalog.expect("a catalog").hash()
    };
    assert_ne!(hash("pass"), hash("/tmp/pass"));
}

#[test]
fn what_depends_on_it_is_left_out_or_refused() {
    let data = format!("pin: {}\n", sealed("A"));
    for source in [
        "state s(on: Secret<Bool>) { if on { file \"/a\" { content = \"x\" } } else { file \"/b\" { content = \"x\" } } }\ns(on = data.pin)\n",
        "state s(on: Secret<Bool>) { file \"/a\" { content = \"x\", when = on } }\ns(on = data.pin)\n",
        "state s(on: Secret<List<Int>>) { for n in on { file \"/a\" { content = \"x\" } } }\ns(on = data.pin)\n",
        "state s(on: Secret<Bool>) { match on { true => { file \"/a\" { content = \"x\" } }, false => {} } }\ns(on = data.pin)\n",
    ] {
        let (catalog, told) = compile(source, &[("data/common.yaml", &data)], Arc::new(Locked));
        assert_eq!(told, [""; 0], "{source}");
        assert_eq!(catalog.expect("a catalog").resources.len(), 0, "{source}");
        let (catalog, told) = compile(source, &[("data/common.yaml", &data)], Arc::new(Sealed));
        assert!(catalog.is_none(), "{source}");
        assert!(told.len() == 1 && told[0].starts_with("error[locked-condition]"), "{source}: {told:?}");
    }
}

#[test]
fn a_mistake_beside_it_is_still_told() {
    let data = format!("pin: {}\n", sealed("A"));
    let source = "state s(on: Secret<Bool>) { file \"/a\" { content = \"${if on { 1 } else { 2 }} ${[1][facts.cpu.count]}\" } }\ns(on = data.pin)\n";
    let (_, told) = compile(source, &[("data/common.yaml", &data)], Arc::new(Locked));
    assert!(told.len() == 1 && told[0].starts_with("error[index-out-of-range]"), "{told:?}");
}
