//! Values by path, in an order that keeps what is below a directory together.
//!
//! Paths compare component by component, which is dear where ten thousand long ones have most of them in common; here they
//! compare as the bytes of one spelling.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A map whose keys are absolute paths.
#[derive(Clone, Debug)]
pub(crate) struct PathMap<V> {
    entries: BTreeMap<OsString, V>,
}

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<V> PathMap<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&V> {
        self.entries.get(&*spelling(path))
    }

    pub(crate) fn get_mut(&mut self, path: &Path) -> Option<&mut V> {
        self.entries.get_mut(&*spelling(path))
    }

    pub(crate) fn contains(&self, path: &Path) -> bool {
        self.entries.contains_key(&*spelling(path))
    }

    pub(crate) fn insert(&mut self, path: PathBuf, value: V) {
        let key = match spelling(&path) {
            Cow::Borrowed(_) => path.into_os_string(),
            Cow::Owned(key) => key,
        };
        self.entries.insert(key, value);
    }

    /// Iterates over what is below a directory, at any depth, without the directory itself.
    pub(crate) fn below(&self, directory: &Path) -> impl Iterator<Item = (&Path, &V)> {
        let start = inside(directory);
        let range = (Bound::Excluded(start.clone()), Bound::Unbounded);
        let entries = self.entries.range::<OsString, _>(range);
        entries
            .take_while(move |(path, _)| path.as_bytes().starts_with(start.as_bytes()))
            .map(|(path, value)| (Path::new(path), value))
    }

    /// Takes out what is at a path and below it.
    pub(crate) fn remove_tree(&mut self, path: &Path) {
        let below: Vec<PathBuf> = self.below(path).map(|(path, _)| path.to_owned()).collect();
        for gone in below {
            self.entries.remove(gone.as_os_str());
        }
        self.entries.remove(&*spelling(path));
    }
}

/// What the paths of everything in a directory begin with.
fn inside(directory: &Path) -> OsString {
    let mut bytes = spelling(directory).into_owned().into_vec();
    if bytes.last() != Some(&b'/') {
        bytes.push(b'/');
    }
    OsString::from_vec(bytes)
}

/// The one spelling of a path: single slashes, none at the end, no `.`.
fn spelling(path: &Path) -> Cow<'_, OsStr> {
    let bytes = path.as_os_str().as_bytes();
    let is_odd = |at: usize| {
        bytes[at] == b'/'
            && match bytes.get(at + 1) {
                None => at > 0,
                Some(b'/') => true,
                Some(b'.') => matches!(bytes.get(at + 2), None | Some(b'/')),
                Some(_) => false,
            }
    };
    if (0..bytes.len()).any(is_odd) {
        Cow::Owned(path.components().collect::<PathBuf>().into_os_string())
    } else {
        Cow::Borrowed(path.as_os_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_however_they_are_spelt() {
        let mut map = PathMap::default();
        for path in ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/a/b-c", "/ab"] {
            map.insert(path.into(), path);
        }
        map.insert("/x//y/./z/".into(), "/x/y/z");
        for path in ["/a/b", "/a//b", "/a/./b", "/a/b/"] {
            assert_eq!(map.get(Path::new(path)), Some(&"/a/b"), "{path}");
        }
        assert_eq!(map.get(Path::new("/x/y/z")), Some(&"/x/y/z"));
        assert_eq!(map.get(Path::new("/a/b/.c")), None);
        let below = |path: &str| map.below(Path::new(path)).map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(below("/a"), ["/a/b", "/a/b-c", "/a/b/c"]);
        assert_eq!(below("/a/b/"), ["/a/b/c"]);
        assert_eq!(below("/").len(), 7);
        assert!(below("/none").is_empty());
        map.remove_tree(Path::new("/a/b"));
        assert_eq!(map.below(Path::new("/a")).map(|(_, value)| *value).collect::<Vec<_>>(), ["/a/b-c"]);
        assert!(map.contains(Path::new("/a")) && !map.contains(Path::new("/a/b")));
    }
}
