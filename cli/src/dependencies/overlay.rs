//! The files of a project and of what it depends on, as one tree for the compiler.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use stead_compiler::{SourceError, Sources};

use super::prefix;
use crate::sources::DirectorySources;

/// The project's files, and those of each dependency below `@NAME`.
#[derive(Debug)]
pub(crate) struct ProjectSources {
    own: DirectorySources,
    dependencies: BTreeMap<String, DirectorySources>,
}

impl ProjectSources {
    /// Opens the directories of the dependencies.
    ///
    /// # Errors
    ///
    /// The system's, with the directory.
    pub(crate) fn open(own: DirectorySources, trees: &BTreeMap<Arc<str>, PathBuf>) -> Result<Self, (PathBuf, std::io::Error)> {
        let open = |(name, tree): (&Arc<str>, &PathBuf)| match DirectorySources::open(tree) {
            Ok(sources) => Ok((prefix(name), sources)),
            Err(error) => Err((tree.clone(), error)),
        };
        Ok(Self { own, dependencies: trees.iter().map(open).collect::<Result<_, _>>()? })
    }

    /// The dependency a path lies in, and the path there.
    fn dependency<'p>(&self, path: &'p str) -> Option<(&str, &DirectorySources, &'p str)> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        self.dependencies.get_key_value(first).map(|(name, sources)| (name.as_str(), sources, rest))
    }
}

impl Sources for ProjectSources {
    fn files(&self, under: &str, extensions: &[&str]) -> Vec<Arc<str>> {
        match self.dependency(under) {
            Some((name, sources, rest)) => {
                sources.files(rest, extensions).iter().map(|file| format!("{name}/{file}").into()).collect()
            }
            None => {
                let mut files = self.own.files(under, extensions);
                files.retain(|file| self.dependency(file).is_none());
                files
            }
        }
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, SourceError> {
        match self.dependency(path) {
            Some((_, sources, rest)) => sources.read(rest),
            None => self.own.read(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn dependencies_lie_below_their_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            fs::write(path, text).expect("written");
        };
        write("own/site.stead", "own");
        write("own/@nginx/hidden.stead", "shadowed");
        write("tree/web/web.stead", "theirs");
        write("outside", "outside");
        std::os::unix::fs::symlink("../outside", directory.path().join("tree/out.stead")).expect("a symlink");
        let own = DirectorySources::open(&directory.path().join("own")).expect("opens");
        let trees = BTreeMap::from([("nginx".into(), directory.path().join("tree"))]);
        let sources = ProjectSources::open(own, &trees).expect("opens");
        assert_eq!(sources.files("", &["stead"]), ["site.stead".into()] as [Arc<str>; 1]);
        assert_eq!(sources.files("@nginx/web", &["stead"]), ["@nginx/web/web.stead".into()] as [Arc<str>; 1]);
        assert_eq!(sources.read("@nginx/web/web.stead").as_deref(), Ok(&b"theirs"[..]));
        assert_eq!(sources.read("@nginx/hidden.stead"), Err(SourceError::NotFound));
        for path in ["@nginx/out.stead", "@nginx/../outside", "@nginx/../own/site.stead"] {
            assert!(matches!(sources.read(path), Err(SourceError::Refused(_))), "{path}");
        }
    }
}
