//! `stead fmt`: source files in the one style there is. A file with mistakes is left as it is.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use rayon::prelude::*;
use stead_compiler::{Diagnostic, Sources as _};
use stead_report::{clean, unified};

use crate::args::FmtArguments;
use crate::failure::Failure;
use crate::sources::DirectorySources;
use crate::terminal::Terminal;

/// What became of one file.
enum Formatted {
    /// It was in the style.
    Same,
    /// It was not; the difference is kept for `--check`.
    Changed(String),
    /// It has mistakes.
    Mistaken(Vec<Diagnostic>, String),
}

pub(crate) fn run(arguments: &FmtArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if arguments.paths.iter().any(|path| path.as_os_str() == "-") {
        return from_stdin(terminal);
    }
    let files = files(&arguments.paths)?;
    let results: Vec<Result<Formatted, Failure>> = files.par_iter().map(|file| format(file, arguments.check)).collect();
    let mut text = String::new();
    let mut failed = false;
    let mut changed = 0;
    for (file, result) in files.iter().zip(results) {
        let name = clean(&file.to_string_lossy()).into_owned();
        match result {
            Ok(Formatted::Same) => {}
            Ok(Formatted::Changed(difference)) => {
                changed += 1;
                if arguments.check {
                    text.push_str(&format!("--- {name}\n+++ {name}\n"));
                    text.extend(difference.lines().map(|line| clean(line).into_owned() + "\n"));
                } else {
                    text.push_str(&format!("formatted {name}\n"));
                }
            }
            Ok(Formatted::Mistaken(diagnostics, source)) => {
                failed = true;
                terminal.show_diagnostics(diagnostics, &vec![(file.to_string_lossy().into_owned(), source)]);
            }
            Err(failure) => {
                failed = true;
                terminal.fail(&failure);
            }
        }
    }
    terminal.print(&text)?;
    Ok(if failed || (arguments.check && changed > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `stead fmt -`: for editors.
fn from_stdin(terminal: &Terminal) -> Result<ExitCode, Failure> {
    let name = PathBuf::from("-");
    let mut source = String::new();
    io::stdin().read_to_string(&mut source).map_err(|source| Failure::Unreadable { path: name.clone(), source })?;
    match stead_grammar::format(&source) {
        Ok(text) => {
            terminal.print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            let file: Arc<str> = "-".into();
            let diagnostics = errors.iter().map(|error| Diagnostic::from_syntax(&file, error)).collect();
            terminal.show_diagnostics(diagnostics, &vec![(file.to_string(), source)]);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The files that are named, and the `.stead` files of the directories that are.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let sources = DirectorySources::open(path).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
            files.extend(sources.files("", &["stead"]).iter().map(|name| match path.as_os_str() == "." {
                true => PathBuf::from(&**name),
                false => path.join(&**name),
            }));
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(Failure::NoSuchPath(path.clone()));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn format(path: &Path, check: bool) -> Result<Formatted, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let source = fs::read_to_string(path).map_err(unreadable)?;
    match stead_grammar::format(&source) {
        Ok(text) if text == source => Ok(Formatted::Same),
        Ok(text) => {
            if !check {
                replace(path, &text).map_err(|source| Failure::Unwritable { path: path.to_owned(), source })?;
            }
            Ok(Formatted::Changed(if check { unified(&source, &text) } else { String::new() }))
        }
        Err(errors) => {
            let file: Arc<str> = path.to_string_lossy().into();
            Ok(Formatted::Mistaken(errors.iter().map(|error| Diagnostic::from_syntax(&file, error)).collect(), source))
        }
    }
}

/// Writes the new text beside the file and renames it into place, with the mode and the owner of the old one. Through a
/// symlink, the file it stands for is replaced.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let metadata = fs::metadata(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.stead-fmt", std::process::id()));
    let written = write_new(&temporary, text, &metadata).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, text: &str, like: &fs::Metadata) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.stead");
        fs::write(&path, "old").expect("write");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("chmod");
        std::os::unix::fs::symlink("a.stead", directory.path().join("link.stead")).expect("symlink");
        replace(&directory.path().join("link.stead"), "new").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        assert_eq!(fs::metadata(&path).expect("stat").mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 2);
    }
}
