//! The resource types, as a list that can be read.

pub mod directory;
pub mod exec;
pub mod file;
pub mod group;
pub mod package;
pub mod service;
pub mod symlink;
pub mod user;

use stead_engine::{Registry, TypeEntry};

/// Every resource type of the standard library, in the order of the documentation.
const TYPES: &[TypeEntry] = &[
    TypeEntry::of::<file::File>(),
    TypeEntry::of::<directory::Directory>(),
    TypeEntry::of::<symlink::Symlink>(),
    TypeEntry::of::<package::Package>(),
    TypeEntry::of::<service::Service>(),
    TypeEntry::of::<user::User>(),
    TypeEntry::of::<group::Group>(),
    TypeEntry::of::<exec::Exec>(),
];

/// Returns the registry of the standard library.
pub fn registry() -> Registry {
    Registry::new(TYPES)
}

#[cfg(test)]
mod tests {
    use super::*;

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
