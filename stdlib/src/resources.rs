//! The resource types, as a list that can be read.

pub mod alternatives;
pub mod archive;
pub mod authorized_key;
pub mod block;
pub mod cron;
pub mod directory;
pub mod download;
pub mod environment;
pub mod exec;
pub mod file;
pub mod git;
pub mod group;
pub mod host;
pub mod hostname;
pub mod http_check;
pub mod ini;
pub mod json;
pub mod kernel_module;
pub mod known_host;
pub mod limits;
pub mod line;
pub mod locale;
pub mod logrotate;
pub mod mount;
pub mod package;
pub mod pip;
pub mod port_check;
pub mod repository;
pub mod service;
pub mod sudoers;
pub mod swap;
pub mod symlink;
pub mod sysctl;
pub mod timer;
pub mod timezone;
pub mod tmpfiles;
pub mod toml;
pub mod unit;
pub mod user;
pub mod virtualenv;
pub mod yaml;

use stead_engine::{Registry, Restorer, TypeEntry};

use crate::accounts;

/// Every resource type of the standard library, in the order of the documentation.
const TYPES: &[TypeEntry] = &[
    TypeEntry::of::<file::File>(),
    TypeEntry::of::<directory::Directory>(),
    TypeEntry::of::<symlink::Symlink>(),
    TypeEntry::of::<line::Line>(),
    TypeEntry::of::<block::Block>(),
    TypeEntry::of::<ini::Ini>(),
    TypeEntry::of::<json::Json>(),
    TypeEntry::of::<yaml::Yaml>(),
    TypeEntry::of::<toml::Toml>(),
    TypeEntry::of::<authorized_key::AuthorizedKey>(),
    TypeEntry::of::<known_host::KnownHost>(),
    TypeEntry::of::<cron::Cron>(),
    TypeEntry::of::<sudoers::Sudoers>(),
    TypeEntry::of::<host::Host>(),
    TypeEntry::of::<environment::Environment>(),
    TypeEntry::of::<limits::Limits>(),
    TypeEntry::of::<logrotate::Logrotate>(),
    TypeEntry::of::<tmpfiles::Tmpfiles>(),
    TypeEntry::of::<sysctl::Sysctl>(),
    TypeEntry::of::<kernel_module::KernelModule>(),
    TypeEntry::of::<hostname::Hostname>(),
    TypeEntry::of::<timezone::Timezone>(),
    TypeEntry::of::<locale::Locale>(),
    TypeEntry::of::<archive::Archive>(),
    TypeEntry::of::<download::Download>(),
    TypeEntry::of::<git::Git>(),
    TypeEntry::of::<repository::Repository>(),
    TypeEntry::of::<mount::Mount>(),
    TypeEntry::of::<swap::Swap>(),
    TypeEntry::of::<alternatives::Alternatives>(),
    TypeEntry::of::<package::Package>(),
    TypeEntry::of::<virtualenv::Virtualenv>(),
    TypeEntry::of::<pip::Pip>(),
    TypeEntry::of::<service::Service>(),
    TypeEntry::of::<unit::Unit>(),
    TypeEntry::of::<timer::Timer>(),
    TypeEntry::of::<user::User>(),
    TypeEntry::of::<group::Group>(),
    TypeEntry::of::<exec::Exec>(),
    TypeEntry::of::<port_check::PortCheck>(),
    TypeEntry::of::<http_check::HttpCheck>(),
];

/// How what the types record in the journal is brought back by an undo, besides paths: every `Restorer` of this crate.
static RESTORERS: &[&Restorer] = &[
    &user::USER,
    &user::SUBORDINATE,
    &accounts::GROUP,
    &kernel_module::MODULE,
    &locale::LOCALE,
    &git::GIT,
    &pip::PIP,
    &virtualenv::VENV,
    &mount::MOUNT,
    &swap::SWAP,
];

/// Returns the registry of the standard library.
pub fn registry() -> Registry {
    Registry::new(TYPES).restoring(RESTORERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statics of type `Restorer` below a folder.
    fn restorers(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                restorers(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let is_declared =
                    |line: &&str| line.starts_with(['s', 'p']) && line.contains("static ") && line.contains(": Restorer =");
                let declared = text.lines().filter(is_declared);
                found.extend(declared.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }

    #[test]
    fn everything_that_is_recorded_can_be_brought_back() {
        let mut found = Vec::new();
        for folder in ["src", "../engine/src/system", "../engine/src/machine"] {
            restorers(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
        }
        let registry = registry();
        assert_eq!(found.len(), registry.restorers().len(), "every `static …: Restorer` is listed in RESTORERS: {found:#?}");
        let mut kinds: Vec<&str> = registry.restorers().iter().map(|restorer| restorer.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), found.len(), "each kind has one restorer");
    }

    #[test]
    fn no_file_is_missing_from_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/resources");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .map(|entries| entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        files.retain(|name| name.ends_with(".rs"));
        files.sort();
        let mut listed: Vec<String> = registry().schemas().iter().map(|schema| format!("{}.rs", schema.name)).collect();
        listed.sort();
        assert_eq!(files, listed, "every file in src/resources/ is one resource type in TYPES");
        for file in files {
            let page = format!("{folder}/{}", file.replace(".rs", ".md"));
            assert!(std::path::Path::new(&page).is_file(), "{page} is missing");
        }
    }
}
