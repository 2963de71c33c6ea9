//! A run that is killed leaves nothing half done, and the next one converges.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use stead_catalog::{Catalog, EdgeKind, Value};
use stead_engine::{RunStatus, apply};

use crate::support::*;

const FILES: usize = 300;

/// Folders with files, a secret among them, watched by something that reacts.
fn work(scene: &Scene) -> Catalog {
    let mut resources = vec![];
    for number in 0..10 {
        resources.push(folder(&scene.path(&format!("d{number}"))));
    }
    for number in 0..FILES {
        let path = scene.path(&format!("d{}/f{number}", number % 10));
        let name = path.to_str().unwrap();
        let content = content(number);
        let attributes = if number % 7 == 0 {
            [("content", Value::string(content).secret()), ("mode", Value::Int(0o600))]
        } else {
            [("content", Value::string(content)), ("mode", Value::Int(0o4755))]
        };
        resources.push(resource("text", name, &attributes));
    }
    let react = format!("echo reacted >> {}", scene.path("reactions").display());
    resources.push(resource("line", "reactor", &[("react", Value::string(&*react))]));
    let last = resources.len() - 1;
    let edges: Vec<_> = (10..last).map(|file| (file, last, EdgeKind::Watch)).collect();
    catalog(resources, &edges)
}

fn content(number: usize) -> String {
    format!("new {number} ").repeat(50)
}

/// What is run in a process of its own, to be killed.
#[test]
fn child() {
    let Some(directory) = std::env::var_os("STEAD_TEST_KILL") else { return };
    let scene = Scene::at(directory.into());
    let catalog = work(&scene);
    assert!(scene.apply(&catalog).is_success());
}

#[test]
fn a_killed_run_leaves_nothing_half_done() {
    for round in 0..12_u64 {
        let scene = Scene::new();
        let catalog = work(&scene);
        // Half of the files are there already, with other content, and must not be seen half written.
        for number in (0..FILES).step_by(2) {
            let path = scene.path(&format!("d{}/f{number}", number % 10));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "old").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture"])
            .env("STEAD_TEST_KILL", &scene.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(15 + round * 9));
        child.kill().unwrap();
        child.wait().unwrap();

        for number in 0..FILES {
            let path = scene.path(&format!("d{}/f{number}", number % 10));
            let Ok(found) = std::fs::read_to_string(&path) else { continue };
            let mode = path.metadata().unwrap().mode() & 0o7777;
            let wished = if number % 7 == 0 { 0o600 } else { 0o4755 };
            let whole = (found == "old" && mode == 0o640) || (found == content(number) && mode == wished);
            assert!(whole, "round {round}: {} is half done: {mode:o} {found:?}", path.display());
        }
        // Private while it is written, and complete when it has its own mode; the secret ones are never anything but private.
        for line in scene.tree().iter().filter(|line| line.contains("/.stead-")) {
            let number: Option<usize> = line.split("new ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
            let is_secret = number.is_some_and(|number| number % 7 == 0);
            let is_whole = number.is_some_and(|number| line.ends_with(&content(number)));
            assert!(line.contains(" 100600 ") || (is_whole && !is_secret), "a temporary is open to others: {line}");
        }

        let events = Recorder::default();
        let report = apply(&catalog, &registry(), &scene.plan(&catalog), &scene.options(), &events).unwrap();
        assert!(report.is_success(), "{:?}", story(&scene, &report));
        assert!(!scene.tree().iter().any(|line| line.contains("/.stead-")), "{:?}", scene.tree());
        assert!(scene.plan(&catalog).plan.is_empty());
        assert!(scene.read("reactions").starts_with("reacted\n"), "round {round}: the reaction was lost");
        let journal = scene.journal();
        assert_eq!(journal.pending().unwrap(), []);
        let runs = journal.history(10).unwrap();
        assert_eq!(runs[0].status, RunStatus::Done);
        for run in &runs[1..] {
            assert!(matches!(run.status, RunStatus::Interrupted | RunStatus::Done), "{run:?}");
        }
    }
}
