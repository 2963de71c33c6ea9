//! Saved plans: used once, and only on the state they saw.

use std::path::Path;

use stead_engine::{ApplyOptions, RunError, SavedPlan, apply};

use crate::support::*;

fn save(scene: &Scene, catalog: &stead_catalog::Catalog) -> SavedPlan {
    SavedPlan::of(&scene.plan(catalog), "/project", Path::new("/"), Vec::new())
}

#[test]
fn it_is_used_once() {
    let scene = Scene::new();
    let catalog = catalog(vec![text(&scene.path("a"), "x")], &[]);
    let saved = save(&scene, &catalog);
    let options = ApplyOptions { saved: Some(saved), ..scene.options() };
    let report = apply(&catalog, &registry(), &scene.plan(&catalog), &options, &()).unwrap();
    assert!(report.is_success());
    std::fs::remove_file(scene.path("a")).unwrap();
    let again = apply(&catalog, &registry(), &scene.plan(&catalog), &options, &());
    assert!(matches!(again, Err(RunError::PlanUsed)), "{:?}", again.map(|report| story(&scene, &report)));
    assert!(!scene.path("a").exists());
}

#[test]
fn what_moved_since_is_stopped_with_what_depends_on_it() {
    let scene = Scene::new();
    std::fs::write(scene.path("b"), "seen").unwrap();
    let resources = vec![
        text(&scene.path("a"), "x"),
        text(&scene.path("b"), "x"),
        text(&scene.path("after-b"), "x"),
        text(&scene.path("as-wished"), "x"),
    ];
    std::fs::write(scene.path("as-wished"), "x").unwrap();
    let catalog = catalog(resources, &[(1, 2, stead_catalog::EdgeKind::Require)]);
    let saved = save(&scene, &catalog);
    std::fs::remove_file(scene.path("b")).unwrap();
    std::fs::write(scene.path("as-wished"), "drifted").unwrap();
    let options = ApplyOptions { saved: Some(saved), ..scene.options() };
    let report = apply(&catalog, &registry(), &scene.plan(&catalog), &options, &()).unwrap();
    assert_eq!(
        story(&scene, &report),
        [
            "text[\"a\"] changed",
            "text[\"b\"] failed machine-changed",
            "text[\"after-b\"] skipped dependency-failed",
            "text[\"as-wished\"] failed machine-changed",
        ]
    );
}

#[test]
fn it_is_bound_to_its_catalog() {
    let scene = Scene::new();
    let saved = save(&scene, &catalog(vec![text(&scene.path("a"), "x")], &[]));
    let other = catalog(vec![text(&scene.path("a"), "y")], &[]);
    let options = ApplyOptions { saved: Some(saved), ..scene.options() };
    let refused = apply(&other, &registry(), &scene.plan(&other), &options, &()).unwrap_err();
    assert_eq!(refused.code(), "plan-outdated");
}
