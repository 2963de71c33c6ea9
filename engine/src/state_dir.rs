//! The directory that everything is kept in which nobody else may read.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

/// Makes the state directory for its owner alone. One that is there and lets others in is closed to them where it belongs to whoever asks: the journal
/// and what was kept of files are in it.
///
/// # Errors
/// When it cannot be made, opened or closed to others.
pub fn make_state_dir(state: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    // One that is reached through a link may be used for other things as well.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = rustix::fs::open(state, flags, Mode::empty()) else { return Ok(()) };
    let stat = rustix::fs::fstat(&directory)?;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
    if is_own && stat.st_mode & 0o077 != 0 && is_for_this(&directory) {
        rustix::fs::fchmod(&directory, Mode::from_raw_mode(stat.st_mode & 0o700))?;
    }
    Ok(())
}

/// Says whether the directory is there for this alone: it has a lock or a journal, or nothing yet. What somebody names by mistake (`/var/lib`) stays open.
fn is_for_this(directory: &OwnedFd) -> bool {
    let has = |name: &str| rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    let is_empty = || {
        let entries = rustix::fs::Dir::read_from(directory);
        entries.is_ok_and(|entries| entries.flatten().all(|entry| matches!(entry.file_name().to_bytes(), b"." | b"..")))
    };
    has("lock") || has("journal.db") || is_empty()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn it_is_for_its_owner_alone() {
        let above = tempfile::tempdir().unwrap();
        let state = above.path().join("a/state");
        make_state_dir(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
        fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
        make_state_dir(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
    }

    #[test]
    fn what_holds_other_things_is_left_alone() {
        let above = tempfile::tempdir().unwrap();
        fs::create_dir(above.path().join("another")).unwrap();
        fs::set_permissions(above.path(), fs::Permissions::from_mode(0o755)).unwrap();
        make_state_dir(above.path()).unwrap();
        assert_eq!(mode(above.path()), 0o755);
        fs::write(above.path().join("lock"), "").unwrap();
        make_state_dir(above.path()).unwrap();
        assert_eq!(mode(above.path()), 0o700);
    }
}
