//! A repository as apt has it: its files and what is in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::net::UrlParts;
use stead_engine::system::apt::SourcesAhead;
use stead_engine::{ApplyError, Known, Machine, ObserveError, World};

use super::provider::{Abilities, Provider, WantedFile};
use super::{Format, Kind, Repository, State};
use crate::openpgp;

/// Where apt keeps the indexes of its sources.
const LISTS: &str = "/var/lib/apt/lists";

/// Where keys are that only the sources which name them are checked with.
const KEYRINGS: &str = "/etc/apt/keyrings";

/// apt.
pub(super) struct Apt;

impl Provider for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    fn abilities(&self) -> Abilities {
        Abilities { sources: true, priorities: true, formats: true, components: true }
    }

    fn mark(&self) -> &'static str {
        "/var/lib/dpkg/status"
    }

    fn all_paths(&self, repository: &Repository) -> Vec<PathBuf> {
        all_paths(repository)
    }

    fn key_paths(&self, repository: &Repository) -> Vec<PathBuf> {
        key_paths(repository).into()
    }

    fn keyrings(&self) -> &'static Path {
        Path::new(KEYRINGS)
    }

    fn files(&self, repository: &Repository, key: Option<&Known<Arc<[u8]>>>) -> Vec<WantedFile> {
        files(repository, key)
    }

    fn try_files(&self, machine: &Machine, files: Vec<(PathBuf, Option<Arc<[u8]>>)>) -> Result<(), ApplyError> {
        let files = files.into_iter().collect();
        Ok(machine.system().apt.try_sources(&SourcesAhead { files, ..SourcesAhead::default() })?)
    }

    fn unfetched(&self, repository: &Repository, world: &dyn World) -> Result<Vec<PathBuf>, ObserveError> {
        let Known::Is(Some(entries)) = world.list(Path::new(LISTS))? else { return Ok(Vec::new()) };
        let names: Vec<_> = entries.iter().filter_map(|(name, _)| name.to_str()).collect();
        // With no index at all, of no source, the lists were cleared: whoever needs one fetches them all.
        if names.iter().all(|name| matches!(*name, "lock" | "partial" | "auxfiles")) {
            return Ok(Vec::new());
        }
        let missing = list_names(repository).filter(|start| !names.iter().any(|name| name.starts_with(start)));
        Ok(missing.map(|start| Path::new(LISTS).join(format!("{start}InRelease"))).collect())
    }

    fn refresh(&self, machine: &Machine, source: &Path) -> Result<(), ApplyError> {
        machine.system().apt.refresh_source(machine, source)
    }
}

fn source_path(repository: &Repository, format: Format) -> PathBuf {
    let suffix = if format == Format::Deb822 { "sources" } else { "list" };
    PathBuf::from(format!("/etc/apt/sources.list.d/{}.{suffix}", repository.name))
}

/// Where a key may be: as text, or as it is.
fn key_paths(repository: &Repository) -> [PathBuf; 2] {
    ["asc", "gpg"].map(|suffix| PathBuf::from(format!("{KEYRINGS}/{}.{suffix}", repository.name)))
}

fn pin_path(repository: &Repository) -> PathBuf {
    // apt leaves out files whose names have a dot or an ending that it does not know.
    PathBuf::from(format!("/etc/apt/preferences.d/{}", repository.name.replace('.', "_")))
}

/// All files that a repository of this name can have.
fn all_paths(repository: &Repository) -> Vec<PathBuf> {
    let mut paths = vec![source_path(repository, Format::Deb822), source_path(repository, Format::OneLine)];
    paths.extend(key_paths(repository));
    paths.push(pin_path(repository));
    paths
}

/// How the names of the lists begin that apt makes of a repository, for each address and suite. An address of another kind, or with
/// what apt fills in, has none here.
fn list_names(repository: &Repository) -> impl Iterator<Item = String> {
    let all = repository.uris.iter().flat_map(|uri| repository.suites.iter().map(move |suite| (uri, suite)));
    all.filter_map(|(uri, suite)| {
        let (way, rest) = uri.split_once(':')?;
        let place = match way {
            "file" => rest.strip_prefix("//").unwrap_or(rest),
            "http" | "https" => {
                let rest = rest.strip_prefix("//")?;
                let host = rest.split('/').next().unwrap_or(rest);
                // Names and passwords are not part of a file's name.
                &rest[host.rfind('@').map_or(0, |at| at + 1)..]
            }
            _ => return None,
        };
        if place.contains(['$', '%']) || suite.contains(['$', '%']) {
            return None;
        }
        let slash = if place.ends_with('/') { "" } else { "/" };
        let below = match (suite.as_str(), suite.ends_with('/')) {
            ("/", _) => String::new(),
            (_, true) => suite.clone(),
            (_, false) => format!("dists/{suite}/"),
        };
        Some(list_name(&format!("{place}{slash}{below}")))
    })
}

/// A part of an address as it is in the name of a list: apt's `URItoFileName`.
fn list_name(address: &str) -> String {
    let mut name = String::new();
    for byte in address.bytes() {
        match byte {
            b'/' => name.push('_'),
            b' '..b'\x7f' if !b" \\|{}[]<>\"^~_=!@#$%&*".contains(&byte) => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

/// All files with what they are to hold: the key first, for the source names it.
fn files(repository: &Repository, key: Option<&Known<Arc<[u8]>>>) -> Vec<WantedFile> {
    let is_wanted = repository.state == State::Present;
    let [text_key, binary_key] = key_paths(repository);
    let is_text = key.and_then(Known::value).is_none_or(|key| openpgp::is_armored(key));
    let key_path = key.map(|_| if is_text { &text_key } else { &binary_key });
    let source = source_path(repository, repository.format);
    let content = match repository.format {
        Format::Deb822 => deb822(repository, key_path),
        Format::OneLine => one_line(repository, key_path),
    };
    let other = if repository.format == Format::Deb822 { Format::OneLine } else { Format::Deb822 };
    let known = |text: String| Some(Known::Is(Arc::from(text.into_bytes())));
    let mut files = Vec::new();
    for path in [&text_key, &binary_key] {
        let content = key.filter(|_| is_wanted && Some(path) == key_path).cloned();
        files.push(WantedFile { what: "key", path: path.clone(), content });
    }
    files.push(WantedFile { what: "source", path: source, content: if is_wanted { known(content) } else { None } });
    files.push(WantedFile { what: "other source", path: source_path(repository, other), content: None });
    let pin = pin(repository).filter(|_| is_wanted).and_then(known);
    files.push(WantedFile { what: "pin", path: pin_path(repository), content: pin });
    files
}

fn words<'w>(words: impl Iterator<Item = &'w String>) -> String {
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn kinds(repository: &Repository) -> Vec<&'static str> {
    let all: Vec<&str> = repository.types.iter().map(|kind| if *kind == Kind::Deb { "deb" } else { "deb-src" }).collect();
    if all.is_empty() { vec!["deb"] } else { all }
}

/// sources.list(5), deb822-style.
fn deb822(repository: &Repository, key: Option<&PathBuf>) -> String {
    let mut fields = vec![
        ("Types".to_owned(), kinds(repository).join(" ")),
        ("URIs".to_owned(), words(repository.uris.iter())),
        ("Suites".to_owned(), words(repository.suites.iter())),
        ("Components".to_owned(), words(repository.components.iter())),
        ("Architectures".to_owned(), words(repository.architectures.iter())),
        ("Signed-By".to_owned(), key.map(|key| key.display().to_string()).unwrap_or_default()),
        ("Trusted".to_owned(), if repository.trusted { "yes".into() } else { String::new() }),
        ("Enabled".to_owned(), if repository.enabled { String::new() } else { "no".into() }),
    ];
    fields.extend(repository.options.iter().map(|(name, value)| (name.to_string(), value.clone())));
    fields.retain(|(_, value)| !value.is_empty());
    fields.iter().map(|(name, value)| format!("{name}: {}\n", value.replace('\n', " "))).collect()
}

/// sources.list(5), one-line-style.
fn one_line(repository: &Repository, key: Option<&PathBuf>) -> String {
    let mut options = Vec::new();
    if repository.architectures.iter().next().is_some() {
        let all: Vec<&str> = repository.architectures.iter().map(String::as_str).collect();
        options.push(format!("arch={}", all.join(",")));
    }
    options.extend(key.map(|key| format!("signed-by={}", key.display())));
    if repository.trusted {
        options.push("trusted=yes".into());
    }
    options.extend(repository.options.iter().map(|(name, value)| {
        format!("{}={}", name.to_ascii_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(","))
    }));
    let options = if options.is_empty() { String::new() } else { format!("[{}] ", options.join(" ")) };
    let off = if repository.enabled { "" } else { "# " };
    let mut text = String::new();
    for kind in kinds(repository) {
        for uri in &repository.uris {
            for suite in &repository.suites {
                let line = format!("{off}{kind} {options}{uri} {suite} {}", words(repository.components.iter()));
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
    }
    text
}

/// apt_preferences(5).
fn pin(repository: &Repository) -> Option<String> {
    let priority = repository.priority?;
    let of_host = || {
        let host = repository.uris.iter().find_map(|uri| UrlParts::of(uri).map(|parts| parts.host));
        format!("origin \"{}\"", host.unwrap_or_default())
    };
    let what = repository.pin_for.as_ref().map_or_else(of_host, |given| given.to_string());
    Some(format!("Package: *\nPin: {what}\nPin-Priority: {priority}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::made;
    use stead_catalog::Value;

    fn check(uri: &str, suite: &str, expected: &[&str]) {
        let text = |text: &str| Value::string(text);
        let repository: Repository = made([("name", text("x")), ("uris", text(uri)), ("suites", text(suite))]);
        assert_eq!(list_names(&repository).collect::<Vec<_>>(), expected, "{uri} {suite}");
    }

    #[test]
    fn lists_are_named_as_apt_names_them() {
        check("https://deb.debian.org/debian", "bookworm", &["deb.debian.org_debian_dists_bookworm_"]);
        check("http://u:p@127.0.0.1:8765//repo/", "./", &["127.0.0.1:8765__repo_._"]);
        check("http://127.0.0.1:8765/re_po~+", "stable/x", &["127.0.0.1:8765_re%5fpo%7e+_dists_stable_x_"]);
        check("file:///srv/packages", "./", &["_srv_packages_._"]);
        check("file:/srv/packages", "/", &["_srv_packages_"]);
        check("mirror://mirrors.example.com/list", "stable", &[]);
        check("https://example.com/$(ARCH)", "stable", &[]);
    }
}
