//! The command line, as transcripts: every page beside this file, the README, every page of the book and of a code.

mod terminal;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stead_tests::host::stead_binary;
use stead_tests::transcript::run_page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Generated pages hold no transcripts.
            if path.ends_with("reference/errors") || path.ends_with("reference/types") {
                continue;
            }
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

fn check(pages: &[PathBuf]) {
    assert!(!pages.is_empty(), "there are pages");
    let stead = stead_binary();
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(page) = pages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = run_page(page, stead) {
                        problems.lock().expect("nobody panics").push(problem);
                    }
                }
            });
        }
    });
    let mut problems = problems.into_inner().expect("nobody panics");
    problems.sort();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn transcripts() {
    check(&pages(&root().join("tests/cli")));
}

#[test]
fn the_readme() {
    check(&[root().join("README.md")]);
}

/// Each page of a code shows what gives it; those that want a host are run in `tests/hosts/pages.rs`. `PAGES` in the environment takes
/// those with the word in their names.
#[test]
fn the_pages_of_codes() {
    let only = std::env::var("PAGES").unwrap_or_default();
    let folders = ["compiler/errors", "stdlib/errors", "cli/errors"];
    let mut pages: Vec<PathBuf> = folders.into_iter().flat_map(|folder| pages(&root().join(folder))).collect();
    pages.retain(|page| page.to_string_lossy().contains(&only));
    check(&pages);
}

#[test]
fn the_book() {
    check(&pages(&root().join("book/src")));
}

/// Runs `stead` in a directory of its own, with a state directory there.
fn stead(place: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(stead_binary());
    command.args(arguments).current_dir(place).env_clear().env("STEAD_STATE_DIR", place.join("state")).env("LC_ALL", "C.UTF-8");
    let output = command.output().expect("stead runs");
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.code())
}

#[test]
fn documents_fit_their_schemas() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path();
    let file = place.join("motd");
    let source = format!(
        "directory \"{0}.d\" {{ mode = 0755 }}\nfile \"{0}\" {{ content = \"x\\n\", mode = 0644, only_if = \"true\", tags = [\"a\"] }}\n",
        file.display()
    );
    std::fs::write(place.join("site.stead"), source).expect("written");
    std::fs::write(place.join("wrong.stead"), "file \"/x\" { moed = 1 }\nlet x = y\n").expect("written");
    let check = |schema: &str, arguments: &[&str], code: i32| {
        let (text, exit) = stead(place, arguments);
        assert_eq!(exit, Some(code), "{arguments:?}: {text}");
        let documents: Vec<serde_json::Value> = match serde_json::from_str(&text) {
            Ok(document) => vec![document],
            Err(_) => text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect(),
        };
        assert!(!documents.is_empty(), "{arguments:?} says something");
        for document in &documents {
            fits(schema, document);
        }
    };
    check("plan", &["plan", "--json", "site.stead"], 0);
    check("catalog", &["catalog", "--json", "site.stead"], 0);
    check("events", &["apply", "--yes", "--json", "site.stead"], 0);
    check("plan", &["plan", "--json", "site.stead"], 0);
    check("history", &["history", "--json"], 0);
    check("history", &["show", "1", "--json"], 0);
    check("plan", &["undo", "1", "--json"], 0);
    std::fs::write(&file, "changed").expect("written");
    check("drift", &["drift", "site.stead", "--json"], 0);
    check("plan", &["undo", "1", "--json"], 1);
    check("events", &["undo", "1", "--json", "--force", "--yes"], 0);
    check("diagnostics", &["check", "--json", "wrong.stead"], 1);
    check("graph", &["graph", "--json", "site.stead"], 0);
    check("facts", &["facts", "--json"], 0);
    check("why", &["why", "--json", &format!("file[\"{}\"]", file.display()), "site.stead"], 0);
    check("docs", &["docs", "--json"], 0);
    check("docs", &["docs", "--json", "file"], 0);
    // Where there is no document, what is wrong is told in its place, one object a line.
    for arguments in [
        &["plan", "--json", "wrong.stead"][..],
        &["catalog", "--json", "wrong.stead"],
        &["apply", "--yes", "--json", "wrong.stead"],
        &["graph", "--json", "wrong.stead"],
        &["drift", "--json", "wrong.stead"],
        &["plan", "--json", "nowhere.stead"],
        &["apply", "--json", "--yes", "nowhere"],
        &["docs", "--json", "no-such-type"],
        &["why", "--json", "file[\"/nowhere\"]", "site.stead"],
    ] {
        check("diagnostics", arguments, 1);
    }
    check("diagnostics", &["apply", "--json", "site.stead"], 2);
    std::fs::write(place.join("stead.toml"), "name = \"x\"\nledger = true\n[secrets]\nrecipients = []\n").expect("written");
    std::fs::remove_file(place.join("wrong.stead")).expect("removed");
    std::fs::write(
        place.join("hosts.stead"),
        "inventory {\n  host \"web-1\" { address = \"10.0.0.1\", tags = [\"canary\"] }\n  group \"web\" { hosts = [\"web-1\"] }\n}\n",
    )
    .expect("written");
    check("ledger", &["ledger", "--json"], 0);
    check("secrets", &["secret", "check", "--json"], 0);
    std::fs::create_dir_all(place.join("facts")).expect("made");
    std::fs::write(place.join("facts/web-1.json"), "{}").expect("written");
    std::fs::write(place.join("facts/web-2.json"), "{\"os\": 1}").expect("written");
    check("catalogs", &["catalog", "--from-facts", "--json", "--on", "web-1"], 0);
    check("catalogs", &["catalog", "--from-facts", "--json"], 1);
    check("facts", &["facts", "--on", "nowhere.invalid", "--project", "site.stead", "--json", "--connect-retries", "0"], 1);
    check("history", &["history", "--rollouts", "--json"], 0);
    check("inventory", &["inventory", "list", "--json"], 0);
    check("inventory", &["inventory", "show", "web-1", "--json"], 0);
    check("inventory", &["inventory", "graph", "--json"], 0);
}

fn fits(name: &str, document: &serde_json::Value) {
    use stead_report::json as all;
    let mut compiler = boon::Compiler::new();
    let mut schemas = boon::Schemas::new();
    let address = |name: &str| format!("https://stead-lang.org/schema/1.0/{name}.json");
    let schemas_of_all = [
        ("plan", all::PLAN_SCHEMA),
        ("events", all::EVENTS_SCHEMA),
        ("catalog", all::CATALOG_SCHEMA),
        ("catalogs", all::CATALOGS_SCHEMA),
        ("diagnostics", all::DIAGNOSTICS_SCHEMA),
        ("history", all::HISTORY_SCHEMA),
        ("drift", all::DRIFT_SCHEMA),
        ("graph", all::GRAPH_SCHEMA),
        ("facts", all::FACTS_SCHEMA),
        ("inventory", all::INVENTORY_SCHEMA),
        ("ssh-check", all::SSH_CHECK_SCHEMA),
        ("why", all::WHY_SCHEMA),
        ("ledger", all::LEDGER_SCHEMA),
        ("secrets", all::SECRETS_SCHEMA),
        ("docs", all::DOCS_SCHEMA),
        ("reviewed", all::REVIEWED_SCHEMA),
    ];
    for (name, text) in schemas_of_all {
        compiler.add_resource(&address(name), serde_json::from_str(text).expect("a schema is JSON")).expect("a resource");
    }
    let index = compiler.compile(&address(name), &mut schemas).expect("the schema compiles");
    if let Err(error) = schemas.validate(document, index) {
        panic!("{error:#}\n{document:#}");
    }
}
