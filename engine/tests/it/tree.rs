//! Working on a tree instead of the machine (`--root DIR`).

use std::os::unix::fs::symlink;
use std::path::Path;

use stead_catalog::{Command, Value};
use stead_engine::{ApplyOptions, Observed, PlanOptions, Probe, RootSpec, World, apply, plan};

use crate::support::*;

#[test]
fn nothing_is_written_outside_of_it() {
    let scene = Scene::new();
    let tree = scene.path("tree");
    for directory in ["tree/real", "real", "outside"] {
        std::fs::create_dir_all(scene.path(directory)).unwrap();
    }
    symlink("/real", tree.join("absolute")).unwrap();
    symlink("../../../../../../../../../../real", tree.join("relative")).unwrap();
    symlink(scene.path("outside"), tree.join("out")).unwrap();
    let secret = [("content", Value::string("x"))];
    let catalog = catalog(
        vec![
            text(Path::new("/absolute/a"), "x"),
            text(Path::new("/relative/b"), "x"),
            resource("text", "/out/c", &secret),
            folder(Path::new("/made")),
            text(Path::new("/made/d"), "x"),
        ],
        &[],
    );
    let root = RootSpec::Tree(tree.clone());
    let world = Observed::new(&root).unwrap();
    let planned = plan(&catalog, &registry(), &world, &PlanOptions::default());
    let options = ApplyOptions { root, ..scene.options() };
    let report = apply(&catalog, &registry(), &planned, &options, &()).unwrap();
    assert_eq!(
        story(&scene, &report),
        [
            "text[\"/absolute/a\"] changed",
            "text[\"/relative/b\"] changed",
            "text[\"/out/c\"] failed write-failed",
            "folder[\"/made\"] changed",
            "text[\"/made/d\"] changed",
        ]
    );
    assert!(tree.join("real/a").exists() && tree.join("real/b").exists() && tree.join("made/d").exists());
    assert_eq!(std::fs::read_dir(scene.path("outside")).unwrap().count(), 0);
    assert!(!Path::new("/made").exists());
}

#[test]
fn commands_run_inside_of_it_or_not_at_all() {
    let scene = Scene::new();
    let tree = scene.path("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let world = Observed::new(&RootSpec::Tree(tree)).unwrap();
    // There is no /bin/sh in the tree.
    let probe = Probe { command: Command::Shell("true".into()), user: None, cwd: None, env: Vec::new(), timeout: None };
    let refused = world.probe(&probe).unwrap_err();
    let code = if rustix::process::geteuid().is_root() { "guard-failed" } else { "service-unavailable" };
    assert_eq!(refused.code(), code);
}
