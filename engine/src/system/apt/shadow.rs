//! apt with other sources than the machine has: for a plan that changes them.
//!
//! Everything is done in a directory of its own: the machine's configuration and index are copied (or linked), the changed files put over
//! them, and the index of what changed is fetched there, by apt itself, which also checks its signature. Nothing on the machine changes, and
//! what the machine's configuration runs around an update is left out.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::ObserveError;
use crate::machine::random;

/// Files below /etc/apt with the content they will have; `None`: gone.
pub type Overlay = Vec<(PathBuf, Option<Arc<[u8]>>)>;

/// Where sources are.
const PARTS: &str = "/etc/apt/sources.list.d";
const MAIN: &str = "/etc/apt/sources.list";

/// What apt says when it cannot get at a repository, as against one that is wrong.
const UNREACHABLE: [&str; 7] = [
    "Could not resolve",
    "Temporary failure",
    "Could not connect",
    "Unable to connect",
    "Connection timed out",
    "Network is unreachable",
    "Connection failed",
];

/// A copy of apt's world.
#[derive(Debug)]
pub(super) struct Shadow {
    directory: PathBuf,
    pub(super) overlay: Overlay,
}

impl Drop for Shadow {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Shadow {
    /// The file that `APT_CONFIG` names.
    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("apt.conf")
    }

    /// Makes the copy and fetches what changed; `None` where that cannot be reached now.
    ///
    /// # Errors
    /// `repository-unusable` where apt refuses the repository.
    pub(super) fn new(overlay: Overlay) -> Result<Option<Self>, ObserveError> {
        let directory = std::env::temp_dir().join(format!("stead-apt-{:016x}", random()));
        let shadow = Self { directory, overlay };
        let failed = |error: io::Error| ObserveError::Unavailable {
            service: "apt",
            message: format!("cannot be asked beforehand: {error}"),
        };
        shadow.prepare().map_err(failed)?;
        if shadow.fetch()? { Ok(Some(shadow)) } else { Ok(None) }
    }

    fn prepare(&self) -> io::Result<()> {
        fs::create_dir(&self.directory)?;
        // apt fetches and verifies as a user of its own, who has to read it.
        fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o755))?;
        for below in ["sources.list.d", "preferences.d", "lists/partial", "cache/archives/partial", "keys", "none"] {
            fs::create_dir_all(self.directory.join(below))?;
        }
        for (name, is_directory) in
            [("sources.list", false), ("sources.list.d", true), ("preferences", false), ("preferences.d", true)]
        {
            let from = Path::new("/etc/apt").join(name);
            if is_directory {
                for entry in fs::read_dir(&from).into_iter().flatten().flatten() {
                    let _ = fs::copy(entry.path(), self.directory.join(name).join(entry.file_name()));
                }
            } else {
                let _ = fs::copy(&from, self.directory.join(name));
            }
        }
        let keys: Vec<(&Path, PathBuf)> = self
            .overlay
            .iter()
            .filter(|(path, _)| Self::inside(path).is_none())
            .map(|(path, _)| (&**path, self.key(path)))
            .collect();
        for (path, content) in &self.overlay {
            let at = Self::inside(path).map_or_else(|| self.key(path), |inside| self.directory.join(inside));
            match content {
                Some(content) => fs::write(at, with_keys(content, &keys))?,
                None => drop(fs::remove_file(at)),
            }
        }
        for entry in fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten() {
            if entry.file_type()?.is_file() && entry.file_name() != "lock" {
                symlink(entry.path(), self.directory.join("lists").join(entry.file_name()))?;
            }
        }
        fs::write(self.config(), self.configuration()?)
    }

    /// Where a file of the overlay that is a part of apt's configuration goes.
    fn inside(path: &Path) -> Option<&Path> {
        let inside = path.strip_prefix("/etc/apt").ok()?;
        let first = inside.components().next()?.as_os_str();
        ["sources.list", "sources.list.d", "preferences", "preferences.d"].iter().any(|known| first == *known).then_some(inside)
    }

    fn key(&self, path: &Path) -> PathBuf {
        self.directory.join("keys").join(path.file_name().unwrap_or_default())
    }

    /// The machine's configuration, without what runs around an update, and with the copies in place of the originals.
    fn configuration(&self) -> io::Result<String> {
        let output = Command::new("apt-config").arg("dump").env("LC_ALL", "C").stdin(Stdio::null()).output()?;
        let dump = String::from_utf8_lossy(&output.stdout);
        let runs = |line: &str| {
            ["APT::Update::", "DPkg::Pre-", "DPkg::Post-", "APT::Periodic"].iter().any(|start| line.starts_with(start))
        };
        let mut text: String = dump.lines().filter(|line| !runs(line)).flat_map(|line| [line, "\n"]).collect();
        let at = |name: &str| self.directory.join(name).display().to_string();
        for (key, value) in [
            ("Dir::Etc::parts", at("none")),
            ("Dir::Etc::main", "/dev/null".into()),
            ("Dir::Etc::sourcelist", at("sources.list")),
            ("Dir::Etc::sourceparts", at("sources.list.d")),
            ("Dir::Etc::preferences", at("preferences")),
            ("Dir::Etc::preferencesparts", at("preferences.d")),
            ("Dir::State::lists", at("lists")),
            ("Dir::Cache", at("cache")),
            ("Dir::Cache::archives", at("cache/archives")),
            ("Dir::Cache::pkgcache", "".into()),
            ("Dir::Cache::srcpkgcache", "".into()),
            ("Acquire::Retries", "0".into()),
            ("Acquire::http::Timeout", "10".into()),
            ("Acquire::https::Timeout", "10".into()),
        ] {
            text.push_str(&format!("{key} \"{value}\";\n"));
        }
        Ok(text)
    }

    /// Fetches the index of every source that changed. `false`: one cannot be reached.
    fn fetch(&self) -> Result<bool, ObserveError> {
        let sources = self.overlay.iter().filter(|(path, content)| content.is_some() && is_source(path));
        for (path, _) in sources {
            let Some(inside) = Self::inside(path) else { continue };
            let list = self.directory.join(inside);
            let output = update(&list, Some(&self.config()))
                .map_err(|error| ObserveError::Unavailable { service: "apt", message: error.to_string() })?;
            if let Err(said) = output {
                if UNREACHABLE.iter().any(|words| said.contains(words)) {
                    return Ok(false);
                }
                return Err(unusable(path, &said.replace(&self.directory.display().to_string(), "")));
            }
        }
        Ok(true)
    }
}

/// Says whether a path is a file of sources.
pub(crate) fn is_source(path: &Path) -> bool {
    path == Path::new(MAIN) || path.parent() == Some(Path::new(PARTS))
}

/// The failure of a repository that apt refuses.
pub(super) fn unusable(path: &Path, said: &str) -> ObserveError {
    ObserveError::Impossible {
        code: "repository-unusable",
        message: format!("apt refuses the repository in {}: {}", path.display(), first_line(said)),
        hint: format!("compare the address, the suite and the signing key with what its maker says\napt wrote:\n{said}"),
    }
}

fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or("it says nothing").trim_start_matches(['E', 'W', ':', ' '])
}

/// Fetches the index of one file of sources. The second is what apt says of a failure.
fn update(list: &Path, config: Option<&Path>) -> io::Result<Result<(), String>> {
    let mut process = Command::new("apt-get");
    process.args(arguments(list)).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    if let Some(config) = config {
        process.env("APT_CONFIG", config);
    }
    let output = process.output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Errors before warnings: they say why.
    let lines = |start: &str| said.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect::<Vec<_>>();
    let mut told = lines("E:");
    told.extend(lines("W:"));
    Ok(Err(if told.is_empty() { said.trim().to_owned() } else { told.join("\n") }))
}

/// What makes apt-get fetch the index of one file of sources, and keep all others.
pub(super) fn arguments(list: &Path) -> Vec<String> {
    let list = list.display();
    [
        "-q".to_owned(),
        "-o".to_owned(),
        format!("Dir::Etc::sourcelist={list}"),
        "-o".to_owned(),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        "-o".to_owned(),
        "APT::Get::List-Cleanup=0".to_owned(),
        "-o".to_owned(),
        "APT::Update::Error-Mode=any".to_owned(),
        "update".to_owned(),
    ]
    .into()
}

/// The text of a file of sources with the keys where the copies are.
fn with_keys(content: &[u8], keys: &[(&Path, PathBuf)]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(content) else { return content.to_vec() };
    let mut text = text.to_owned();
    for (path, copy) in keys {
        text = text.replace(&path.display().to_string(), &copy.display().to_string());
    }
    text.into_bytes()
}
