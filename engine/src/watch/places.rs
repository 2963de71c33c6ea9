//! From what resources looked at to the directories that tell when it changes.
//!
//! A path is watched in the directory that holds it, so that ten thousand files of one directory are one watch, and a file that
//! is replaced is noticed as well as one that is edited. Every directory on the way is watched for the next name: one that is
//! moved away takes everything below it along and would otherwise say nothing. Symlinks on the way are followed, and
//! watched where they stand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::kernel;
use crate::reads::{Read, Reads};

/// Symlinks on one way at most, as the kernel has it.
const MAX_LINKS: usize = 40;

/// One thing to keep an eye on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A path: what is there, what it holds, its mode and owner.
    Path(PathBuf),
    /// Which names a directory holds.
    Names(PathBuf),
    /// What the service manager says of a unit.
    Unit(String),
}

/// The account databases, and where names are looked up besides.
const ACCOUNTS: [&str; 5] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/nsswitch.conf"];

/// dpkg's database. What an interrupted dpkg left in `updates` counts as well.
const PACKAGES: [&str; 1] = ["/var/lib/dpkg/status"];

/// What is on offer: lists and sources.
const OFFERS: [&str; 5] =
    ["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/preferences", "/etc/apt/preferences.d", "/var/lib/apt/lists"];

/// Where an administrator's unit files are, in systemd's order.
const UNITS: [&str; 2] = ["/etc/systemd/system", "/run/systemd/system"];

/// What a resource has to be looked at again for, from what it looked at.
pub(super) fn sources(reads: &Reads) -> BTreeSet<Source> {
    let mut sources = BTreeSet::new();
    let paths = |paths: &[&str]| paths.iter().map(|path| Source::Path(path.into())).collect::<Vec<_>>();
    for read in reads.iter() {
        match read {
            Read::Path(path) => {
                sources.insert(Source::Path(path.to_path_buf()));
            }
            Read::List(path) => {
                sources.insert(Source::Path(path.to_path_buf()));
                sources.insert(Source::Names(path.to_path_buf()));
            }
            Read::User(_) | Read::Group(_) | Read::Uid(_) | Read::Gid(_) => sources.extend(paths(&ACCOUNTS)),
            Read::Package(_) => {
                sources.extend(paths(&PACKAGES));
                sources.insert(Source::Names("/var/lib/dpkg/updates".into()));
            }
            Read::Forecast => {
                sources.extend(paths(&OFFERS));
                sources.extend(OFFERS.iter().map(|path| Source::Names(path.into())));
            }
            Read::Unit(name) => {
                sources.insert(Source::Unit(name.to_string()));
                for directory in UNITS {
                    let directory = Path::new(directory);
                    sources.insert(Source::Path(directory.join(&**name)));
                    sources.insert(Source::Names(directory.join(format!("{name}.d"))));
                }
            }
            // A command that only asks is asked again when something else says that it is time.
            Read::Probe => {}
        }
    }
    sources
}

/// Who is to be told of what in one directory.
#[derive(Debug, Default)]
pub(super) struct Interest {
    /// By name in the directory: the resources.
    pub(super) names: HashMap<OsString, Vec<u32>>,
    /// Resources that want to know of every name that comes or goes.
    pub(super) list: Vec<u32>,
    /// Some of the names are looked at for themselves, and not only on the way to something below.
    pub(super) is_looked_at: bool,
}

/// All directories that are to be watched, by their real path, with who is to be told.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) directories: BTreeMap<PathBuf, Interest>,
    /// By unit: the resources.
    pub(super) units: HashMap<String, Vec<u32>>,
    /// By file of the kernel that tells by itself: the resources.
    pub(super) kernel: HashMap<PathBuf, Vec<u32>>,
}

/// What is on the way to the entries of a directory.
struct Way {
    /// Each directory with the name that is looked for in it.
    steps: Vec<(PathBuf, OsString)>,
    /// The directory at its end; `None` where something on the way is not there.
    end: Option<PathBuf>,
}

impl Places {
    /// Finds the directories for what each resource looked at. Paths are resolved below `root`.
    pub(super) fn find<'s>(root: &Path, sources: impl Iterator<Item = (u32, &'s BTreeSet<Source>)>) -> Self {
        let mut places = Self::default();
        let mut ways: HashMap<PathBuf, Way> = HashMap::new();
        for (resource, sources) in sources {
            for source in sources {
                let of_kernel = match source {
                    Source::Path(path) if root == Path::new("/") => kernel::file(path),
                    _ => None,
                };
                if let Some(file) = of_kernel {
                    note(places.kernel.entry(file.to_owned()).or_default(), resource);
                    continue;
                }
                match source {
                    Source::Path(path) => {
                        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
                        let way = ways.entry(parent.to_owned()).or_insert_with(|| Way::to(root, parent));
                        places.follow(way, resource);
                        if let Some(end) = &way.end {
                            let interest = places.directories.entry(end.clone()).or_default();
                            interest.is_looked_at = true;
                            note(interest.names.entry(name.to_owned()).or_default(), resource);
                        }
                    }
                    Source::Names(path) => {
                        let way = ways.entry(path.clone()).or_insert_with(|| Way::to(root, path));
                        places.follow(way, resource);
                        if let Some(end) = &way.end {
                            note(&mut places.directories.entry(end.clone()).or_default().list, resource);
                        }
                    }
                    Source::Unit(name) => note(places.units.entry(name.clone()).or_default(), resource),
                }
            }
        }
        places
    }

    fn follow(&mut self, way: &Way, resource: u32) {
        for (directory, name) in &way.steps {
            // Looked up before it is owned: ten thousand files have the same way.
            if let Some(known) = self.directories.get_mut(directory).and_then(|interest| interest.names.get_mut(name)) {
                note(known, resource);
                continue;
            }
            let interest = self.directories.entry(directory.clone()).or_default();
            note(interest.names.entry(name.clone()).or_default(), resource);
        }
    }
}

/// Adds a resource to a list. They come in order, so that only the last one can be the same.
fn note(resources: &mut Vec<u32>, resource: u32) {
    if resources.last() != Some(&resource) {
        resources.push(resource);
    }
}

impl Way {
    fn to(root: &Path, directory: &Path) -> Self {
        let mut steps = Vec::new();
        let mut here = root.to_owned();
        let mut rest: Vec<OsString> = names(directory);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == OsStr::new("..") {
                if here != root {
                    here.pop();
                }
                continue;
            }
            let next = here.join(&name);
            steps.push((here.clone(), name));
            let Ok(metadata) = std::fs::symlink_metadata(&next) else { return Self { steps, end: None } };
            if metadata.is_dir() {
                here = next;
                continue;
            }
            links += 1;
            let target = std::fs::read_link(&next).ok().filter(|_| metadata.is_symlink() && links <= MAX_LINKS);
            let Some(target) = target else { return Self { steps, end: None } };
            if target.is_absolute() {
                here = root.to_owned();
            }
            rest.extend(names(&target));
        }
        Self { steps, end: Some(here) }
    }
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(OsStr::from_bytes(name.as_bytes()).to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(root: &Path, paths: &[&str]) -> Vec<String> {
        let sources: Vec<BTreeSet<Source>> = paths.iter().map(|path| BTreeSet::from([Source::Path(path.into())])).collect();
        let places = Places::find(root, (0..).zip(&sources));
        let inside = |path: &Path| format!("/{}", path.strip_prefix(root).unwrap().display());
        let line = |(path, interest): (&PathBuf, &Interest)| {
            let mut names: Vec<String> = interest.names.iter().map(|(name, who)| format!("{}:{who:?}", name.display())).collect();
            names.sort();
            format!("{}{} {}", inside(path), if interest.is_looked_at { " looked at" } else { "" }, names.join(" "))
        };
        places.directories.iter().map(line).collect()
    }

    #[test]
    fn files_are_watched_in_their_directory_and_on_the_way_to_it() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("srv/app")).unwrap();
        assert_eq!(
            shown(tree.path(), &["/srv/app/a", "/srv/app/b"]),
            ["/ srv:[0, 1]", "/srv app:[0, 1]", "/srv/app looked at a:[0] b:[1]"]
        );
    }

    #[test]
    fn what_is_not_there_is_waited_for_where_it_would_begin() {
        let tree = tempfile::tempdir().unwrap();
        assert_eq!(shown(tree.path(), &["/srv/app/a"]), ["/ srv:[0]"]);
    }

    #[test]
    fn symlinks_are_followed_and_watched_and_do_not_lead_out() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("run/lock")).unwrap();
        std::fs::create_dir_all(tree.path().join("var")).unwrap();
        std::os::unix::fs::symlink("../../../run", tree.path().join("var/run")).unwrap();
        std::os::unix::fs::symlink("/loop", tree.path().join("loop")).unwrap();
        assert_eq!(
            shown(tree.path(), &["/var/run/lock/a", "/loop/a"]),
            ["/ loop:[1] run:[0] var:[0]", "/run lock:[0]", "/run/lock looked at a:[0]", "/var run:[0]"]
        );
    }
}
