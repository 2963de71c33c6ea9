//! Whether apt takes sources that are about to be written.
//!
//! apt is pointed at a copy of its configuration with these sources in it, in a directory of their own, and fetches their index there,
//! which also checks its signature. Nothing on the machine changes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::view::{SourcesAhead, View};
use super::{Apt, INDEXING};
use crate::ObserveError;
use crate::machine::random;
use crate::predicted::is_source;

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

/// A directory that goes with what is in it.
struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Apt {
    /// Asks apt whether it takes these sources, before they are written.
    ///
    /// # Errors
    /// `repository-unusable`.
    pub fn try_sources(&self, ahead: &SourcesAhead) -> Result<(), ObserveError> {
        let own = Own(std::env::temp_dir().join(format!("stead-apt-{:016x}", random())));
        let failed = |error: io::Error| ObserveError::Unavailable {
            service: "apt",
            message: format!("cannot be asked beforehand: {error}"),
        };
        let view = self.prepare(&own.0, ahead).map_err(failed)?;
        for (path, _) in ahead.files.iter().filter(|(path, content)| content.is_some() && is_source(path)) {
            let copy = own.0.join("etc").join(path.strip_prefix("/etc/apt").unwrap_or(path));
            let mut argv: Vec<String> = ["apt-get", "-o", "Acquire::Retries=1"].map(str::to_owned).into();
            argv.extend(["http", "https"].into_iter().flat_map(|way| ["-o".to_owned(), format!("Acquire::{way}::Timeout=15")]));
            argv.extend(arguments(&copy));
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let output = self.ask_with(&argv, Some(&view), None, INDEXING)?;
            if output.status == 0 {
                continue;
            }
            let said = errors(&String::from_utf8_lossy(&output.stderr)).replace(&own.0.display().to_string(), "");
            return Err(unusable(path, &said));
        }
        Ok(())
    }

    fn prepare(&self, directory: &Path, ahead: &SourcesAhead) -> io::Result<View> {
        fs::create_dir(directory)?;
        // apt fetches and verifies as a user of its own, who has to read it.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        fs::create_dir_all(directory.join("lists/partial"))?;
        self.lay_out(directory, &self.configuration(Some(ahead))?)
    }
}

/// The failure of a repository that apt refuses, or cannot get at.
pub(super) fn unusable(path: &Path, said: &str) -> ObserveError {
    let first = said.lines().next().unwrap_or("it says nothing").trim_start_matches(['E', 'W', ':', ' ']);
    let (what, way_out) = if UNREACHABLE.iter().any(|words| said.contains(words)) {
        let way_out =
            "check the address, and that this machine gets at it; `refresh = false` writes the source without fetching its index";
        ("cannot reach", way_out)
    } else {
        ("refuses", "compare the address, the suite and the signing key with what its maker says")
    };
    ObserveError::Impossible {
        code: "repository-unusable",
        message: format!("apt {what} the repository in {}: {first}", path.display()),
        hint: format!("{way_out}\napt wrote:\n{said}"),
    }
}

/// What apt says of a failure. Errors before warnings: they say why.
fn errors(said: &str) -> String {
    let lines = |start: &str| said.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect::<Vec<_>>();
    let mut told = lines("E:");
    told.extend(lines("W:"));
    if told.is_empty() { said.trim().to_owned() } else { told.join("\n") }
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
