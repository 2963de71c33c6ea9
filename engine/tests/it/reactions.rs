//! Watching, listening, and what is still owed.

use stead_catalog::{EdgeKind, Value};
use stead_engine::{OutcomeKind, apply};

use crate::support::*;

fn reactor(scene: &Scene, name: &str, react: &str) -> stead_catalog::Resource {
    let react = react.replace("DIR", &scene.directory.display().to_string());
    resource("line", name, &[("react", Value::string(&*react))])
}

#[test]
fn it_reacts_once_after_all_causes() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![
            reactor(&scene, "service", "test -e DIR/a && test -e DIR/b && echo >> DIR/reacted"),
            text(&scene.path("a"), "x"),
            text(&scene.path("b"), "x"),
        ],
        &[(1, 0, EdgeKind::Watch), (2, 0, EdgeKind::Watch)],
    );
    let planned = scene.plan(&catalog);
    let service = planned.plan.resources.iter().find(|entry| &*entry.id.name == "service").unwrap();
    assert_eq!(service.because.len(), 2);
    let events = Recorder::default();
    let report = apply(&catalog, &registry(), &planned, &scene.options(), &events).unwrap();
    assert!(report.is_success() && report.pending.is_empty(), "{:?}", story(&scene, &report));
    assert!(events.events.into_inner().unwrap().contains(&"reacting line[\"service\"] to 2".to_owned()));
    assert!(scene.plan(&catalog).plan.is_empty());
    scene.apply(&catalog);
    assert_eq!(scene.read("reacted"), "\n");
    std::fs::write(scene.path("a"), "drift").unwrap();
    scene.apply(&catalog);
    assert_eq!(scene.read("reacted"), "\n\n");
}

#[test]
fn a_listener_reacts_at_the_end() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![
            text(&scene.path("a"), "x"),
            reactor(&scene, "service", "test -e DIR/last && echo >> DIR/reacted"),
            line("last", &format!("sleep 0.2; touch {}", scene.path("last").display())),
        ],
        &[(0, 1, EdgeKind::Listen)],
    );
    let report = scene.apply(&catalog);
    assert!(report.is_success(), "{:?}", story(&scene, &report));
    assert_eq!(scene.read("reacted"), "\n");
    assert_eq!(outcome(&report, 1), OutcomeKind::Changed);
}

#[test]
fn a_failed_reaction_is_due_in_the_next_run() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![text(&scene.path("a"), "x"), reactor(&scene, "service", "test -e DIR/allowed && echo >> DIR/reacted")],
        &[(0, 1, EdgeKind::Watch)],
    );
    let report = scene.apply(&catalog);
    assert_eq!(story(&scene, &report), ["text[\"a\"] changed", "line[\"service\"] failed command-failed"]);
    assert_eq!(report.pending.len(), 1);
    std::fs::write(scene.path("allowed"), "").unwrap();
    let planned = scene.plan(&catalog);
    assert!(!planned.plan.is_empty());
    let report = scene.apply_planned(&catalog, &planned);
    assert_eq!(story(&scene, &report), ["text[\"a\"] unchanged", "line[\"service\"] changed"]);
    assert_eq!(scene.read("reacted"), "\n");
    assert!(scene.plan(&catalog).plan.is_empty());
}

#[test]
fn what_another_failure_prevented_is_due_as_well() {
    let scene = Scene::new();
    let allowed = scene.path("allowed").display().to_string();
    let catalog = catalog(
        vec![
            text(&scene.path("a"), "x"),
            line("needed", &format!("test -e {allowed}")),
            reactor(&scene, "service", "echo >> DIR/reacted"),
        ],
        &[(0, 2, EdgeKind::Watch), (1, 2, EdgeKind::Require)],
    );
    let report = scene.apply(&catalog);
    assert_eq!(outcome(&report, 2), OutcomeKind::Skipped);
    assert_eq!(scene.journal().pending().unwrap().len(), 1);
    std::fs::write(&allowed, "").unwrap();
    assert!(scene.apply(&catalog).is_success());
    assert_eq!(scene.read("reacted"), "\n");
    assert_eq!(scene.journal().pending().unwrap(), []);
}

#[test]
fn a_cause_that_failed_untouched_leaves_nothing_due() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![text(&scene.path("no/such"), "x"), reactor(&scene, "service", "echo >> DIR/reacted")],
        &[(0, 1, EdgeKind::Watch)],
    );
    let report = scene.apply(&catalog);
    assert_eq!(outcome(&report, 0), OutcomeKind::Failed);
    assert_eq!(scene.journal().pending().unwrap(), []);
    assert!(report.pending.is_empty());
}
