//! Editing secrets as plain text: in a private file, in memory where the system has a place for that, and gone afterwards whatever happens.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::failure::Failure;

/// How often is looked whether the editor has ended, or a signal came.
const TICK: Duration = Duration::from_millis(50);

/// A directory of our own with one file. Removed with it.
struct Private {
    directory: PathBuf,
    file: PathBuf,
}

impl Private {
    fn new(text: &str) -> io::Result<Self> {
        let directory = place().join(format!("stead-secret-{}-{:x}", std::process::id(), nonce()));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let private = Self { file: directory.join("secrets.yaml"), directory };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&private.file)?;
        file.write_all(text.as_bytes())?;
        Ok(private)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // An editor may have left copies beside it.
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
                && let Ok(mut file) = OpenOptions::new().write(true).open(entry.path())
            {
                // Overwritten where it is no memory; where this fails, removing it is what is left.
                let _ = file.write_all(&vec![0; usize::try_from(metadata.len()).unwrap_or(0)]);
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The user's own directory in memory; else shared memory, where only the directory made in it is private; else where temporary files go.
fn place() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let is_ours =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|it| it.is_dir() && it.uid() == rustix::process::geteuid().as_raw());
    let shared = PathBuf::from("/dev/shm");
    runtime.filter(is_ours).or_else(|| Some(shared).filter(|path| path.is_dir())).unwrap_or_else(std::env::temp_dir)
}

/// Keeps names of leftovers apart; the directory is made only where none of its name is.
fn nonce() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Lets the user edit a text. Returns what it has become.
///
/// # Errors
/// When no editor can be started, it fails, or a signal ends it; the text is gone then.
pub(crate) fn edit(text: &str) -> Result<String, Failure> {
    let failed = |source| Failure::Editor { editor: editor(), source };
    let stopped = Arc::new(AtomicBool::new(false));
    let taken = crate::signals::borrow();
    let mut handlers = Vec::new();
    for signal in [SIGHUP, SIGTERM, SIGINT, SIGQUIT] {
        // An interrupt is the editor's own business, but must not end us before the file is gone.
        let flag = if matches!(signal, SIGINT | SIGQUIT) { Arc::default() } else { stopped.clone() };
        handlers.push(signal_hook::flag::register(signal, flag).map_err(failed)?);
    }
    let result = edit_with(text, &stopped, &editor());
    for handler in handlers {
        signal_hook::low_level::unregister(handler);
    }
    // From here on they end the program again.
    drop(taken);
    result
}

fn edit_with(text: &str, stopped: &AtomicBool, editor: &str) -> Result<String, Failure> {
    let failed = |source| Failure::Editor { editor: editor.to_owned(), source };
    let private = Private::new(text).map_err(failed)?;
    // An editor may be given with options: `code --wait`. The shell splits it as git does.
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(editor)
        .arg(&private.file)
        .spawn()
        .map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if stopped.load(Ordering::Relaxed) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(io::Error::from(io::ErrorKind::Interrupted)));
        }
        std::thread::sleep(TICK);
    };
    if stopped.load(Ordering::Relaxed) || !status.success() {
        return Err(failed(io::Error::other(format!("it ended with {status}; nothing was changed"))));
    }
    read(&private.file).map_err(failed)
}

fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

fn editor() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_private_while_it_is_edited_and_gone_afterwards() {
        let stopped = AtomicBool::new(false);
        let look = "stat -c '%a %n' \"$1\" \"$(dirname \"$1\")\" >> \"$1\"; true";
        let seen = edit_with("a: 1\n", &stopped, &format!("sh -c '{}' sh", look.replace('\'', "'\\''")))
            .unwrap_or_else(|e| panic!("{e}"));
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[0], "a: 1");
        let (mode, file) = lines[1].split_once(' ').expect("a mode");
        assert_eq!(mode, "600");
        assert!(lines[2].starts_with("700 "), "{seen}");
        assert!(!Path::new(file).exists() && !Path::new(file).parent().expect("a directory").exists());
        a_signal_ends_the_editor_and_the_file();
    }

    /// Part of the test above, since it looks for whatever this process has left.
    fn a_signal_ends_the_editor_and_the_file() {
        let stopped = AtomicBool::new(true);
        let error = edit_with("a: 1\n", &stopped, "sleep 60;").expect_err("stopped");
        assert!(matches!(error, Failure::Editor { .. }));
        let left = fs::read_dir(place()).expect("the place").flatten();
        let own = format!("stead-secret-{}-", std::process::id());
        assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&own)).count(), 0);
    }
}
