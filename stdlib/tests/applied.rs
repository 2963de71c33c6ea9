//! Plans carried out in a directory of their own: what was planned happens, and then nothing is left to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use stead_catalog::{Action, Catalog};
use stead_engine::{
    ApplyOptions, Event, Events, FileKind, Known, Observed, OutcomeKind, PlanOptions, Planned, Predicted, RootSpec, RunReport,
    World, apply, plan,
};
use stead_stdlib::registry;
use tempfile::TempDir;

use crate::cases::read_catalog;

struct Silent;

impl Events for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// A directory to work in. `DIR` in a case stands for it.
struct Scene {
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("work")).expect("it can be written to");
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    fn catalog(&self, text: &str) -> Catalog {
        let directory = self.path("").to_string_lossy().trim_end_matches('/').to_owned();
        let (catalog, problems) = read_catalog(&text.replace("DIR", &directory), &registry());
        assert_eq!(problems, "");
        catalog
    }

    fn plan(&self, catalog: &Catalog) -> Planned {
        let world = Observed::new(&RootSpec::Machine).expect("the machine can be looked at");
        plan(catalog, &registry(), &world, &PlanOptions::default())
    }

    fn apply(&self, catalog: &Catalog) -> RunReport {
        let options = ApplyOptions::new(self.directory.path().join("state"));
        apply(catalog, &registry(), &self.plan(catalog), &options, &Silent).expect("the run begins")
    }

    /// Plans and applies, and expects the next plan to be empty.
    fn converge(&self, text: &str) -> RunReport {
        let catalog = self.catalog(text);
        let report = self.apply(&catalog);
        assert!(report.is_success(), "{report:?}");
        let left: Vec<_> = self.plan(&catalog).plan.resources.into_iter().filter(|entry| entry.action != Action::None).collect();
        assert!(left.is_empty(), "{left:?}");
        report
    }

    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.path(name)).expect("it is there").permissions().mode() & 0o7777
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is text")
    }
}

#[test]
fn files_directories_and_symlinks_are_made() {
    let scene = Scene::new();
    scene.converge(
        r##"
        directory "DIR/app/releases/1" { parents = true, mode = 0750 }
        file "DIR/app/releases/1/VERSION" { content = "1\n" }
        file "DIR/app/releases/1/empty" { mode = 0600 }
        file "DIR/app/releases/1/run" { content = "#!/bin/sh\n", mode = 0755 }
        symlink "DIR/app/current" { target = "releases/1" }
        "##,
    );
    assert_eq!(scene.read("app/current/VERSION"), "1\n");
    assert_eq!((scene.mode("app"), scene.mode("app/releases/1")), (0o750, 0o750));
    assert_eq!((scene.mode("app/current/run"), scene.mode("app/current/empty")), (0o755, 0o600));
    assert_eq!(scene.mode("app/current/VERSION"), 0o644);
}

#[test]
fn they_are_changed_and_taken_away() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("d/deep/er")).expect("a directory");
    fs::write(scene.path("d/deep/er/x"), "x").expect("a file");
    fs::write(scene.path("f"), "old\n").expect("a file");
    fs::set_permissions(scene.path("f"), fs::Permissions::from_mode(0o4751)).expect("a mode");
    symlink("f", scene.path("l")).expect("a symlink");
    scene.converge(
        r##"
        file "DIR/f" { content = "new\n" }
        symlink "DIR/l" { target = "d" }
        directory "DIR/d" { mode = 0700 }
        "##,
    );
    assert_eq!((scene.read("f").as_str(), scene.mode("f"), scene.mode("d")), ("new\n", 0o4751, 0o700));
    scene.converge(
        r##"
        file "DIR/f" { state = absent }
        symlink "DIR/l" { state = absent }
        directory "DIR/d" { state = absent }
        "##,
    );
    assert_eq!(fs::read_dir(scene.path("")).expect("a directory").count(), 0);
}

#[test]
fn what_is_in_the_way_is_replaced_when_that_is_asked_for() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("a/sub")).expect("a directory");
    fs::write(scene.path("b"), "").expect("a file");
    symlink("/nowhere", scene.path("c")).expect("a symlink");
    scene.converge(
        r##"
        file "DIR/a" { content = "a", force = true }
        symlink "DIR/b" { target = "a", force = true }
        directory "DIR/c" { force = true }
        "##,
    );
    assert_eq!(scene.read("b"), "a");
    assert!(scene.path("c").is_dir());
}

#[test]
fn below_a_directory_modes_are_set_and_the_unmanaged_goes() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("d/sub/deep")).expect("a directory");
    for name in ["d/a", "d/b.local", "d/sub/keep", "d/sub/drop", "d/sub/deep/x"] {
        fs::write(scene.path(name), name).expect("a file");
    }
    fs::write(scene.path("outside"), "outside").expect("a file");
    symlink("../outside", scene.path("d/link")).expect("a symlink");
    scene.converge(
        r##"
        directory "DIR/d" { purge = true, purge_keep = ["*.local"], recursive = true, file_mode = 0640, dir_mode = 0750 }
        file "DIR/d/sub/keep" { mode = 0600 }
        "##,
    );
    let names = |name: &str| {
        let entries = fs::read_dir(scene.path(name)).expect("a directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!((names("d"), names("d/sub")), (vec!["b.local".into(), "sub".into()], vec!["keep".into()]));
    assert_eq!((scene.mode("d/b.local"), scene.mode("d/sub"), scene.mode("d/sub/keep")), (0o640, 0o750, 0o600));
    assert_eq!(scene.read("outside"), "outside");
}

#[test]
fn new_content_that_is_refused_leaves_the_old() {
    let scene = Scene::new();
    fs::write(scene.path("f"), "good\n").expect("a file");
    let catalog = scene.catalog(r##"file "DIR/f" { content = "bad\n", validate = "grep -q good %s" }"##);
    let report = scene.apply(&catalog);
    assert_eq!(report.results[0].1.kind, OutcomeKind::Failed);
    assert_eq!(report.results[0].1.code.as_deref(), Some("validation-failed"));
    assert_eq!(scene.read("f"), "good\n");
    assert_eq!(fs::read_dir(scene.path("")).expect("a directory").count(), 1);
    scene.converge(r##"file "DIR/f" { content = "good as well\n", validate = ["grep", "-q", "good", "%s"] }"##);
}

#[test]
fn commands_run_while_they_are_needed() {
    let scene = Scene::new();
    let text = r##"
        file "DIR/gen" { content = "#!/bin/sh\numask 022\necho \"$1\" > \"$2\"\n", mode = 0755 }
        exec "gen-key" { command = ["DIR/gen", "key", "DIR/key"], creates = "DIR/key" }
        file "DIR/key" { mode = 0600 }
        exec "register" {
          command = "echo registered >> DIR/index"
          unless = "grep -qx registered DIR/index"
          writes = "DIR/index"
        }
        exec "fallback" { command = ["DIR/gen", "fallback", "DIR/fallback"], unless = "test -e DIR/key -o -e DIR/fallback" }
    "##;
    let planned: Vec<Action> = scene.plan(&scene.catalog(text)).plan.resources.iter().map(|entry| entry.action).collect();
    let changed: Vec<bool> =
        scene.converge(text).results.iter().map(|(_, outcome)| outcome.kind == OutcomeKind::Changed).collect();
    // What was planned is what happened.
    assert_eq!(planned.iter().map(|action| *action != Action::None).collect::<Vec<_>>(), changed);
    assert_eq!(planned, [Action::Create, Action::Run, Action::Update, Action::Run, Action::None]);
    assert_eq!((scene.read("key").as_str(), scene.mode("key"), scene.read("index").as_str()), ("key\n", 0o600, "registered\n"));
    assert!(!scene.path("fallback").exists());
}

#[test]
fn a_file_in_what_a_command_makes_may_turn_out_to_be_new() {
    let scene = Scene::new();
    scene.converge(
        r#"
        exec "unpack" { command = "mkdir DIR/app && echo a > DIR/app/old", creates = "DIR/app" }
        file "DIR/app/old" { content = "b\n" }
        file "DIR/app/new" { content = "c\n" }
        "#,
    );
    assert_eq!((scene.read("app/old").as_str(), scene.read("app/new").as_str()), ("b\n", "c\n"));
}

#[test]
fn a_command_gets_its_surroundings_and_keeps_secrets() {
    let scene = Scene::new();
    scene.converge(
        r##"
        exec "surroundings" {
          command = "umask > out; pwd >> out; echo \"$TOKEN\" >> out; cat >> out"
          cwd = "DIR"
          env = { TOKEN = secret("hunter2") }
          stdin = "from stdin\n"
          umask = 0027
          unless = "grep -q hunter2 out"
        }
        "##,
    );
    assert_eq!(scene.read("out"), format!("0027\n{}\nhunter2\nfrom stdin\n", scene.path("").display()).replace("/\n", "\n"));
    let failing = scene
        .catalog(r##"exec "fails" { command = "echo \"it was $TOKEN\" >&2; exit 7", env = { TOKEN = secret("hunter2") } }"##);
    let report = scene.apply(&failing);
    let told = format!("{:?}", report.results);
    assert!(told.contains("exit status 7") && told.contains("it was (sensitive)"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let tolerated = scene.catalog(r##"exec "tolerated" { command = "exit 7", returns = [0, 7] }"##);
    assert!(scene.apply(&tolerated).is_success());
}

#[test]
fn a_command_that_does_not_create_what_it_promises_has_not_converged() {
    let scene = Scene::new();
    let report = scene.apply(&scene.catalog(r##"exec "lazy" { command = "true", creates = "DIR/nothing" }"##));
    assert_eq!(report.results[0].1.code.as_deref(), Some("not-converged"));
}

#[test]
fn a_command_reacts_once() {
    let scene = Scene::new();
    let text = r##"
        file "DIR/a" { content = "a\n" }
        file "DIR/b" { content = "b\n" }
        exec "count" { command = "echo x >> DIR/count", refresh_only = true, watch = [file["DIR/a"], file["DIR/b"]] }
    "##;
    scene.converge(text);
    assert_eq!(scene.read("count"), "x\n");
    scene.converge(text);
    assert_eq!(scene.read("count"), "x\n");
}

/// Where a random thing is, relative to the directory, parents first.
const NAMES: [&str; 6] = ["a", "a/b", "a/c", "a/c/d", "l", "z"];

/// What is there: nothing, a file, a directory or a symlink, with a mode.
fn things() -> impl Strategy<Value = Vec<(u8, u32)>> {
    prop::collection::vec((0..4_u8, prop::sample::select(vec![0o644_u32, 0o600, 0o755])), NAMES.len())
}

fn make(scene: &Scene, things: &[(u8, u32)]) {
    for (name, (kind, mode)) in NAMES.iter().zip(things) {
        let path = scene.path(name);
        if !path.parent().is_some_and(|parent| fs::symlink_metadata(parent).is_ok_and(|parent| parent.is_dir())) {
            continue;
        }
        match kind {
            1 => fs::write(&path, format!("{name}\n")).expect("a file"),
            2 => fs::create_dir(&path).expect("a directory"),
            3 => symlink("a", &path).expect("a symlink"),
            _ => continue,
        }
        if *kind != 3 {
            let mode = if *kind == 2 { mode | 0o700 } else { *mode };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
    }
}

/// Everything below a path as text: kind, mode and content or target.
fn listing(path: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for entry in entries {
        let stat = fs::symlink_metadata(&entry).expect("it is there");
        lines.push(format!("{} {:o} {}", entry.display(), stat.mode(), stat.uid()));
        if stat.is_dir() {
            lines.extend(listing(&entry));
        }
    }
    lines
}

fn resource() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&NAMES[..]);
    let body = prop::sample::select(vec![
        "file  content = \"new\\n\"",
        "file  content = \"a\\n\", mode = 0640",
        "file  mode = 0600",
        "file  content = \"new\\n\", create_only = true",
        "file  content = \"new\\n\", force = true",
        "file  state = absent",
        "file  state = absent, force = true",
        "directory  mode = 0711",
        "directory  parents = true",
        "directory  force = true",
        "directory  purge = true",
        "directory  recursive = true, file_mode = 0640, dir_mode = 0750",
        "directory  state = absent",
        "symlink  target = \"z\"",
        "symlink  target = \"/\", force = true",
        "symlink  state = absent",
    ]);
    (name, body).prop_map(|(name, body)| {
        let (type_name, body) = body.split_once("  ").expect("a type and a body");
        format!("{type_name} \"DIR/{name}\" {{ {body} }}")
    })
}

/// What a world says of every path that a random resource can have to do with.
fn seen(scene: &Scene, world: &dyn World) -> Vec<String> {
    let look = |name: &&str| {
        let path = scene.path(name);
        // Below a file there is nothing, and looking there may fail.
        let Ok(Known::Is(Some(stat))) = world.stat(&path) else { return format!("{name}: nothing") };
        let content = (stat.kind == FileKind::File).then(|| world.read(&path).expect("it can be read"));
        format!("{name}: {stat:?} {content:?}")
    };
    NAMES.iter().map(look).collect()
}

/// What the machine will be once the only resource of a catalog is applied.
fn foreseen(scene: &Scene, catalog: &Catalog) -> Vec<String> {
    let world = Observed::new(&RootSpec::Machine).expect("the machine can be looked at");
    let mut predicted = Predicted::new(&world);
    let resource = &catalog.resources[0];
    let managed = registry().get(&resource.id.type_name).expect("it is registered").read(&resource.attributes);
    let managed = managed.expect("the types are right");
    if let Ok(observed) = managed.observe(&predicted) {
        let difference = managed.diff(&observed);
        if !difference.is_none() {
            managed.predict(&observed, &difference, &mut predicted);
        }
    }
    seen(scene, &predicted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What cannot be planned changes nothing; everything else happens as it was foreseen, and leaves nothing to do.
    #[test]
    fn after_an_apply_the_plan_is_empty(things in things(), resource in resource()) {
        let scene = Scene::new();
        make(&scene, &things);
        let catalog = scene.catalog(&resource);
        let before = listing(&scene.path(""));
        let planned = scene.plan(&catalog);
        let entry = &planned.plan.resources[0];
        let expected = foreseen(&scene, &catalog);
        let report = scene.apply(&catalog);
        prop_assert_eq!(seen(&scene, &Observed::new(&RootSpec::Machine).expect("a machine")), expected);
        if entry.error.is_some() || entry.action == Action::None {
            prop_assert_eq!(listing(&scene.path("")), before);
        } else {
            prop_assert!(report.is_success(), "{:?}\n{:?}", entry, report);
            let again = scene.plan(&catalog);
            prop_assert!(again.plan.is_empty(), "{:?}\n{:?}", entry, again.plan.resources);
        }
    }
}
