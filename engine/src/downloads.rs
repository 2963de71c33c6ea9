//! What downloads leave for the next run, below the state directory: the part of a transfer that broke off, and what the server
//! called the file that was fetched last.
//!
//! Both are conveniences: where they are lost, or cannot be read, everything is fetched again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::ApplyError;
use crate::journal::hex;

/// How long the part of a file that nobody takes up is kept.
const PART_AGE: Duration = Duration::from_secs(7 * 86_400);

/// How long it is known what the server called a file.
const FETCHED_AGE: Duration = Duration::from_secs(400 * 86_400);

/// How a server names one version of a file (RFC 9110, 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// `ETag`, as it was sent.
    etag: Option<Arc<str>>,
    /// `Last-Modified`, as it was sent.
    modified: Option<Arc<str>>,
}

impl Version {
    /// Reads the headers of an answer; `None` when they name no version.
    pub fn of<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Self> {
        let version = Self { etag: header("etag").map(Arc::from), modified: header("last-modified").map(Arc::from) };
        (version != Self::default()).then_some(version)
    }

    /// What says that a rest belongs to the same file: a strong tag or, without any tag, a date.
    pub fn for_rest(&self) -> Option<&Arc<str>> {
        match &self.etag {
            Some(etag) => Some(etag).filter(|etag| !etag.starts_with("W/")),
            None => self.modified.as_ref(),
        }
    }

    /// Headers that ask for the file only when it is another version.
    pub fn conditions(&self) -> Vec<(Arc<str>, Arc<str>)> {
        match (&self.etag, &self.modified) {
            (Some(etag), _) => vec![("If-None-Match".into(), etag.clone())],
            (None, Some(modified)) => vec![("If-Modified-Since".into(), modified.clone())],
            (None, None) => Vec::new(),
        }
    }
}

/// What was fetched last for a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// BLAKE3 of the URL: it may have secrets in it.
    url: String,
    /// What the server called it.
    pub version: Version,
    /// BLAKE3 of the content, in hexadecimal digits.
    content: String,
}

impl Fetched {
    /// Says whether this is about what came from `url` and has this content.
    pub fn is(&self, url: &str, content: &[u8; 32]) -> bool {
        self.url == named(url) && self.content == hex(content)
    }
}

/// Notes beside the beginning of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct PartNote {
    url: String,
    version: Version,
    /// What the system that wrote it called its boot: what is not on the disk survives the process, not the system.
    boot: String,
    /// Bytes that are on the disk for certain.
    synced: u64,
}

/// The directory of all that.
#[derive(Clone, Debug)]
pub struct Downloads {
    directory: PathBuf,
}

fn named(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl Downloads {
    /// Those of a state directory. Nothing is made before something is kept.
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join("downloads") }
    }

    fn file(&self, path: &Path, suffix: &str) -> PathBuf {
        let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
        self.directory.join(format!("{}.{suffix}", &hash[..32]))
    }

    /// What was fetched last for a path, where that is known.
    pub fn fetched(&self, path: &Path) -> Option<Fetched> {
        serde_json::from_slice(&fs::read(self.file(path, "fetched")).ok()?).ok()
    }

    /// Notes what was fetched for a path. Without a version there is nothing to note, and what is known is forgotten.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_fetched(&self, path: &Path, url: &str, version: Option<&Version>, content: &[u8; 32]) -> io::Result<()> {
        let file = self.file(path, "fetched");
        let Some(version) = version else { return gone(fs::remove_file(file)) };
        self.put(&file, &Fetched { url: named(url), version: version.clone(), content: hex(content) })
    }

    /// Opens the part that there is of what comes from `url` and goes to `path`, or begins an empty one.
    ///
    /// # Errors
    /// When the file cannot be made or read.
    pub fn part(&self, path: &Path, url: &str) -> io::Result<Part> {
        self.make()?;
        let (file_path, note_path) = (self.file(path, "part"), self.file(path, "part.json"));
        let known: Option<PartNote> = fs::read(&note_path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let options = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options().open(&file_path)?;
        let boot = boot();
        let length = file.metadata()?.len();
        let (note, done) = match known.filter(|note| note.url == named(url) && note.version.for_rest().is_some()) {
            Some(note) if note.boot == boot => (note, length),
            Some(note) => {
                let done = note.synced.min(length);
                (note, done)
            }
            None => (PartNote { url: named(url), ..PartNote::default() }, 0),
        };
        file.set_len(done)?;
        file.seek(SeekFrom::End(0))?;
        let note = PartNote { boot, synced: note.synced.min(done), ..note };
        Ok(Part { downloads: self.clone(), file, file_path, note_path, note, done })
    }

    /// Drops what nobody has asked for in a long time.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn collect(&self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let age = if name.as_encoded_bytes().ends_with(b".fetched") { FETCHED_AGE } else { PART_AGE };
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            // A clock that went back makes nothing old.
            let is_old = written.is_ok_and(|written| SystemTime::now().duration_since(written).is_ok_and(|is| is > age));
            if is_old {
                gone(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    /// Writes a note as a whole or not at all. It need not outlive a power cut.
    fn put(&self, path: &Path, note: &impl Serialize) -> io::Result<()> {
        self.make()?;
        let unfinished = path.with_extension("unfinished");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        fs::rename(&unfinished, path)
    }
}

/// The beginning of a file that is being fetched.
#[derive(Debug)]
pub struct Part {
    downloads: Downloads,
    file: File,
    file_path: PathBuf,
    note_path: PathBuf,
    note: PartNote,
    done: u64,
}

impl Part {
    /// Bytes that are there.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Which version of the file they are of.
    pub fn version(&self) -> &Version {
        &self.note.version
    }

    /// Begins anew with this version.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, version: Option<Version>) -> io::Result<()> {
        // The note first: a part never stands beside the note of another version.
        gone(fs::remove_file(&self.note_path))?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.done = 0;
        self.note.version = version.unwrap_or_default();
        self.note.synced = 0;
        if self.note.version.for_rest().is_some() { self.downloads.put(&self.note_path, &self.note) } else { Ok(()) }
    }

    /// Adds what came.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Keeps what came for the next run, where its rest can be asked for. Says how much that is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(mut self) -> io::Result<u64> {
        if self.done == 0 || self.note.version.for_rest().is_none() {
            return self.discard().map(|()| 0);
        }
        self.file.sync_data()?;
        self.note.synced = self.done;
        self.downloads.put(&self.note_path, &self.note)?;
        Ok(self.done)
    }

    /// Hands all of it out.
    ///
    /// # Errors
    /// When it cannot be read, and what `take` fails with.
    pub fn read(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), ApplyError>) -> Result<(), ApplyError> {
        let refused = |error: &io::Error| ApplyError::io("read", &self.file_path, error);
        self.file.seek(SeekFrom::Start(0)).map_err(|error| refused(&error))?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match self.file.read(&mut buffer).map_err(|error| refused(&error))? {
                0 => return Ok(()),
                count => take(&buffer[..count])?,
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file_path
    }

    /// Removes it.
    ///
    /// # Errors
    /// When that is refused.
    pub fn discard(self) -> io::Result<()> {
        gone(fs::remove_file(&self.note_path))?;
        gone(fs::remove_file(&self.file_path))
    }
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A name for this boot of the system; empty where it has none, and then no part is trusted that is not on the disk.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() { format!("{:016x}", crate::machine::random()) } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(etag: &str) -> Version {
        Version { etag: Some(etag.into()), modified: None }
    }

    fn content(part: &mut Part) -> Vec<u8> {
        let mut all = Vec::new();
        part.read(&mut |piece| {
            all.extend_from_slice(piece);
            Ok(())
        })
        .expect("it is read");
        all
    }

    #[test]
    fn a_part_is_taken_up_when_it_is_of_the_same_url() {
        let state = tempfile::tempdir().expect("a directory");
        let downloads = Downloads::new(state.path());
        let (path, url) = (Path::new("/srv/x"), "https://example.com/x");
        let mut part = downloads.part(path, url).expect("a part");
        assert_eq!((part.done(), part.version().for_rest()), (0, None));
        part.begin(Some(version("\"1\""))).expect("it begins");
        part.add(b"hel").expect("it is added");
        drop(part);
        let mut part = downloads.part(path, url).expect("a part");
        assert_eq!((part.done(), part.version()), (3, &version("\"1\"")), "what a killed process left counts");
        part.add(b"lo").expect("it is added");
        assert_eq!(content(&mut part), b"hello");
        assert_eq!(part.keep().expect("it is kept"), 5);
        assert_eq!(downloads.part(path, "https://example.com/y").expect("a part").done(), 0, "another file");
    }

    #[test]
    fn what_was_not_on_the_disk_does_not_outlive_the_system() {
        let state = tempfile::tempdir().expect("a directory");
        let downloads = Downloads::new(state.path());
        let (path, url) = (Path::new("/srv/x"), "https://example.com/x");
        let mut part = downloads.part(path, url).expect("a part");
        part.begin(Some(version("\"1\""))).expect("it begins");
        part.add(b"hello").expect("it is added");
        part.keep().expect("it is kept");
        let mut part = downloads.part(path, url).expect("a part");
        part.add(b" and more").expect("it is added");
        let note = PartNote { boot: "another".into(), ..part.note.clone() };
        downloads.put(&part.note_path, &note).expect("the note is written");
        drop(part);
        let mut part = downloads.part(path, url).expect("a part");
        assert_eq!(content(&mut part), b"hello");
    }

    #[test]
    fn a_version_that_says_nothing_of_the_rest_is_not_kept() {
        let state = tempfile::tempdir().expect("a directory");
        let downloads = Downloads::new(state.path());
        let (path, url) = (Path::new("/srv/x"), "https://example.com/x");
        for version in [None, Some(version("W/\"1\""))] {
            let mut part = downloads.part(path, url).expect("a part");
            part.begin(version).expect("it begins");
            part.add(b"hello").expect("it is added");
            assert_eq!(part.keep().expect("it is dropped"), 0);
            assert_eq!(downloads.part(path, url).expect("a part").done(), 0);
        }
    }

    #[test]
    fn what_was_fetched_is_known_by_url_and_content() {
        let state = tempfile::tempdir().expect("a directory");
        let downloads = Downloads::new(state.path());
        let (path, hash) = (Path::new("/srv/x"), *blake3::hash(b"x").as_bytes());
        assert_eq!(downloads.fetched(path), None);
        downloads.note_fetched(path, "https://u:secret@h/x", Some(&version("\"1\"")), &hash).expect("it is noted");
        let fetched = downloads.fetched(path).expect("it is known");
        assert!(fetched.is("https://u:secret@h/x", &hash) && !fetched.is("https://h/x", &hash));
        assert!(!fetched.is("https://u:secret@h/x", blake3::hash(b"y").as_bytes()));
        let file = fs::read_to_string(downloads.file(path, "fetched")).expect("the note");
        assert!(!file.contains("secret"), "{file}");
        downloads.note_fetched(path, "https://h/x", None, &hash).expect("it is forgotten");
        assert_eq!(downloads.fetched(path), None);
    }

    #[test]
    fn headers_name_a_version() {
        let of = |etag: Option<&'static str>, modified: Option<&'static str>| {
            Version::of(move |name| match name {
                "etag" => etag,
                "last-modified" => modified,
                _ => None,
            })
        };
        let date = "Thu, 01 Jan 2026 00:00:00 GMT";
        assert_eq!(of(None, None), None);
        let both = of(Some("\"1\""), Some(date)).expect("a version");
        assert_eq!(both.for_rest().map(|tag| &**tag), Some("\"1\""));
        assert_eq!(both.conditions(), [("If-None-Match".into(), "\"1\"".into())]);
        assert_eq!(of(Some("W/\"1\""), Some(date)).expect("a version").for_rest(), None);
        let dated = of(None, Some(date)).expect("a version");
        assert_eq!(dated.for_rest().map(|date| &**date), Some(date));
        assert_eq!(dated.conditions(), [("If-Modified-Since".into(), date.into())]);
    }
}
