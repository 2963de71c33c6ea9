//! What the package manager of this machine knows, for the lint that asks for it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use stead_compiler::lints::PackageLists;
use stead_engine::system::apt;

/// What the names are read from; a newer one is read again, for an editor is open for days.
const SOURCES: [&str; 3] = ["/var/lib/dpkg/status", "/var/lib/apt/lists", "/var/lib/apt/lists/partial"];

type Stamps = [Option<SystemTime>; SOURCES.len()];

/// The names of the packages that this machine has or is offered; read when the first is asked for.
#[derive(Debug, Default)]
pub(crate) struct OfThisMachine(Mutex<Option<Read>>);

/// When what was read was written last, and the names, where they could be told.
type Read = (Stamps, Option<HashSet<Box<str>>>);

impl PackageLists for OfThisMachine {
    fn has(&self, name: &str) -> Option<bool> {
        let stamps = SOURCES.map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|(then, _)| *then != stamps) {
            *known = Some((stamps, apt::known_names(Path::new("/"))));
        }
        let (_, names) = known.as_ref()?;
        names.as_ref().map(|names| names.contains(name))
    }
}
