//! What is lost when a package goes.

use std::path::{Path, PathBuf};

use stead_engine::{ActiveState, EnableState, FileKind, Known, Predicted, World};

/// What is lost when a package goes, as far as its files and scripts tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Removal {
    /// Files and directories that it shipped, but for its configuration.
    pub(super) files: Vec<PathBuf>,
    /// Its configuration files.
    pub(super) configuration: Vec<PathBuf>,
    /// Units that its scripts stop.
    pub(super) stops: Vec<String>,
    /// Paths that its scripts remove in a purge.
    pub(super) purged: Vec<PathBuf>,
    /// Paths that they may remove.
    pub(super) doubtful: Vec<PathBuf>,
    /// Configuration goes as well.
    pub(super) is_purge: bool,
    /// It is there, and not only its configuration.
    pub(super) was_installed: bool,
}

impl Removal {
    /// Tells the predicted world what is gone.
    pub(super) fn predict(&self, because: &str, effects: &mut Predicted<'_>) {
        if self.was_installed {
            for unit in &self.stops {
                self.stop(unit, effects);
            }
        }
        let mut directories = Vec::new();
        let gone = self.files.iter().chain(self.configuration.iter().filter(|_| self.is_purge));
        for path in gone {
            match effects.stat(path) {
                Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory => directories.push(path),
                Ok(Known::Is(Some(_))) => effects.remove(path),
                _ => {}
            }
        }
        if self.is_purge {
            for path in &self.purged {
                effects.remove(path);
            }
            for path in
                self.doubtful.iter().filter(|path| matches!(effects.stat(path), Ok(Known::Is(Some(_))))).collect::<Vec<_>>()
            {
                effects.obscure(path, because);
            }
        }
        // dpkg removes a directory that it shipped when nothing is left in it: the innermost first.
        directories.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for path in directories {
            if matches!(effects.list(path), Ok(Known::Is(Some(entries))) if entries.is_empty()) {
                effects.remove(path);
            }
        }
    }

    fn stop(&self, unit: &str, effects: &mut Predicted<'_>) {
        let ships = self.files.iter().any(|path| path.ends_with(Path::new(unit)));
        if let (true, Ok(Known::Is(mut state))) = (ships, effects.unit(unit)) {
            state.active = Known::Is(ActiveState::Inactive);
            state.enabled = Known::Is(EnableState::Disabled);
            effects.put_unit(unit, state);
        }
    }
}
