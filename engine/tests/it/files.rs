//! What a file is before, while and after it is changed.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use stead_catalog::Value;
use stead_engine::{Before, FileState};

use crate::support::*;

#[test]
fn a_hard_link_keeps_the_old_content() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "old").unwrap();
    std::fs::hard_link(scene.path("a"), scene.path("other")).unwrap();
    assert!(scene.apply(&catalog(vec![text(&scene.path("a"), "new")], &[])).is_success());
    assert_eq!((scene.read("a"), scene.read("other")), ("new".into(), "old".into()));
}

#[test]
fn a_symlink_is_replaced_and_not_written_through() {
    let scene = Scene::new();
    std::fs::write(scene.path("target"), "old").unwrap();
    symlink(scene.path("target"), scene.path("a")).unwrap();
    assert!(scene.apply(&catalog(vec![text(&scene.path("a"), "new")], &[])).is_success());
    assert_eq!((scene.read("a"), scene.read("target")), ("new".into(), "old".into()));
    assert!(scene.path("a").symlink_metadata().unwrap().is_file());
}

#[test]
fn extended_attributes_are_kept() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "old").unwrap();
    if xattr::set(scene.path("a"), "user.note", b"mine").is_err() {
        return;
    }
    assert!(scene.apply(&catalog(vec![text(&scene.path("a"), "new")], &[])).is_success());
    assert_eq!(xattr::get(scene.path("a"), "user.note").unwrap().as_deref(), Some(b"mine".as_slice()));
}

#[test]
fn setuid_survives_and_modes_are_exact() {
    let scene = Scene::new();
    let resources = [0o4755, 0o600, 0o000, 0o2644].map(|mode| {
        let path = scene.path(&format!("{mode:o}"));
        resource("text", path.to_str().unwrap(), &[("content", Value::string("x")), ("mode", Value::Int(mode))])
    });
    assert!(scene.apply(&catalog(resources.to_vec(), &[])).is_success());
    for mode in [0o4755, 0o600, 0o000, 0o2644] {
        assert_eq!(scene.path(&format!("{mode:o}")).metadata().unwrap().mode() & 0o7777, mode);
    }
}

#[test]
fn a_refused_content_leaves_the_old_one() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "old").unwrap();
    let validated = |content: &str| {
        let path = scene.path("a");
        let attributes =
            [("content", Value::string(content)), ("validate", Value::string("grep -q good %s || { echo no good; exit 1; }"))];
        catalog(vec![resource("text", path.to_str().unwrap(), &attributes)], &[])
    };
    let report = scene.apply(&validated("bad"));
    assert_eq!(story(&scene, &report), ["text[\"a\"] failed validation-failed"]);
    assert!(report.results[0].1.hint.as_deref().unwrap_or_default().contains("no good"));
    assert_eq!(scene.read("a"), "old");
    assert_eq!(scene.tree().len(), 1, "{:?}", scene.tree());
    assert!(scene.apply(&validated("good")).is_success());
}

#[test]
fn a_tree_is_removed_without_following_symlinks() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("kept")).unwrap();
    std::fs::write(scene.path("kept/file"), "x").unwrap();
    std::fs::create_dir_all(scene.path("a/b/c")).unwrap();
    std::fs::write(scene.path("a/b/file"), "content").unwrap();
    symlink(scene.path("kept"), scene.path("a/b/link")).unwrap();
    let gone = resource("text", scene.path("a").to_str().unwrap(), &[("absent", Value::Bool(true))]);
    assert!(scene.apply(&catalog(vec![gone], &[])).is_success());
    assert!(!scene.path("a").exists() && scene.path("kept/file").exists());
    let change = &scene.journal().changes(1).unwrap()[0];
    let kept = change.befores.iter().find_map(|before| match before {
        Before::Path { path, blob, .. } if path.ends_with("b/file") => *blob,
        _ => None,
    });
    assert_eq!(scene.journal().blob(&kept.unwrap()).unwrap().unwrap(), b"content");
    let link = change.befores.iter().find_map(|before| match before {
        Before::Path { path, state, .. } if path.ends_with("link") => state.target(),
        _ => None,
    });
    assert_eq!(link, Some(scene.path("kept")));
}

#[test]
fn a_directory_in_the_place_of_a_file_is_replaced() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("a/b")).unwrap();
    assert!(scene.apply(&catalog(vec![text(&scene.path("a"), "x")], &[])).is_success());
    assert_eq!(scene.read("a"), "x");
}

#[test]
fn a_missing_directory_is_told() {
    let scene = Scene::new();
    let report = scene.apply(&catalog(vec![text(&scene.path("no/such/a"), "x")], &[]));
    assert_eq!(story(&scene, &report), ["text[\"no/such/a\"] failed write-failed"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_told() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("d")).unwrap();
    std::fs::set_permissions(scene.path("d"), PermissionsExt::from_mode(0o555)).unwrap();
    let report = scene.apply(&catalog(vec![text(&scene.path("d/a"), "x")], &[]));
    assert_eq!(story(&scene, &report), ["text[\"d/a\"] failed permission-denied"]);
}

#[test]
fn a_full_disk_leaves_the_old_content_and_no_temporary() {
    let scene = Scene::new();
    // A file system of one page: only root can mount one.
    let mount = scene.path("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8k", "none"])
        .arg(&mount)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        return;
    }
    let _unmount = Unmount(mount.clone());
    std::fs::write(mount.join("a"), "old").unwrap();
    let report = scene.apply(&catalog(vec![text(&mount.join("a"), &"x".repeat(100_000)), text(&scene.path("b"), "x")], &[]));
    assert_eq!(story(&scene, &report), ["text[\"small/a\"] failed disk-full", "text[\"b\"] changed"]);
    assert_eq!(std::fs::read_to_string(mount.join("a")).unwrap(), "old");
    assert_eq!(std::fs::read_dir(&mount).unwrap().count(), 1);
    let remounted = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(&mount).status();
    if remounted.is_ok_and(|status| status.success()) {
        let report = scene.apply(&catalog(vec![text(&mount.join("a"), "new")], &[]));
        assert_eq!(story(&scene, &report), ["text[\"small/a\"] failed read-only-file-system"]);
    }
    // What is mounted below a tree is not removed with it.
    std::fs::create_dir(scene.path("tree")).unwrap();
    let gone = resource("text", scene.path("small").to_str().unwrap(), &[("absent", Value::Bool(true))]);
    let report = scene.apply(&catalog(vec![gone], &[]));
    assert_eq!(story(&scene, &report), ["text[\"small\"] failed mount-point"]);
    assert!(mount.join("a").exists());
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_symlink_that_somebody_else_planted_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    std::fs::create_dir(scene.path("real")).unwrap();
    symlink(scene.path("real"), scene.path("mine")).unwrap();
    symlink(scene.path("real"), scene.path("theirs")).unwrap();
    std::os::unix::fs::lchown(scene.path("theirs"), Some(12345), Some(12345)).unwrap();
    let report = scene.apply(&catalog(vec![text(&scene.path("mine/a"), "x"), text(&scene.path("theirs/b"), "x")], &[]));
    assert_eq!(story(&scene, &report), ["text[\"mine/a\"] changed", "text[\"theirs/b\"] failed untrusted-symlink"]);
    assert!(scene.path("real/a").exists() && !scene.path("real/b").exists());
}

#[test]
fn a_secret_is_never_kept_or_shown() {
    let scene = Scene::new();
    std::fs::write(scene.path("a"), "earlier-hunter1").unwrap();
    let secret = resource("text", scene.path("a").to_str().unwrap(), &[("content", Value::string("hunter2").secret())]);
    let shouts = resource(
        "line",
        "shouts",
        &[("line", Value::string("echo it is hunter2 >&2; exit 1")), ("secret", Value::string("hunter2").secret())],
    );
    let report = scene.apply(&catalog(vec![secret, shouts], &[]));
    assert_eq!(story(&scene, &report), ["text[\"a\"] changed", "line[\"shouts\"] failed command-failed"]);
    assert!(!format!("{report:?}").contains("hunter"), "{report:?}");
    let mut journal = Vec::new();
    for entry in std::fs::read_dir(scene.state()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            journal.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(!journal.windows(6).any(|window| window == b"hunter"));
    let changes = scene.journal().changes(1).unwrap();
    // The two run side by side: either may be the first in the journal.
    let state = changes.iter().flat_map(|change| change.befores.iter().rev()).find_map(|before| match before {
        Before::Path { state, .. } => Some(state.clone()),
        Before::Record { .. } => None,
    });
    assert!(matches!(state, Some(FileState::File { withheld: true, size: 15, .. })), "{state:?}");
}
