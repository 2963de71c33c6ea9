//! What is lost when a package goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{FileKind, Known, Lost, Predicted, World};

/// What is lost when a package goes: its files, and what its scripts do.
#[derive(Clone, Debug, Default)]
pub(super) struct Removal {
    /// Its name.
    pub(super) package: Arc<str>,
    /// Files and directories that it shipped, but for its configuration.
    pub(super) files: Vec<PathBuf>,
    /// Its configuration files.
    pub(super) configuration: Vec<PathBuf>,
    /// The script that runs before; empty when there is none.
    pub(super) prerm: String,
    /// The script that runs after; empty when there is none.
    pub(super) postrm: String,
    /// Configuration goes as well.
    pub(super) is_purge: bool,
    /// It is there, and not only its configuration.
    pub(super) was_installed: bool,
}

/// What dpkg leaves beside a configuration file and removes with it.
const BESIDE: [&str; 7] = ["", "~", ".dpkg-tmp", ".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-bak"];

/// Finds what goes besides the files of the packages.
pub(super) fn lost(world: &dyn World, because: &str, removals: &[Removal]) -> Lost {
    let mut after = Predicted::new(world);
    for removal in removals {
        removal.predict(because, &mut after);
    }
    let own = removals.iter().flat_map(|removal| removal.files.iter().chain(&removal.configuration));
    after.lost(&own.map(PathBuf::as_path).collect::<Vec<_>>())
}

impl Removal {
    /// Tells the predicted world what is gone.
    pub(super) fn predict(&self, because: &str, effects: &mut Predicted<'_>) {
        if self.was_installed {
            effects.run_script(because, &self.package, &self.prerm, &[Some("remove")]);
        }
        let mut directories: Vec<PathBuf> = Vec::new();
        if self.was_installed {
            for path in &self.files {
                match effects.stat(path) {
                    Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory => directories.push(path.clone()),
                    Ok(Known::Is(Some(_))) => effects.remove(path),
                    _ => {}
                }
            }
            effects.run_script(because, &self.package, &self.postrm, &[Some("remove")]);
        }
        if self.is_purge {
            for path in &self.configuration {
                for suffix in BESIDE {
                    let mut name = path.clone().into_os_string();
                    name.push(suffix);
                    if matches!(effects.stat(Path::new(&name)), Ok(Known::Is(Some(_)))) {
                        effects.remove(Path::new(&name));
                    }
                }
                directories.extend(
                    path.ancestors().skip(1).filter(|above| self.files.iter().any(|file| file == above)).map(Path::to_owned),
                );
            }
            effects.run_script(because, &self.package, &self.postrm, &[Some("purge")]);
        }
        // dpkg removes a directory that it shipped when nothing is left in it: the innermost first.
        directories.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        directories.dedup();
        for path in directories {
            if matches!(effects.list(&path), Ok(Known::Is(Some(entries))) if entries.is_empty()) {
                effects.remove(&path);
            }
        }
    }
}
