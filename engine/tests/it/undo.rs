//! Taking a run back: byte for byte, without losing what somebody else has done since.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use stead_catalog::{Catalog, ResourceId, Value};
use stead_engine::undo::{Asked, Undo, UndoError, UndoOptions, UndoSelection};
use stead_engine::{ApplyOptions, Observed, Planned, RootSpec, RunReport, apply};

use crate::support::*;

impl Scene {
    fn undo(&self, run: i64, selected: &dyn Fn(&ResourceId) -> bool, force: bool) -> Result<(Undo, Planned), UndoError> {
        self.undo_asked(run, &|id| if selected(id) { Asked::Back } else { Asked::AsNeeded }, force)
    }

    fn undo_asked(&self, run: i64, asked: &dyn Fn(&ResourceId) -> Asked, force: bool) -> Result<(Undo, Planned), UndoError> {
        let observed = Observed::new(&RootSpec::Machine).unwrap();
        let undo =
            Undo::of(self.journal(), run, &registry(), &observed, asked, &UndoOptions { force, ..UndoOptions::default() })?;
        let planned = undo.plan(&observed);
        Ok((undo, planned))
    }

    fn take_back(&self, run: i64) -> RunReport {
        let (undo, planned) = self.undo(run, &|_| true, false).unwrap();
        assert_eq!(undo.conflicts, []);
        let options = ApplyOptions { undoes: Some(run), ..self.options() };
        apply(&undo.catalog, &undo.registry, &planned, &options, &()).unwrap()
    }

    fn last(&self) -> i64 {
        self.journal().last_run().unwrap().unwrap().id
    }
}

/// Everything that an undo has to bring back of what is below a directory: kind, mode, owner, time of files, content, xattrs.
fn snapshot(directory: &Path) -> BTreeMap<String, String> {
    fn walk(directory: &Path, base: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".state") {
                continue;
            }
            let stat = path.symlink_metadata().unwrap();
            let mut line = format!("{:o} {}:{}", stat.mode(), stat.uid(), stat.gid());
            if stat.is_symlink() {
                line += &format!(" -> {}", std::fs::read_link(&path).unwrap().display());
            } else if stat.is_file() {
                line += &format!(" {}.{} {:?}", stat.mtime(), stat.mtime_nsec(), std::fs::read(&path).unwrap());
            }
            if !stat.is_symlink() {
                for name in xattr::list(&path).unwrap() {
                    line += &format!(" {}={:?}", name.to_string_lossy(), xattr::get(&path, &name).unwrap());
                }
            }
            found.insert(path.strip_prefix(base).unwrap().display().to_string(), line);
            if stat.is_dir() {
                walk(&path, base, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found
}

fn absent(path: &Path) -> stead_catalog::Resource {
    resource(
        "text",
        &path.to_string_lossy(),
        &[("path", Value::string(path.to_string_lossy().as_ref())), ("absent", Value::Bool(true))],
    )
}

/// A directory with everything in it that a run can meet, and a catalog that changes all of it.
fn eventful(scene: &Scene) -> Catalog {
    let path = |name: &str| scene.path(name);
    std::fs::write(path("changed"), "old\n").unwrap();
    std::fs::set_permissions(path("changed"), PermissionsExt::from_mode(0o4750)).unwrap();
    // Not every file system takes them; the snapshot then has none.
    let _ = xattr::set(path("changed"), "user.note", b"kept");
    std::fs::write(path("binary"), [0_u8, 159, 146, 150]).unwrap();
    std::fs::write(path("large"), "y".repeat(200_000)).unwrap();
    std::fs::write(path("chmod"), "same").unwrap();
    std::fs::set_permissions(path("chmod"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::create_dir_all(path("tree/deep/er")).unwrap();
    std::fs::set_permissions(path("tree/deep"), PermissionsExt::from_mode(0o1750)).unwrap();
    std::fs::write(path("tree/deep/er/file"), "below").unwrap();
    symlink("../nowhere", path("tree/deep/link")).unwrap();
    std::fs::write(path("tree/top"), "").unwrap();
    symlink("changed", path("was-link")).unwrap();
    std::fs::create_dir(path("replaced")).unwrap();
    std::fs::write(path("replaced/inner"), "inner").unwrap();
    catalog(
        vec![
            text(&path("changed"), "new\n"),
            text(&path("binary"), "text now"),
            text(&path("large"), "small now"),
            text(&path("chmod"), "same"),
            absent(&path("tree")),
            text(&path("was-link"), "a file now"),
            text(&path("replaced"), "a file now"),
            folder(&path("made")),
            folder(&path("made/below")),
            text(&path("made/below/file"), "new"),
        ],
        &[(7, 8, stead_catalog::EdgeKind::Require), (8, 9, stead_catalog::EdgeKind::Require)],
    )
}

#[test]
fn a_run_and_its_undo_leave_everything_as_it_was_and_an_undo_can_be_undone() {
    let scene = Scene::new();
    let catalog = eventful(&scene);
    let before = snapshot(&scene.directory);
    let report = scene.apply(&catalog);
    assert!(report.is_success(), "{:?}", story(&scene, &report));
    let applied = snapshot(&scene.directory);
    assert_ne!(applied, before);

    let report = scene.take_back(scene.last());
    assert!(report.is_success(), "{:?}", report.results);
    assert_eq!(snapshot(&scene.directory), before);
    let record = scene.journal().last_run().unwrap().unwrap();
    assert_eq!(record.undoes, Some(record.id - 1));

    let report = scene.take_back(record.id);
    assert!(report.is_success(), "{:?}", report.results);
    assert_eq!(snapshot(&scene.directory), applied);
    // Nothing is left to be done: what a run brought back is what the source wants.
    assert!(scene.plan(&catalog).plan.is_empty());
}

#[test]
fn what_somebody_changed_since_is_told_and_lost_by_force_only() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "old").unwrap();
    let catalog = catalog(vec![text(&scene.path("a"), "new"), folder(&scene.path("d")), text(&scene.path("b"), "new")], &[]);
    scene.apply(&catalog);
    let run = scene.last();
    std::fs::write(scene.path("a"), "edited").unwrap();
    std::fs::write(scene.path("d/mine"), "mine").unwrap();
    std::fs::set_permissions(scene.path("b"), PermissionsExt::from_mode(0o600)).unwrap();
    let (undo, planned) = scene.undo(run, &|_| true, false).unwrap();
    let mut told: Vec<(String, String)> = undo
        .conflicts
        .iter()
        .map(|conflict| (conflict.what.rsplit('/').next().unwrap().to_owned(), conflict.differs.clone()))
        .collect();
    told.sort();
    let expected = [("a", "content"), ("b", "mode"), ("d", "it holds `mine`, which the run did not put there")];
    assert_eq!(told, expected.map(|(what, differs)| (what.to_owned(), differs.to_owned())));
    assert!(undo.conflicts.iter().all(|conflict| conflict.changed.is_some() && conflict.by_run.is_none()));
    // Without force the directory stays, whoever applies the plan.
    let report = apply(&undo.catalog, &undo.registry, &planned, &scene.options(), &()).unwrap();
    assert!(!report.is_success());
    assert_eq!(scene.read("d/mine"), "mine");
    // It was restored all the same, by whoever insisted.
    let (undo, planned) = scene.undo(run, &|_| true, true).unwrap();
    assert!(apply(&undo.catalog, &undo.registry, &planned, &scene.options(), &()).unwrap().is_success());
    assert!(!scene.path("d").exists());
    assert_eq!(scene.read("a"), "old");
    // And can be undone: what was lost is in the journal.
    assert!(scene.take_back(scene.last()).is_success());
    assert_eq!(scene.read("d/mine"), "mine");
}

#[test]
fn a_later_run_is_named() {
    let scene = Scene::new();
    scene.apply(&catalog(vec![text(&scene.path("a"), "one")], &[]));
    let first = scene.last();
    scene.apply(&catalog(vec![text(&scene.path("a"), "two")], &[]));
    let (undo, _) = scene.undo(first, &|_| true, false).unwrap();
    assert_eq!(undo.conflicts[0].by_run, Some(first + 1));
    assert!(scene.take_back(first + 1).is_success());
    assert!(scene.take_back(first).is_success());
    assert!(!scene.path("a").exists());
}

#[test]
fn a_part_takes_with_it_what_cannot_stay() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![folder(&scene.path("d")), text(&scene.path("d/file"), "x"), text(&scene.path("other"), "x")],
        &[(0, 1, stead_catalog::EdgeKind::Require)],
    );
    scene.apply(&catalog);
    let run = scene.last();
    let only = |name: &'static str| move |id: &ResourceId| id.name.ends_with(name);
    let ids = |name| {
        let (undo, _) = scene.undo(run, &only(name), false).unwrap();
        let name = |id: &ResourceId| id.name.rsplit('/').next().unwrap().to_owned();
        undo.catalog.resources.iter().map(|resource| name(&resource.id)).collect::<Vec<_>>()
    };
    assert_eq!(ids("other"), ["other"]);
    assert_eq!(ids("file"), ["file"]);
    assert_eq!(ids("/d"), ["file", "d"]);
    assert!(matches!(scene.undo(run, &only("nothing"), false), Err(UndoError::NothingSelected(_))));
    assert!(matches!(scene.undo(99, &|_| true, false), Err(UndoError::NoSuchRun(99))));
}

#[test]
fn what_is_to_stay_keeps_the_directory_that_it_is_in() {
    let scene = Scene::new();
    let (outer, inner, kept) = (scene.path("d"), scene.path("d/e"), scene.path("d/e/kept"));
    let catalog = catalog(
        vec![folder(&outer), folder(&inner), text(&kept, "x"), text(&scene.path("d/goes"), "x")],
        &[
            (0, 1, stead_catalog::EdgeKind::Require),
            (1, 2, stead_catalog::EdgeKind::Require),
            (0, 3, stead_catalog::EdgeKind::Require),
        ],
    );
    scene.apply(&catalog);
    let run = scene.last();
    let but_kept = |id: &ResourceId| if id.name.ends_with("kept") { Asked::Stays } else { Asked::Back };
    let (undo, planned) = scene.undo_asked(run, &but_kept, false).unwrap();
    let told: Vec<String> = undo.not_undone.iter().map(|left| format!("{}: {}", left.resource, left.why)).collect();
    let why = format!("text[\"{}\"] is in it, and is to stay as it is", kept.display());
    let folder = |path: &Path| format!("folder[\"{}\"]: {why}", path.display());
    assert_eq!(told, [folder(&outer), folder(&inner)]);
    let options = ApplyOptions { undoes: Some(run), ..scene.options() };
    assert!(apply(&undo.catalog, &undo.registry, &planned, &options, &()).unwrap().is_success());
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "x");
    assert!(!scene.path("d/goes").exists());
}

#[test]
fn what_is_to_stay_is_left_out_and_nothing_else() {
    let scene = Scene::new();
    let file = scene.path("f");
    std::fs::write(&file, "one\n").unwrap();
    scene.apply(&catalog(vec![text(&file, "two\n"), text(&scene.path("g"), "x")], &[]));
    let run = scene.last();
    let nothing_goes = |_: &ResourceId| Asked::Stays;
    let nothing = scene.undo_asked(run, &nothing_goes, false);
    assert!(matches!(nothing, Err(UndoError::NothingSelected(_))));
    let but_g = |id: &ResourceId| if id.name.ends_with('g') { Asked::Stays } else { Asked::Back };
    let (undo, _) = scene.undo_asked(run, &but_g, false).unwrap();
    assert_eq!(undo.catalog.resources.len(), 1);
}

#[test]
fn a_word_that_names_nothing_of_the_run_is_told() {
    let scene = Scene::new();
    let (f, g) = (scene.path("f"), scene.path("g"));
    std::fs::write(&g, "x").unwrap();
    scene.apply(&catalog(vec![text(&f, "two\n"), text(&g, "x")], &[]));
    let (undo, _) = scene.undo(scene.last(), &|_| true, false).unwrap();
    let word = |path: &Path| format!("text[\"{}\"]", path.display());
    let words = |only: &[&str], except: &[&str]| UndoSelection {
        only: only.iter().map(|word| (*word).to_owned()).collect(),
        except: except.iter().map(|word| (*word).to_owned()).collect(),
    };
    assert_eq!(words(&["text"], &[&word(&f)]).unnamed(&undo.changed), [""; 0]);
    let unnamed = words(&["txet", "text"], &[&word(&g), "text[\"/nowhere\"]"]).unnamed(&undo.changed);
    assert_eq!(unnamed, ["txet", &word(&g), "text[\"/nowhere\"]"], "what the run found as it was to be is none of it");
}

#[test]
fn secrets_and_commands_stay_and_are_told() {
    let scene = Scene::new();
    std::fs::write(scene.path("secret"), "old hunter1").unwrap();
    let mut secret = text(&scene.path("secret"), "");
    secret.attributes.set("content", Value::Secret(std::sync::Arc::new(Value::string("hunter2"))));
    scene.apply(&catalog(vec![secret, line("command", "true")], &[]));
    let run = scene.last();
    let (undo, planned) = scene.undo(run, &|_| true, false).unwrap();
    let told: Vec<&str> = undo.not_undone.iter().map(|left| left.why.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|why| why.ends_with("was not kept, because it may hold secrets")), "{told:?}");
    assert!(told.contains(&"what a command did besides what it declares is not known"), "{told:?}");
    assert!(planned.plan.is_empty());
    let database = std::fs::read(scene.state().join("journal.db")).unwrap();
    for hidden in ["hunter1", "hunter2"] {
        assert!(!database.windows(7).any(|bytes| bytes == hidden.as_bytes()), "{hidden}");
    }
    // A secret file that the run made goes away, and its content is shown nowhere.
    let mut made = text(&scene.path("made"), "");
    made.attributes.set("content", Value::Secret(std::sync::Arc::new(Value::string("hunter2"))));
    scene.apply(&catalog(vec![made], &[]));
    let (_, planned) = scene.undo(scene.last(), &|_| true, false).unwrap();
    assert!(!format!("{:?}", planned.plan).contains("hunter2"));
    assert!(scene.take_back(scene.last()).is_success());
    assert!(!scene.path("made").exists());
}

#[test]
fn many_paths_go_back_side_by_side() {
    let scene = Scene::new();
    let files: Vec<_> = (0..500).map(|n| text(&scene.path(&format!("f{n}")), "x")).collect();
    scene.apply(&catalog(files, &[]));
    let (undo, _) = scene.undo(scene.last(), &|_| true, false).unwrap();
    assert_eq!((undo.catalog.resources.len(), undo.catalog.edges.len()), (500, 0));
    assert!(undo.catalog.resources.iter().all(|resource| &*resource.id.type_name == "file"));
}
