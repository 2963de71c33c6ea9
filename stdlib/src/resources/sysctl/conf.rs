//! The files of sysctl.d(5).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{Known, ObserveError, World};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, Flaw};
use crate::parts::normalized;

/// Where files with settings lie; one of a name hides those of the same name further down.
const DIRECTORIES: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// A setting among others in a file.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Its path below `/proc/sys`.
    pub(super) path: String,
    /// A kernel that does not have it is as good.
    pub(super) optional: bool,
    /// What stands above it.
    pub(super) comment: Option<Arc<str>>,
}

/// A line that sets something.
struct Line<'a> {
    path: String,
    value: &'a str,
    optional: bool,
}

impl Setting {
    /// The path of a setting below `/proc/sys`. Whichever of `.` and `/` comes first divides the name, and the other one stands for
    /// itself (sysctl.d(5)).
    pub(super) fn path(key: &str) -> String {
        let dotted = key.find(['.', '/']).is_some_and(|at| key.as_bytes()[at] == b'.');
        if !dotted {
            return key.trim_matches('/').to_owned();
        }
        key.chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect()
    }

    /// The name as it is written in a file: with dots, where that can be read back.
    fn name(&self) -> String {
        if self.path.contains('.') { self.path.clone() } else { self.path.replace('/', ".") }
    }

    /// The content in which the setting has this value. The last line that sets it is the one that counts.
    pub(super) fn set(&self, content: &[u8], value: &str) -> Edited {
        let all = split(content);
        let mut counts = None;
        for (at, line) in all.iter().enumerate() {
            if let Some(found) = read(body(line), at)?
                && found.path == self.path
            {
                counts = Some((at, normalized(found.value) == value && found.optional == self.optional));
            }
        }
        let mark = if self.optional { "-" } else { "" };
        let ending = lines::ending(content);
        let new = lines::line(format!("{mark}{} = {value}", self.name()).as_bytes(), ending);
        let comment =
            self.comment.as_ref().map(|comment| lines::line(format!("# {}: {comment}", self.name()).as_bytes(), ending));
        let Some((at, is_set)) = counts else {
            let added = comment.as_deref().into_iter().chain([&*new]);
            return Ok(Some(lines::join(all.iter().copied().chain(added), ending)));
        };
        let above = at.checked_sub(1).filter(|above| self.is_comment(body(all[*above])));
        let is_told = comment.as_deref().is_none_or(|comment| above.is_some_and(|above| body(all[above]) == body(comment)));
        if is_set && is_told {
            return Ok(None);
        }
        // A comment that nobody asks for stays; another one makes way.
        let until = above.filter(|_| comment.is_some()).unwrap_or(at);
        let line = if is_set { all[at] } else { &*new };
        let edited = all[..until].iter().copied().chain(comment.as_deref()).chain([line]).chain(all[at + 1..].iter().copied());
        Ok(Some(lines::join(edited, ending)))
    }

    /// Says whether a line is the comment of this setting.
    fn is_comment(&self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        let told = text.trim().strip_prefix('#').map(str::trim_start);
        told.and_then(|told| told.strip_prefix(&*self.name())).is_some_and(|rest| rest.starts_with(':'))
    }

    /// The content without the setting.
    pub(super) fn unset(&self, content: &[u8]) -> Edited {
        let mut kept: Vec<&[u8]> = Vec::new();
        let all = split(content);
        for (at, line) in all.iter().enumerate() {
            if read(body(line), at)?.is_none_or(|found| found.path != self.path) {
                kept.push(line);
            } else if at.checked_sub(1).is_some_and(|above| self.is_comment(body(all[above]))) {
                kept.pop();
            }
        }
        Ok((kept.len() < all.len()).then(|| kept.concat()))
    }

    /// Refuses a value that a file which is read later would take back at the next boot.
    ///
    /// # Errors
    /// `overridden-setting`, and what looking fails with.
    pub(super) fn refuse_later(&self, world: &dyn World, file: &Path, value: &str) -> Result<(), ObserveError> {
        for later in later_files(world, file)? {
            let content = match world.read(&later) {
                Ok(Known::Is(Some(content))) => content,
                // A link that is read under another name, a directory, or what is known only later.
                _ => continue,
            };
            for (at, line) in split(&content).iter().enumerate() {
                // What is wrong in somebody else's file is not this resource's to say.
                if let Ok(Some(found)) = read(body(line), at)
                    && found.path == self.path
                    && normalized(found.value) != value
                {
                    return Err(ObserveError::Impossible {
                        code: "overridden-setting",
                        message: format!(
                            "{}:{}: sets `{}` to `{}`, and is read after {}",
                            later.display(),
                            at + 1,
                            self.name(),
                            normalized(found.value),
                            file.display()
                        ),
                        hint: format!("take the line out, or keep the setting there: `file = \"{}\"`", later.display()),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The directory of settings that a file is in; `None` of a file elsewhere.
pub(super) fn directory(file: &Path) -> Option<&'static str> {
    DIRECTORIES.into_iter().find(|known| file.parent() == Some(Path::new(known)))
}

/// The files that a boot reads after `file`, in that order (sysctl.d(5)); `/etc/sysctl.conf` comes last.
fn later_files(world: &dyn World, file: &Path) -> Result<Vec<PathBuf>, ObserveError> {
    let last = Path::new("/etc/sysctl.conf");
    let Some(name) = file.file_name().filter(|_| directory(file).is_some()) else { return Ok(Vec::new()) };
    let mut named = BTreeMap::new();
    for directory in DIRECTORIES {
        let Known::Is(Some(entries)) = world.list(Path::new(directory))? else { continue };
        for (entry, _) in entries {
            if entry.as_os_str() > name && entry.as_encoded_bytes().ends_with(b".conf") {
                named.entry(entry.clone()).or_insert_with(|| Path::new(directory).join(entry));
            }
        }
    }
    Ok(named.into_values().chain([last.to_owned()]).collect())
}

/// Reads one line; `None` of one that sets nothing.
fn read(line: &[u8], at: usize) -> Result<Option<Line<'_>>, Flaw> {
    let malformed = |message: &str| Err(Flaw::malformed(at + 1, message, "a line is `name = value`, a comment or blank"));
    let Ok(text) = std::str::from_utf8(line) else { return malformed("this is no text") };
    let text = text.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Ok(None);
    }
    let (text, optional) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    match text.split_once('=') {
        Some((key, value)) => Ok(Some(Line { path: Setting::path(key.trim()), value: value.trim(), optional })),
        // `-name` keeps a name out of a pattern that sets several.
        None if optional => Ok(None),
        None => malformed(&format!("`{text}` sets nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_paths() {
        assert_eq!(Setting::path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(Setting::path("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(Setting::path("net/ipv4/conf/eth0.100/forwarding"), "net/ipv4/conf/eth0.100/forwarding");
        assert_eq!(Setting::path("net.ipv4.conf.eth0/100.forwarding"), "net/ipv4/conf/eth0.100/forwarding");
    }
}
