//! The power goes at any moment of an apply, and a disk fails: what a run has told to be done is there, and nothing is torn.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stead_tests::host::{hosts_are_wanted, stead_binary};

use super::device::{Disk, boot};
use super::random::{Random, times};

const FILES: usize = 24;

/// What is on the disk before (`false`) and what is wanted (`true`): mode and text by name; `None` for nothing.
fn wanted(index: usize, after: bool) -> Option<(u32, String)> {
    let text = |word: &str, lines: usize| format!("{word} {index}\n").repeat(lines);
    match (index % 4, after) {
        // Rewritten, larger and smaller, with another mode.
        (0, false) => Some((0o640, text("old", 700))),
        (0, true) => Some((0o604, text("new", 1100))),
        (1, false) => Some((0o600, text("old", 1200))),
        (1, true) => Some((0o444, text("new", 3))),
        // Made and removed.
        (2, false) => None,
        (2, true) => Some((0o640, text("made", 500))),
        (3, false) => Some((0o644, text("gone", 400))),
        _ => None,
    }
}

fn id(root: &Path, index: usize) -> String {
    format!("file[\"{}/srv/f{index}\"]", root.display())
}

fn source(root: &Path) -> String {
    let root = root.display();
    let mut source = format!("directory \"{root}/srv\" {{}}\n");
    for index in 0..FILES {
        source += &match wanted(index, true) {
            Some((mode, text)) => {
                let (line, times) = (text.lines().next().unwrap_or_default(), text.lines().count());
                format!(
                    "file \"{root}/srv/f{index}\" {{ content = \"{}\", mode = 0{mode:o} }}\n",
                    format!("{line}\\n").repeat(times)
                )
            }
            None => format!("file \"{root}/srv/f{index}\" {{ state = absent }}\n"),
        };
    }
    source
}

fn prepare(root: &Path) {
    fs::create_dir_all(root.join("srv")).expect("a directory is made");
    fs::create_dir_all(root.join("state")).expect("a directory is made");
    for index in 0..FILES {
        let path = root.join(format!("srv/f{index}"));
        match wanted(index, false) {
            Some((mode, text)) => {
                let _ = fs::remove_file(&path);
                fs::write(&path, text).expect("a file is written");
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode is set");
            }
            None => drop(fs::remove_file(&path)),
        }
    }
}

fn found(root: &Path, index: usize) -> Option<(u32, String)> {
    let path = root.join(format!("srv/f{index}"));
    let metadata = fs::symlink_metadata(&path).ok()?;
    Some((metadata.mode() & 0o7777, fs::read_to_string(&path).unwrap_or_else(|why| format!("unreadable: {why}"))))
}

/// `apply` on a disk, with its journal there as well.
fn apply(root: &Path, source: &Path) -> Command {
    let mut command = Command::new(stead_binary());
    command.args(["apply", "--yes", "--json", "--state-dir"]).arg(root.join("state")).arg(source).stdin(Stdio::null());
    command
}

/// Applies to the end and tells at which moment each resource was told to be changed.
fn told(disk: &Disk, source: &Path) -> (i32, BTreeMap<String, usize>, String) {
    let mut child = apply(&disk.root(), source).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("stead runs");
    let mut told = BTreeMap::new();
    let mut log = String::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).expect("an event is JSON");
        if event["event"] == "resource_finished" && event["outcome"] == "changed" {
            told.insert(event["id"].as_str().unwrap_or_default().to_owned(), disk.moment());
        }
        log += &format!("{line}\n");
    }
    let output = child.wait_with_output().expect("it ends");
    log += &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), told, log)
}

/// Nothing half done: every file is wholly as it was or wholly as it shall be.
fn assert_whole(root: &Path, moment: &str) {
    for index in 0..FILES {
        let found = found(root, index);
        let is_whole = found == wanted(index, false) || found == wanted(index, true);
        let head =
            found.as_ref().map(|(mode, text)| (format!("{mode:04o}"), text.len(), text.chars().take(20).collect::<String>()));
        assert!(is_whole, "{moment}: f{index} is {head:?}");
    }
}

/// The next apply does all that is left, and leaves nothing else.
fn assert_converges(root: &Path, moment: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("site.stead");
    fs::write(&path, source(root)).expect("a source is written");
    let output = apply(root, &path).output().expect("stead runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{moment}: the next apply\n{said}");
    assert!(!said.contains("journal-moved-aside"), "{moment}: the journal is damaged\n{said}");
    for index in 0..FILES {
        assert!(found(root, index) == wanted(index, true), "{moment}: f{index} after the next apply\n{said}");
    }
    let names = fs::read_dir(root.join("srv")).expect("the directory is there").count();
    assert_eq!(names, (0..FILES).filter(|index| wanted(*index, true).is_some()).count(), "{moment}: something is left over");
}

#[test]
fn a_power_cut_at_any_moment_tears_nothing_and_loses_nothing_told() {
    if !hosts_are_wanted() {
        return;
    }
    let mut random = Random::from_environment();
    let cuts = times("STEAD_TEST_CUTS", 24);
    // Each run on a fresh disk is cut at several moments.
    let per_run = 12;
    let (mut done, mut torn_free, mut with_told) = (0, 0, 0);
    while done < cuts {
        let disk = Disk::new();
        let root = disk.root();
        prepare(&root);
        disk.sync();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("site.stead");
        fs::write(&path, source(&root)).expect("a source is written");
        let begin = disk.moment();
        let (code, told, log) = told(&disk, &path);
        assert_eq!(code, 0, "{log}");
        assert_eq!(told.len(), FILES, "{log}");
        let end = disk.moment();
        disk.unmount();
        assert!(end > begin + 10, "the run wrote {} times", end - begin);
        for cut in 0..per_run.min(cuts - done) {
            // The last cut of a run is after its end.
            let at = if cut + 1 == per_run { end } else { begin + random.below((end - begin) as u64) as usize };
            let moment = format!("cut {done} at request {at} of {begin}..{end}");
            let image = disk.at(at, &mut random);
            boot(&image, &root, |mounted| {
                assert_whole(mounted, &moment);
                for index in 0..FILES {
                    if told.get(&id(&root, index)).is_some_and(|told| *told <= at) {
                        with_told += 1;
                        assert!(found(mounted, index) == wanted(index, true), "{moment}: f{index} was told to be changed");
                    }
                }
                assert_converges(mounted, &moment);
                torn_free += 1;
            });
            done += 1;
        }
    }
    assert_eq!(torn_free, cuts);
    assert!(with_told > 0, "no cut came after something was told");
}

#[test]
fn a_disk_that_fails_is_told_and_loses_nothing_told() {
    if !hosts_are_wanted() {
        return;
    }
    let mut random = Random::from_environment();
    let rounds = times("STEAD_TEST_CUTS", 24).div_ceil(4);
    let mut failed = 0;
    for round in 0..rounds {
        let disk = Disk::new();
        let root = disk.root();
        prepare(&root);
        disk.sync();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("site.stead");
        fs::write(&path, source(&root)).expect("a source is written");
        let good = random.below(40);
        disk.fail_after(Some(good));
        let (code, told, log) = told(&disk, &path);
        let moment = format!("round {round}, {good} good writes");
        assert!(!log.contains("panicked"), "{moment}\n{log}");
        failed += u32::from(code != 0);
        if code == 0 {
            assert_eq!(told.len(), FILES, "{moment}\n{log}");
        }
        // The disk is what its medium holds: the kernel's memory is gone with the machine.
        let image = disk.at(disk.moment(), &mut Random::from_environment());
        disk.unmount();
        boot(&image, &root, |mounted| {
            assert_whole(mounted, &moment);
            for index in 0..FILES {
                if told.contains_key(&id(&root, index)) {
                    assert!(found(mounted, index) == wanted(index, true), "{moment}: f{index} was told to be changed\n{log}");
                }
            }
        });
        disk.fail_after(None);
        disk.mount();
        assert_whole(&root, &moment);
        assert_converges(&root, &moment);
    }
    assert!(failed > 0, "no disk failed while it was written to");
}
