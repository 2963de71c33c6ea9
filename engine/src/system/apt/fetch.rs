//! The archives that a forecast speaks of: found on this machine, or fetched into Stead's own cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::cache::{self, Cache};
use super::{Apt, FETCHING, THINKING, View, files};
use crate::PackageChange;
use crate::system::archive::{Contents, MAX_ARCHIVE_BYTES};

/// All that one plan fetches.
const MAX_FETCH_BYTES: u64 = 256 << 20;

/// Where apt keeps what it has fetched.
const APT_ARCHIVES: &str = "/var/cache/apt/archives";

/// A package and its version.
pub(super) type Key = (Arc<str>, Arc<str>);

/// What each brings, or why that cannot be told.
pub(super) type Read = BTreeMap<Key, Result<Arc<Contents>, Arc<str>>>;

/// Where each archive is, or why it is not there.
type Places = BTreeMap<Key, Result<PathBuf, Arc<str>>>;

/// One archive on offer, in apt's words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    uri: String,
    file: String,
    bytes: u64,
    /// `SHA256:…`; empty where the repository has none.
    hash: String,
}

impl Apt {
    /// Returns what a package of a forecast brings, or why that cannot be told. All that its forecast speaks of is fetched at once,
    /// where this world may fetch.
    pub fn contents(&self, change: &PackageChange) -> Result<Arc<Contents>, Arc<str>> {
        let Some(version) = change.to.clone() else { return Err("it goes".into()) };
        let key = (change.name.clone(), version);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(&key) {
            return known.clone();
        }
        let (changes, view, files) = self.forecast_of(change);
        let wanted: Vec<Key> = changes
            .into_iter()
            .filter_map(|change| Some((change.name, change.to?)))
            .filter(|key| !read.contains_key(key))
            .collect();
        let (from_files, offered): (Vec<Key>, Vec<Key>) = wanted.into_iter().partition(|key| files.contains_key(key));
        read.extend(from_files.into_iter().filter_map(|key| {
            let contents = Contents::read(files.get(&key)?).map(Arc::new).map_err(|error| Arc::from(error.to_string()));
            Some((key, contents))
        }));
        if !offered.is_empty() {
            read.extend(self.read_all(&offered, view.as_ref()));
        }
        read.get(&key).cloned().unwrap_or_else(|| Err("apt does not say where it is".into()))
    }

    /// All changes of the forecast that a change is from, the index that it was made with, and the archives that are files of the machine.
    fn forecast_of(&self, change: &PackageChange) -> (Vec<PackageChange>, Option<View>, BTreeMap<Key, PathBuf>) {
        let kept = self.forecasts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &&PackageChange| known.name == change.name && known.to == change.to;
        let found = kept.iter().rev().find(|kept| kept.forecast.changes.iter().any(|known| is_it(&known)));
        match found {
            Some(kept) => {
                let changes = kept.forecast.changes.clone();
                let files = files::places(&self.root, &changes, &kept.wishes);
                (changes, kept.view.clone(), files)
            }
            None => (vec![change.clone()], None, BTreeMap::new()),
        }
    }

    fn read_all(&self, wanted: &[Key], view: Option<&View>) -> Read {
        let offers = match self.offers(wanted, view) {
            Ok(offers) => offers,
            Err(because) => return wanted.iter().map(|key| (key.clone(), Err(because.clone()))).collect(),
        };
        let places = self.places(&offers, view);
        let read = |key: &Key| match places.get(key) {
            Some(Ok(path)) => Contents::read(path).map(Arc::new).map_err(|error| Arc::from(error.to_string())),
            Some(Err(because)) => Err(because.clone()),
            None => Err("apt does not say where it is".into()),
        };
        wanted.par_iter().map(|key| (key.clone(), read(key))).collect()
    }

    /// Asks apt where archives are. Asks no network and takes no lock.
    fn offers(&self, wanted: &[Key], view: Option<&View>) -> Result<BTreeMap<Key, Offer>, Arc<str>> {
        let mut argv = vec!["apt-get".to_owned(), "-q".into(), "-o".into(), "Debug::NoLocking=1".into()];
        argv.extend(["download".into(), "--print-uris".into()]);
        argv.extend(wanted.iter().map(|(name, version)| format!("{name}={version}")));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = self.ask_with(&argv, view, None, THINKING).map_err(|error| Arc::from(error.to_string()))?;
        if output.status != 0 {
            return Err(first_error(&output.stderr).unwrap_or_else(|| "apt does not say where it is".to_owned()).into());
        }
        let offers: Vec<Offer> = String::from_utf8_lossy(&output.stdout).lines().filter_map(Offer::parse).collect();
        let find = |(name, version): &Key| {
            let stem = stem(name, version);
            offers.iter().find(|offer| unquoted(&offer.file).starts_with(&stem)).cloned()
        };
        Ok(wanted.iter().filter_map(|key| Some((key.clone(), find(key)?))).collect())
    }

    /// Finds each archive, and fetches those that are nowhere on this machine.
    fn places(&self, offers: &BTreeMap<Key, Offer>, view: Option<&View>) -> Places {
        let mut places = BTreeMap::new();
        let mut missing = Vec::new();
        for (key, offer) in offers {
            match offer.found(self.cache.as_deref()) {
                Some(path) => drop(places.insert(key.clone(), Ok(path))),
                None => missing.push((key, offer)),
            }
        }
        // The small ones first: they are what configuration comes in.
        missing.sort_by_key(|(_, offer)| offer.bytes);
        let mut total = 0;
        let mut fetched = Vec::new();
        for (key, offer) in missing {
            total += offer.bytes;
            let refused = if self.cache.is_none() || !self.reads_ahead {
                Some("its archive is not fetched".to_owned())
            } else if offer.bytes > MAX_ARCHIVE_BYTES {
                Some(format!("its archive has {} MiB, a plan fetches {} at most", offer.bytes >> 20, MAX_ARCHIVE_BYTES >> 20))
            } else if total > MAX_FETCH_BYTES {
                Some(format!("a plan fetches {} MiB at most", MAX_FETCH_BYTES >> 20))
            } else if offer.hash.is_empty() {
                Some("its repository has no hash of it".to_owned())
            } else {
                None
            };
            match refused {
                Some(because) => drop(places.insert(key.clone(), Err(because.into()))),
                None => fetched.push((key, offer)),
            }
        }
        places.extend(self.fetch(&fetched, view));
        places
    }

    fn fetch(&self, wanted: &[(&Key, &Offer)], view: Option<&View>) -> Places {
        let Some(directory) = self.cache.as_deref().filter(|_| !wanted.is_empty()) else { return Places::new() };
        let all = |because: &str| wanted.iter().map(|(key, _)| ((*key).clone(), Err(Arc::from(because)))).collect();
        let cache = match Cache::open(directory) {
            Ok(cache) => cache,
            Err(error) => return all(&format!("{} cannot be written: {error}", directory.display())),
        };
        let incoming = match cache.incoming(self.fetching_user()) {
            Ok(incoming) => incoming,
            Err(error) => return all(&format!("{} cannot be written: {error}", directory.display())),
        };
        let mut argv: Vec<String> =
            ["apt-get", "-q", "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=1"].map(str::to_owned).to_vec();
        for kind in ["http", "https"] {
            argv.extend(["-o".into(), format!("Acquire::{kind}::Timeout=15")]);
        }
        argv.push("download".into());
        argv.extend(wanted.iter().map(|((name, version), _)| format!("{name}={version}")));
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let said = match self.ask_with(&argv, view, Some(&incoming), FETCHING) {
            Ok(output) => first_error(&output.stderr),
            Err(error) => Some(error.to_string()),
        };
        let because: Arc<str> =
            format!("its archive cannot be fetched{}", said.map(|said| format!(": {said}")).unwrap_or_default()).into();
        let take = |offer: &Offer| {
            let path = incoming.join(&offer.file);
            let is_whole = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() == offer.bytes);
            is_whole.then(|| cache.take(&path, &offer.hash).ok()).flatten().ok_or_else(|| because.clone())
        };
        let places = wanted.iter().map(|(key, offer)| ((*key).clone(), take(offer))).collect();
        cache.collect();
        places
    }

    /// The user that apt fetches as, where it may choose.
    fn fetching_user(&self) -> Option<u32> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = crate::system::tree::read(&self.root, "/etc/passwd").ok()??;
        let passwd = String::from_utf8_lossy(&passwd);
        passwd.lines().find_map(|line| line.strip_prefix("_apt:")?.split(':').nth(1)?.parse().ok())
    }

    /// Puts what was fetched for the plan where apt looks before it fetches anything. apt compares size and hash itself.
    pub(super) fn hand_over(&self, changes: &[PackageChange]) {
        let Some(cache) = self.cache.as_deref().filter(|cache| cache.join("archives").is_dir()) else { return };
        let wanted: Vec<Key> = changes.iter().filter_map(|change| Some((change.name.clone(), change.to.clone()?))).collect();
        if wanted.is_empty() {
            return;
        }
        for ((name, version), offer) in self.offers(&wanted, None).unwrap_or_default() {
            let fetched = cache::place(cache, &offer.hash);
            // apt writes the version with its epoch escaped, and the architecture behind it.
            let architecture = offer.file.rsplit_once('_').map_or("", |(_, rest)| rest);
            let bare = name.split(':').next().unwrap_or(&name);
            let place = Path::new(APT_ARCHIVES).join(format!("{bare}_{}_{architecture}", version.replace(':', "%3a")));
            if !offer.is_local() && !offer.hash.is_empty() && fetched.is_file() && !place.exists() {
                // A copy: apt changes the owner of what it finds, and may remove it.
                let _ = std::fs::copy(&fetched, &place);
            }
        }
    }
}

impl Offer {
    /// `'file:/srv/repo/./demo_1.0_all.deb' demo_1.0_all.deb 1234 SHA256:…`
    fn parse(line: &str) -> Option<Self> {
        let (uri, rest) = line.strip_prefix('\'')?.split_once('\'')?;
        let mut fields = rest.split_whitespace();
        let (file, bytes) = (fields.next()?, fields.next()?.parse().ok()?);
        let is_name = !file.contains('/') && file != ".." && file != ".";
        is_name.then(|| Self { uri: uri.into(), file: file.into(), bytes, hash: fields.next().unwrap_or_default().into() })
    }

    fn is_local(&self) -> bool {
        self.uri.starts_with("file:") || self.uri.starts_with("copy:")
    }

    /// Where it is on this machine: in a repository that is a directory, fetched by apt, or fetched for an earlier plan.
    fn found(&self, cache: Option<&Path>) -> Option<PathBuf> {
        if let Some(path) = self.uri.strip_prefix("file:").or_else(|| self.uri.strip_prefix("copy:")) {
            return Some(PathBuf::from(unquoted(path.strip_prefix("//").unwrap_or(path))));
        }
        let is_whole =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == self.bytes);
        let fetched = cache.filter(|_| !self.hash.is_empty()).map(|cache| cache::place(cache, &self.hash)).filter(is_whole);
        if let Some(path) = &fetched {
            cache::touch(path);
        }
        fetched.or_else(|| {
            let (stem, architecture) = self.file.rsplit_once('_')?;
            let (name, version) = stem.split_once('_')?;
            let file = format!("{name}_{}_{architecture}", version.replace(':', "%3a"));
            Some(Path::new(APT_ARCHIVES).join(file)).filter(is_whole)
        })
    }
}

/// What the file of a package's archive starts with.
fn stem(name: &str, version: &str) -> String {
    format!("{}_{version}_", name.split(':').next().unwrap_or(name))
}

/// The first thing that apt says went wrong.
fn first_error(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    text.lines().find_map(|line| line.strip_prefix("E: ")).map(|line| line.trim().to_owned())
}

/// Undoes the escapes of a URI: `%2b` is `+`.
fn unquoted(uri: &str) -> String {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = if *first == b'%' { after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()) } else { None };
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read() {
        let line = "'http://deb.debian.org/debian/pool/main/c/cowsay/cowsay_3.03%2bdfsg2-8_all.deb' cowsay_3.03+dfsg2-8_all.deb 21372 SHA256:5b16";
        let offer = Offer::parse(line).expect("it is one");
        assert_eq!(
            (offer.file.as_str(), offer.bytes, offer.hash.as_str()),
            ("cowsay_3.03+dfsg2-8_all.deb", 21372, "SHA256:5b16")
        );
        assert!(!offer.is_local());
        assert_eq!(Offer::parse("'file:/x' ../x 1"), None);
        assert_eq!(Offer::parse("Reading package lists..."), None);
    }

    #[test]
    fn a_repository_that_is_a_directory_has_the_archive_itself() {
        let offer = Offer::parse("'file:/srv/./nginx_1.22.1-9%2bdeb12u9_amd64.deb' nginx_1.22.1-9+deb12u9_amd64.deb 7").unwrap();
        assert_eq!(offer.found(None), Some(PathBuf::from("/srv/./nginx_1.22.1-9+deb12u9_amd64.deb")));
        assert!(offer.file.starts_with(&stem("nginx:amd64", "1.22.1-9+deb12u9")));
    }

    #[test]
    fn escapes_of_a_uri_are_undone() {
        assert_eq!(unquoted("/srv/./nginx_1.22.1-9%2bdeb12u9_amd64.deb"), "/srv/./nginx_1.22.1-9+deb12u9_amd64.deb");
        assert_eq!(unquoted("/srv/100%"), "/srv/100%");
    }
}
