//! What is seen of files and trees.

use super::*;
use std::os::unix::fs::symlink;

fn tree() -> (tempfile::TempDir, Observed) {
    let directory = tempfile::tempdir().unwrap();
    let observed = Observed::new(&RootSpec::Tree(directory.path().to_owned())).unwrap();
    (directory, observed)
}

#[test]
fn a_file_is_read_held_and_hashed() {
    let (directory, world) = tree();
    std::fs::write(directory.path().join("a"), b"hello").unwrap();
    let path = Path::new("/a");
    assert_eq!(world.read(path).unwrap(), Known::Is(Some(b"hello".as_slice().into())));
    assert_eq!(world.holds(path, b"hello").unwrap(), Known::Is(true));
    assert_eq!(world.holds(path, b"hellO").unwrap(), Known::Is(false));
    assert_eq!(world.holds(path, b"hello!").unwrap(), Known::Is(false));
    assert_eq!(world.digest(path).unwrap(), Known::Is(Some((*blake3::hash(b"hello").as_bytes(), 5))));
    assert_eq!(world.read(Path::new("/no/such")).unwrap(), Known::Is(None));
    assert_eq!(world.read(Path::new("/")).unwrap_err().code(), "wrong-kind");
    assert_eq!(world.read(Path::new("/a/b")).unwrap_err().code(), "wrong-kind");
}

#[test]
fn a_look_leaves_no_trace() {
    let (directory, world) = tree();
    let path = directory.path().join("a");
    std::fs::write(&path, b"hello").unwrap();
    // Older than the last change: the next read would be noted, also where only the first one is.
    let times = std::fs::FileTimes::new().set_accessed(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    assert_eq!(world.holds(Path::new("/a"), b"hello").unwrap(), Known::Is(true));
    let accessed = std::fs::metadata(&path).unwrap().accessed().unwrap();
    assert_eq!(accessed, std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
}

#[test]
fn a_pipe_is_not_waited_for() {
    let (directory, world) = tree();
    let status = std::process::Command::new("mkfifo").arg(directory.path().join("p")).status().unwrap();
    assert!(status.success());
    assert_eq!(world.read(Path::new("/p")).unwrap_err().code(), "wrong-kind");
    assert_eq!(world.stat(Path::new("/p")).unwrap().known().unwrap().unwrap().kind, FileKind::Other);
}

#[test]
fn a_symlink_is_told_and_not_followed_at_the_end() {
    let (directory, world) = tree();
    symlink("/etc/passwd", directory.path().join("link")).unwrap();
    let stat = world.stat(Path::new("/link")).unwrap().known().unwrap().unwrap();
    assert_eq!((stat.kind, stat.target.as_deref()), (FileKind::Symlink, Some(Path::new("/etc/passwd"))));
    assert_eq!(world.read(Path::new("/link")).unwrap_err().code(), "wrong-kind");
}

#[test]
fn a_directory_made_anew_is_seen() {
    let (directory, world) = tree();
    let inside = directory.path().join("d");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("f"), b"1").unwrap();
    assert_eq!(world.holds(Path::new("/d/f"), b"1").unwrap(), Known::Is(true));
    std::fs::remove_dir_all(&inside).unwrap();
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("f"), b"2").unwrap();
    assert_eq!(world.holds(Path::new("/d/f"), b"2").unwrap(), Known::Is(true));
}

#[test]
fn probes_answer_and_end_in_time() {
    let world = Observed::new(&RootSpec::Machine).unwrap();
    let probe = |line: &str, timeout| Probe {
        command: Command::Shell(line.into()),
        user: None,
        cwd: None,
        env: vec![("WORD".into(), "x".into())],
        timeout: Some(Duration::from_millis(timeout)),
    };
    let ask = |line: &str| world.probe(&probe(line, 5000)).unwrap().known().unwrap();
    assert!(ask("test $WORD = x").success);
    assert_eq!(ask("exit 3"), ProbeOutcome { success: false, status: 3 });
    assert_eq!(ask("kill -9 $$").status, 137);
    assert!(!ask("test -t 0").success);
    let before = std::time::Instant::now();
    let error = world.probe(&probe("sleep 30 & sleep 30", 50)).unwrap_err();
    assert_eq!(error.code(), "guard-failed");
    assert!(before.elapsed() < Duration::from_secs(5));
    let missing = Probe { command: Command::Argv(vec!["/no/such/program".into()]), ..probe("", 50) };
    assert_eq!(world.probe(&missing).unwrap_err().code(), "guard-failed");
}
