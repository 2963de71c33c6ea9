//! Names of entries: which are wanted, and which are not to be trusted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::Refusal;

/// Which entries are unpacked, and under which names.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    strip: usize,
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
    /// Symlinks may lead out of the directory.
    pub(crate) outside_links: bool,
}

impl Selection {
    /// Everything but the first `strip` names of each path; of that what an `include` matches (all, where there is none) and
    /// no `exclude` does. A pattern that matches a directory speaks of all that is in it.
    ///
    /// # Errors
    /// The pattern that is none, with the reason.
    pub(crate) fn new<'a>(
        strip: usize,
        include: impl ExactSizeIterator<Item = &'a str>,
        exclude: impl ExactSizeIterator<Item = &'a str>,
        outside_links: bool,
    ) -> Result<Self, (String, String)> {
        Ok(Self { strip, include: set(include)?, exclude: set(exclude)?, outside_links })
    }

    /// Says whether an entry is wanted.
    pub(super) fn takes(&self, path: &Path) -> bool {
        let matches = |set: &GlobSet| path.ancestors().any(|above| !above.as_os_str().is_empty() && set.is_match(above));
        !self.exclude.as_ref().is_some_and(matches) && self.include.as_ref().is_none_or(matches)
    }

    /// The path below the directory; `None` where nothing is left of it.
    pub(super) fn stripped(&self, path: &Path) -> Option<PathBuf> {
        let rest: PathBuf = path.components().skip(self.strip).collect();
        (!rest.as_os_str().is_empty()).then_some(rest)
    }
}

fn set<'a>(patterns: impl ExactSizeIterator<Item = &'a str>) -> Result<Option<GlobSet>, (String, String)> {
    if patterns.len() == 0 {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let failed = |error: globset::Error| (pattern.to_owned(), error.kind().to_string());
        let trimmed = pattern.trim_start_matches("./").trim_end_matches('/');
        set.add(GlobBuilder::new(trimmed).literal_separator(true).backslash_escape(true).build().map_err(failed)?);
    }
    set.build().map(Some).map_err(|error| (String::new(), error.kind().to_string()))
}

/// Makes a path of bytes.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The name for a message.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// The path of an entry, normalised; `None` of the top directory itself.
///
/// # Errors
/// When it is absolute, or leads out.
pub(super) fn own_path(name: &[u8]) -> Result<Option<PathBuf>, Refusal> {
    let refuse = |why: &str| Err(Refusal::Unsafe { entry: shown(name), why: why.into() });
    if name.contains(&0) {
        return refuse("has a NUL in its name");
    }
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return refuse("has `..` in its name"),
            Component::RootDir | Component::Prefix(_) => return refuse("has an absolute name"),
        }
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// Says whether a symlink at `path` with this target leads out of the directory that paths are relative to. What `..` means
/// behind another symlink is not worked out: it counts as leading out.
pub(super) fn leads_out(path: &Path, target: &Path, is_link: impl Fn(&Path) -> bool) -> bool {
    let mut at = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut behind_link = false;
    for component in target.components() {
        match component {
            Component::Normal(name) => {
                at.push(name);
                behind_link |= is_link(&at);
            }
            Component::CurDir => {}
            Component::ParentDir => {
                if behind_link || !at.pop() {
                    return true;
                }
            }
            Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}
