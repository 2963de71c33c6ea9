//! The project's own automation: `cargo xtask codegen` writes the generated pages of the book, and the queries of editors that name
//! captures in their own way.
//!
//! Generated files are committed; a test fails when running the generator would change one.

pub mod queries;
pub mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Every generated file, by its path in the workspace.
///
/// # Errors
/// When a page that goes into them cannot be read.
pub fn generated() -> io::Result<BTreeMap<PathBuf, String>> {
    let mut files = reference::pages(workspace())?;
    files.extend(queries::files(workspace())?);
    Ok(files)
}

/// Returns the generated files that are missing, different or left over.
///
/// # Errors
/// When a page cannot be read.
pub fn stale() -> io::Result<Vec<PathBuf>> {
    let pages = generated()?;
    let mut stale: Vec<PathBuf> = pages
        .iter()
        .filter(|(path, text)| fs::read_to_string(workspace().join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| path.clone())
        .collect();
    stale.extend(left_over(&pages)?);
    Ok(stale)
}

/// Writes what is missing or different, and removes what is left over.
///
/// # Errors
/// When a file cannot be read, written or removed.
pub fn codegen() -> io::Result<()> {
    let pages = generated()?;
    for path in left_over(&pages)? {
        fs::remove_file(workspace().join(path))?;
    }
    for (path, text) in pages {
        let path = workspace().join(path);
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, text)?;
        }
    }
    Ok(())
}

/// Pages in the generated folders that nothing generates any more.
fn left_over(pages: &BTreeMap<PathBuf, String>) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in reference::FOLDERS {
        let Ok(entries) = fs::read_dir(workspace().join(folder)) else { continue };
        for entry in entries {
            let path = Path::new(folder).join(entry?.file_name());
            if !pages.contains_key(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn generated_files_are_up_to_date() {
        let stale = super::stale().expect("pages can be read");
        assert!(stale.is_empty(), "run `cargo xtask codegen`: {stale:?}");
    }
}
