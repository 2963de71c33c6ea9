//! Which package sources the machine will have.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, Predicted};
use crate::system::apt::SourcesAhead;
use crate::{FileKind, Known, World};

impl Predicted<'_> {
    /// The files through which what can be installed will have changed; `None` when there are none.
    ///
    /// # Errors
    /// With the reason, when what will be in one of them is not known.
    pub(super) fn sources_ahead(&self) -> Result<Option<SourcesAhead>, Arc<str>> {
        let mut ahead = SourcesAhead::default();
        for (path, entry) in self.files.below(Path::new("/etc/apt")) {
            if is_relevant(path) {
                self.foresee(path, entry, &mut ahead)?;
            }
        }
        // Keys may be anywhere: a source names its own.
        let named: Vec<PathBuf> = ahead
            .files
            .iter()
            .filter(|(path, _)| is_source(path))
            .filter_map(|(_, content)| content.as_deref().map(String::from_utf8_lossy))
            .flat_map(|text| keys(&text))
            .collect();
        for key in named {
            match self.files.get(&self.resolve(&key)) {
                Some(entry) => self.foresee(&key, entry, &mut ahead)?,
                // A directory above it may be what is not known.
                None => match self.stat(&key) {
                    Ok(Known::Unknown(because)) => return Err(because),
                    _ => continue,
                },
            }
        }
        let is_changed = !ahead.files.is_empty() || !self.refreshed.is_empty();
        ahead.refreshed.clone_from(&self.refreshed);
        Ok(is_changed.then_some(ahead))
    }

    fn foresee(&self, path: &Path, entry: &Entry, ahead: &mut SourcesAhead) -> Result<(), Arc<str>> {
        match entry {
            Entry::Present { kept: true, .. } => {}
            Entry::Present { stat, .. } if stat.kind == FileKind::Directory => {}
            Entry::Present { stat, content, .. } if stat.kind == FileKind::File => {
                let content = content.clone().ok_or_else(|| Arc::from(format!("the content of {} is made", path.display())))?;
                ahead.files.insert(path.to_owned(), Some(content));
            }
            Entry::Present { .. } => return Err(format!("{} is made", path.display()).into()),
            Entry::Removed => match self.base.list(path) {
                Ok(Known::Is(Some(entries))) => {
                    ahead.files.extend(entries.into_iter().map(|(name, _)| (path.join(name), None)));
                }
                _ => drop(ahead.files.insert(path.to_owned(), None)),
            },
            Entry::Obscured(because) | Entry::Appearing(because) => return Err(because.clone()),
        }
        Ok(())
    }
}

/// Says whether a path below `/etc/apt` decides what is on offer.
fn is_relevant(path: &Path) -> bool {
    let Ok(relative) = path.strip_prefix("/etc/apt") else { return false };
    let Some(first) = relative.iter().next().and_then(|name| name.to_str()) else { return false };
    matches!(first, "sources.list" | "sources.list.d" | "trusted.gpg" | "trusted.gpg.d" | "preferences" | "preferences.d")
}

/// Says whether a file names repositories.
pub(crate) fn is_source(path: &Path) -> bool {
    path == Path::new("/etc/apt/sources.list")
        || (path.starts_with("/etc/apt/sources.list.d")
            && path.extension().is_some_and(|suffix| suffix == "list" || suffix == "sources"))
}

/// Paths that a source names as its keys.
fn keys(text: &str) -> Vec<PathBuf> {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '=' | ','));
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
