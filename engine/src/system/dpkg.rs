//! The package database, read in one go.
//!
//! `/var/lib/dpkg/status` is scanned once for the few fields that matter; what an interrupted dpkg left in
//! `updates/` is read above it, as dpkg itself would.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::kept::Kept;
use super::tree;
use crate::{ObserveError, PackageState};

mod status;
mod version;

pub(crate) use status::count_installed;
pub use version::{compare_versions, matches_version};

/// Where the database lies.
const STATUS: &str = "/var/lib/dpkg/status";

/// dpkg's database of one system.
#[derive(Debug)]
pub struct Dpkg {
    root: PathBuf,
    database: Kept<Database>,
}

/// What is known of the packages of a system.
#[derive(Debug, Default)]
pub(crate) struct Database {
    packages: HashMap<Box<str>, Vec<Package>>,
    /// Virtual package to the installed packages that provide it.
    provides: HashMap<Box<str>, Vec<Provider>>,
    /// The architecture of dpkg itself.
    native: Box<str>,
    /// dpkg was interrupted: `updates/` is not empty.
    pub(crate) interrupted: bool,
}

#[derive(Debug)]
struct Package {
    architecture: Box<str>,
    state: PackageState,
    /// Its files had not all come when dpkg was interrupted.
    is_partial: bool,
}

#[derive(Debug)]
struct Provider {
    package: Arc<str>,
    version: Option<Arc<str>>,
}

/// The fields of one stanza that matter.
#[derive(Debug, Default)]
struct Stanza<'a> {
    package: &'a str,
    status: &'a str,
    version: &'a str,
    architecture: &'a str,
    provides: &'a str,
}

impl Dpkg {
    /// The package database of the system at `root`. Reads nothing yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), database: Kept::default() }
    }

    /// Returns what the database says of a package, by name or `name:arch`. Without an architecture the native one is
    /// meant, or the only one there is.
    ///
    /// # Errors
    /// [`ObserveError::Unavailable`] when the system has no dpkg database; when it cannot be read.
    pub fn package(&self, name: &str) -> Result<PackageState, ObserveError> {
        Ok(self.database()?.state(name))
    }

    /// Waits until no other package manager is at work: one that an earlier run started may have outlived it.
    /// Gives up after `patience`, when the package manager itself will say who is in the way.
    pub(crate) fn await_lock(&self, patience: Duration) {
        let start = Instant::now();
        while start.elapsed() < patience && self.is_locked() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Says whether a package manager is at work.
    pub(crate) fn is_locked(&self) -> bool {
        let is_held = |name: &str| {
            // Taken and let go at once: fcntl(2) has no other test that does not race either.
            let file = OpenOptions::new().write(true).open(self.root.join(name));
            file.is_ok_and(|file| rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
        };
        is_held("var/lib/dpkg/lock-frontend") || is_held("var/lib/dpkg/lock")
    }

    /// Says whether an interrupted dpkg left work that has to be finished before anything else.
    ///
    /// # Errors
    /// As [`Dpkg::package`].
    pub fn is_interrupted(&self) -> Result<bool, ObserveError> {
        Ok(self.database()?.interrupted)
    }

    /// Forgets what was read.
    pub fn forget(&self) {
        self.database.forget();
    }

    pub(crate) fn database(&self) -> Result<Arc<Database>, ObserveError> {
        self.database.get(|| self.load())
    }

    fn load(&self) -> Result<Database, ObserveError> {
        let content = status::take(&self.root).map_err(|error| ObserveError::io(STATUS, &error))?.ok_or_else(|| {
            ObserveError::Unavailable { service: "the package database", message: format!("{STATUS} is not there") }
        })?;
        let mut updates = Vec::new();
        for name in self.update_names() {
            let path = format!("/var/lib/dpkg/updates/{name}");
            let content = tree::read(&self.root, &path).map_err(|error| ObserveError::io(&path, &error))?;
            updates.extend(content.map(|content| (path, content)));
        }
        Database::parse(&content, &updates)
    }

    /// Names of the files in `updates/` that dpkg would read, in its order: digits only.
    fn update_names(&self) -> Vec<String> {
        let directory = self.root.join("var/lib/dpkg/updates");
        let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        names.sort_unstable();
        names
    }
}

impl Database {
    fn parse(status: &[u8], updates: &[(String, Vec<u8>)]) -> Result<Self, ObserveError> {
        let mut database = Self { interrupted: !updates.is_empty(), ..Self::default() };
        let mut provided: Vec<(Box<str>, Box<str>, Box<str>)> = Vec::new();
        let updates = updates.iter().map(|(path, content)| (&**path, content.as_slice()));
        for (path, content) in std::iter::once((STATUS, status)).chain(updates) {
            let text = String::from_utf8_lossy(content);
            for stanza in stanzas(path, &text) {
                let stanza = stanza?;
                let (state, is_partial) = (stanza.state(), stanza.is_partial());
                let entry = Package { architecture: stanza.architecture.into(), state, is_partial };
                if !stanza.provides.is_empty() && entry.state.version.is_some() {
                    provided.push((stanza.package.into(), stanza.architecture.into(), stanza.provides.into()));
                }
                if stanza.package == "dpkg" && entry.state.version.is_some() {
                    database.native = stanza.architecture.into();
                }
                let entries = database.packages.entry(stanza.package.into()).or_default();
                match entries.iter_mut().find(|known| known.architecture == entry.architecture) {
                    Some(known) => *known = entry,
                    None => entries.push(entry),
                }
            }
        }
        for (package, architecture, provides) in provided {
            let installed = database.packages[&package]
                .iter()
                .any(|entry| entry.architecture == architecture && entry.state.version.is_some());
            if installed {
                database.add_provider(&package, &provides);
            }
        }
        Ok(database)
    }

    fn add_provider(&mut self, package: &str, provides: &str) {
        for item in provides.split(',') {
            let (name, rest) = item.split_once('(').map_or((item.trim(), ""), |(name, rest)| (name.trim(), rest));
            let name = name.split_once(':').map_or(name, |(name, _)| name);
            let version = rest.trim().strip_prefix('=').map(|version| version.trim().trim_end_matches(')').trim().into());
            if !name.is_empty() && name != package {
                self.provides.entry(name.into()).or_default().push(Provider { package: package.into(), version });
            }
        }
    }

    /// The state of a package by name or `name:arch`.
    pub(crate) fn state(&self, name: &str) -> PackageState {
        let (bare, architecture) = match name.split_once(':') {
            Some((bare, "native")) => (bare, Some(&*self.native)),
            Some((bare, "any")) => (bare, None),
            Some((bare, architecture)) => (bare, Some(architecture)),
            None => (name, None),
        };
        let entries = self.packages.get(bare).map(Vec::as_slice).unwrap_or_default();
        let of = |wanted: &str| entries.iter().find(|e| &*e.architecture == wanted || &*e.architecture == "all");
        let found = match architecture {
            Some(architecture) => of(architecture),
            None => of(&self.native)
                .filter(|entry| entry.state.version.is_some())
                .or_else(|| entries.iter().find(|entry| entry.state.version.is_some()))
                .or_else(|| of(&self.native))
                .or_else(|| entries.first()),
        };
        let mut state = found.map(|entry| entry.state.clone()).unwrap_or_default();
        if state.version.is_none() && architecture.is_none() {
            state.provided_by = self.provides.get(bare).and_then(|providers| providers.first()).map(|p| p.package.clone());
        }
        state
    }

    /// Says whether an installed package provides `name` in a version that matches the pattern.
    pub(crate) fn provides_version(&self, name: &str, pattern: &str) -> bool {
        let providers = self.provides.get(name).map(Vec::as_slice).unwrap_or_default();
        providers.iter().any(|provider| provider.version.as_deref().is_some_and(|version| matches_version(pattern, version)))
    }

    /// Packages that are neither installed nor removed, sorted.
    pub(crate) fn broken(&self) -> Vec<&str> {
        self.names(|entry| entry.state.broken)
    }

    /// The packages whose files had not all come when dpkg was interrupted.
    pub(crate) fn partial(&self) -> Vec<&str> {
        self.names(|entry| entry.is_partial)
    }

    fn names(&self, is_meant: impl Fn(&Package) -> bool) -> Vec<&str> {
        let meant = |entries: &[Package]| entries.iter().any(&is_meant);
        let mut names: Vec<&str> = self.packages.iter().filter(|(_, entries)| meant(entries)).map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names
    }
}

impl Stanza<'_> {
    /// What is wanted, what is wrong, and how far it is: the three words of the status.
    fn words(&self) -> [&str; 3] {
        let mut words = self.status.split_ascii_whitespace();
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }

    /// Says whether its files had not all come when dpkg was interrupted.
    fn is_partial(&self) -> bool {
        self.words()[2] == "half-installed"
    }

    fn state(&self) -> PackageState {
        let [want, error, status] = self.words();
        // Packages that wait for a trigger work; the next run of dpkg takes care of it.
        let works = matches!(status, "installed" | "triggers-awaited" | "triggers-pending");
        let begun = matches!(status, "half-installed" | "unpacked" | "half-configured");
        PackageState {
            version: ((works || begun) && !self.version.is_empty()).then(|| self.version.into()),
            config_files: status == "config-files",
            held: want == "hold",
            broken: begun || error == "reinstreq",
            provided_by: None,
        }
    }
}

/// Splits the database into stanzas, reading only the fields that matter. A field name is compared without case.
///
/// A line of another form, and a stanza without a package or a status, is an error: dpkg itself would not go on with it.
fn stanzas<'t>(path: &'t str, text: &'t str) -> impl Iterator<Item = Result<Stanza<'t>, ObserveError>> {
    let mut lines = (1..).zip(text.lines());
    std::iter::from_fn(move || {
        let mut stanza = Stanza::default();
        let mut begun = None;
        for (number, line) in lines.by_ref() {
            if line.is_empty() {
                if begun.is_some() {
                    break;
                }
                continue;
            }
            let first = line.as_bytes()[0];
            // Continued fields, and what dpkg fills its updates up with.
            if matches!(first, b' ' | b'\t' | b'#') {
                continue;
            }
            begun.get_or_insert(number);
            let Some((name, value)) = line.split_once(':').filter(|_| first.is_ascii_alphabetic()) else {
                return Some(Err(damaged(path, number, "the line is no field")));
            };
            // Most lines are told off by their first letter.
            if !matches!(first | 0x20, b'p' | b's' | b'v' | b'a') {
                continue;
            }
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "package" => stanza.package = value,
                "status" => stanza.status = value,
                "version" => stanza.version = value,
                "architecture" => stanza.architecture = value,
                "provides" => stanza.provides = value,
                _ => {}
            }
        }
        let begun = begun?;
        Some(match (stanza.package.is_empty(), stanza.status.split_ascii_whitespace().count()) {
            (true, _) => Err(damaged(path, begun, "the entry that begins here has no `Package`")),
            (false, 3) => Ok(stanza),
            _ => Err(damaged(path, begun, &format!("the entry of `{}` has no `Status` of three words", stanza.package))),
        })
    })
}

/// The database cannot be trusted.
fn damaged(path: &str, line: usize, what: &str) -> ObserveError {
    ObserveError::Impossible {
        code: "malformed-file",
        message: format!("{path}:{line}: {what}"),
        hint: "dpkg keeps the one before as /var/lib/dpkg/status-old, and daily ones in /var/backups".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22
Description: package
 Package: not a field

Package: libc6
Status: install ok installed
Architecture: i386
Multi-Arch: same
Version: 2.36-9

Package: libc6
Status: hold ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-10

Package: nullmailer
Status: install ok installed
Architecture: amd64
Version: 1:2.2-4
Provides: mail-transport-agent, sendmail (= 8.1), nullmailer

Package: old
Status: deinstall ok config-files
Architecture: all
Version: 0.9
Conffiles:
 /etc/old.conf 0123456789abcdef0123456789abcdef

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 1.0

Package: bad
Status: install reinstreq half-installed
Architecture: amd64
";

    fn state(name: &str) -> PackageState {
        Database::parse(STATUS.as_bytes(), &[]).unwrap().state(name)
    }

    #[test]
    fn the_native_architecture_is_meant() {
        assert_eq!(state("libc6").version.as_deref(), Some("2.36-10"));
        assert!(state("libc6").held && !state("libc6:i386").held);
        assert_eq!(state("libc6:i386").version.as_deref(), Some("2.36-9"));
        assert_eq!(state("libc6:arm64"), PackageState::default());
        assert!(state("old:amd64").config_files);
    }

    #[test]
    fn removed_and_broken_are_told_apart() {
        assert_eq!(state("old"), PackageState { config_files: true, ..PackageState::default() });
        let half = state("half");
        assert!(half.broken && half.version.as_deref() == Some("1.0"));
        assert!(state("bad").broken && state("bad").version.is_none());
        let database = Database::parse(STATUS.as_bytes(), &[]).unwrap();
        assert_eq!((database.broken(), database.partial()), (vec!["bad", "half"], vec!["bad"]));
    }

    #[test]
    fn a_virtual_package_is_provided() {
        assert_eq!(state("mail-transport-agent").provided_by.as_deref(), Some("nullmailer"));
        assert_eq!(state("nullmailer").provided_by, None);
        let database = Database::parse(STATUS.as_bytes(), &[]).unwrap();
        assert!(database.provides_version("sendmail", "8.*") && !database.provides_version("sendmail", "9.*"));
    }

    #[test]
    fn updates_of_an_interrupted_run_come_above() {
        let update = b"Package: half\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.1\n".to_vec();
        let database = Database::parse(STATUS.as_bytes(), &[("/var/lib/dpkg/updates/0001".to_owned(), update)]).unwrap();
        assert!(database.interrupted);
        assert_eq!(database.state("half"), PackageState { version: Some("1.1".into()), ..PackageState::default() });
    }

    #[test]
    fn a_damaged_entry_is_told_with_its_place() {
        let said = |content: &[u8]| match Database::parse(content, &[]) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(said(b""), "fine");
        assert_eq!(said(b"\n\n\n"), "fine");
        assert_eq!(said(b"#padding\nPackage: a\nStatus: install ok installed\n"), "fine");
        assert_eq!(said(b"Package"), "/var/lib/dpkg/status:1: the line is no field");
        assert_eq!(said(b"\nVersion: 1\nX: y\n"), "/var/lib/dpkg/status:2: the entry that begins here has no `Package`");
        assert_eq!(said(b"\xff\xfe\nPackage: a\n"), "/var/lib/dpkg/status:1: the line is no field");
        assert_eq!(said(b"Package: a\n:\n\n"), "/var/lib/dpkg/status:2: the line is no field");
        let cut = b"Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install o";
        assert_eq!(said(cut), "/var/lib/dpkg/status:4: the entry of `b` has no `Status` of three words");
    }
}
