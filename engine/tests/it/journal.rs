//! What the journal says after a run.

use std::os::unix::fs::MetadataExt;

use stead_engine::{Before, FileState, Journal, OutcomeKind, RunStatus, apply};

use crate::support::*;

#[test]
fn it_tells_what_was_there() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "old").unwrap();
    let large = "y".repeat(200_000);
    std::fs::write(scene.path("large"), &large).unwrap();
    let catalog = catalog(
        vec![
            text(&scene.path("a"), "new"),
            text(&scene.path("large"), "new"),
            text(&scene.path("b"), "new"),
            line("no", "exit 1"),
        ],
        &[],
    );
    scene.apply(&catalog);
    let journal = scene.journal();
    let run = journal.last_run().unwrap().unwrap();
    assert_eq!((run.status, run.node.as_str(), run.unfinished.len()), (RunStatus::Failed, "n", 0));
    let mut changes = journal.changes(run.id).unwrap();
    changes.sort_by_key(|change| change.resource.clone());
    assert_eq!(changes.len(), 4);
    assert_eq!((changes[0].outcome, changes[0].code.as_deref()), (Some(OutcomeKind::Failed), Some("command-failed")));
    let content = |index: usize| {
        changes[index].befores.iter().rev().find_map(|before| match before {
            Before::Path { blob: Some(blob), .. } => journal.blob(blob).unwrap(),
            _ => None,
        })
    };
    assert_eq!(content(1).as_deref(), Some(b"old".as_slice()));
    assert!(matches!(&changes[2].befores[..], [Before::Path { state: FileState::Absent, .. }]));
    assert_eq!(content(3).as_deref(), Some(large.as_bytes()));
    assert_eq!(scene.state().metadata().unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(scene.state()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o077;
        assert_eq!(mode, 0, "{}", entry.path().display());
    }
}

#[test]
fn a_damaged_one_is_moved_aside() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.state()).unwrap();
    std::fs::write(scene.state().join("journal.db"), "this is no database, and long enough to be looked at ".repeat(50)).unwrap();
    assert!(Journal::look(&scene.state()).is_err());
    let catalog = catalog(vec![text(&scene.path("a"), "x")], &[]);
    let world = stead_engine::Observed::new(&stead_engine::RootSpec::Machine).unwrap();
    let planned = stead_engine::plan(&catalog, &registry(), &world, &stead_engine::PlanOptions::default());
    let events = Recorder::default();
    let report = apply(&catalog, &registry(), &planned, &scene.options(), &events).unwrap();
    assert!(report.is_success());
    assert_eq!(events.events.into_inner().unwrap()[0], "warning journal-moved-aside");
    assert!(scene.state().join("journal.db.damaged-1").exists());
    assert_eq!(scene.journal().history(10).unwrap().len(), 1);
}

#[test]
fn a_newer_one_is_left_alone_and_a_lost_one_made_anew() {
    let scene = Scene::new();
    let catalog = catalog(vec![text(&scene.path("a"), "x")], &[]);
    scene.apply(&catalog);
    let connection = rusqlite::Connection::open(scene.state().join("journal.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(Journal::look(&scene.state()).is_err());
    std::fs::remove_file(scene.path("a")).unwrap();
    let world = stead_engine::Observed::new(&stead_engine::RootSpec::Machine).unwrap();
    let planned = stead_engine::plan(&catalog, &registry(), &world, &stead_engine::PlanOptions::default());
    let error = apply(&catalog, &registry(), &planned, &scene.options(), &()).unwrap_err();
    assert_eq!(error.code(), "journal-too-new");
    assert!(error.hint().is_some());
    assert!(!scene.path("a").exists(), "nothing is changed");
    assert!(!scene.state().join("journal.db.damaged-1").exists());
    let connection = rusqlite::Connection::open(scene.state().join("journal.db")).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let runs: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!((version, runs), (99, 1), "what the newer version keeps is there");
    drop(connection);
    std::fs::remove_dir_all(scene.state()).unwrap();
    assert!(scene.apply(&catalog).is_success());
}

#[test]
fn nothing_is_changed_without_it() {
    let scene = Scene::new();
    std::fs::write(scene.state(), "a file in its place").unwrap();
    let catalog = catalog(vec![text(&scene.path("a"), "x")], &[]);
    let world = stead_engine::Observed::new(&stead_engine::RootSpec::Machine).unwrap();
    let planned = stead_engine::plan(&catalog, &registry(), &world, &stead_engine::PlanOptions::default());
    let error = apply(&catalog, &registry(), &planned, &scene.options(), &()).unwrap_err();
    assert_eq!(error.code(), "state-unusable");
    assert!(!scene.path("a").exists());
}

#[test]
fn it_grows_with_what_changes_and_forgets_within_its_limits() {
    use stead_engine::{Collected, Retention};
    let scene = Scene::new();
    let content = |file: usize, round: usize| format!("{file} {round} {}", "x".repeat(2000));
    let apply_round = |round: usize| {
        let files: Vec<_> = (0..100)
            .map(|file| text(&scene.path(&format!("f{file}")), &content(file, if file == 0 { round } else { 0 })))
            .collect();
        assert!(scene.apply(&catalog(files, &[])).is_success());
    };
    apply_round(0);
    let first = scene.journal().size().unwrap();
    (1..=20).for_each(apply_round);
    let grown = scene.journal().size().unwrap() - first;
    // One file of 2 kB a round, and its rows: nothing for the 99 others.
    assert!(grown < 20 * 8000, "{grown}");
    let all = Retention::default();
    assert_eq!(Journal::collect(&scene.state(), &all, false).unwrap().runs, 0);
    let few = Retention { max_size: 40_000, ..all };
    let Collected { runs, contents, size } = Journal::collect(&scene.state(), &few, true).unwrap();
    assert!((5..=20).contains(&runs) && contents >= runs && size < first, "{runs} {contents} {size}");
    // What is left can be undone, the newest first.
    let left = scene.journal().history(100).unwrap();
    assert_eq!(left.len() as u64, 21 - runs);
    let changes = scene.journal().changes(left[0].id).unwrap();
    let kept = changes[0].befores.iter().rev().find_map(|before| match before {
        Before::Path { blob: Some(blob), .. } => scene.journal().blob(blob).unwrap(),
        _ => None,
    });
    assert_eq!(kept, Some(content(0, 19).into_bytes()));
    // The newest run stays, however little there may be.
    let none = Retention { max_size: 0, max_age: Some(std::time::Duration::ZERO) };
    Journal::collect(&scene.state(), &none, true).unwrap();
    assert_eq!(scene.journal().history(100).unwrap().len(), 1);
}
