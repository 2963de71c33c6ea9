//! How old the package index is.

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::PackageWish;

/// Returns why the index has to be refreshed before these wishes can be judged: a source is newer than it, it was never fetched,
/// or it is older than a wish allows. With `sources_change` the sources will be written before that.
pub(super) fn stale(root: &Path, wishes: &[PackageWish], sources_change: bool) -> Option<String> {
    let source = newest_source(root);
    let fetched = fetched(root);
    match (fetched, source) {
        (None, source) if sources_change || source.is_some() => return Some("the package index was never fetched".into()),
        (Some(fetched), source) if sources_change || source.is_some_and(|written| written > fetched) => {
            return Some("the package index is older than its sources".into());
        }
        _ => {}
    }
    let allowed = wishes.iter().filter_map(|wish| wish.max_index_age).min()?;
    let age = SystemTime::now().duration_since(fetched?).unwrap_or_default();
    (age > allowed).then(|| format!("the package index is {} old", rounded(age)))
}

/// Says whether no other source has changed since the index was fetched.
pub(super) fn is_only_changed(root: &Path, list: &Path) -> bool {
    let Some(fetched) = fetched(root) else { return false };
    let written = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let parts = root.join("etc/apt/sources.list.d");
    let all = std::fs::read_dir(&parts).into_iter().flatten().flatten().map(|entry| entry.path());
    let own = root.join(list.strip_prefix("/").unwrap_or(list));
    let is_source = |path: &Path| path.extension().is_some_and(|suffix| suffix == "list" || suffix == "sources");
    !std::iter::once(root.join("etc/apt/sources.list"))
        .chain(all.filter(|path| is_source(path)))
        .any(|path| path != own && written(&path).is_some_and(|written| written > fetched))
}

/// When the index was last fetched; `None` when it is empty. apt works in `partial` even when nothing is new.
fn fetched(root: &Path) -> Option<SystemTime> {
    let lists = root.join("var/lib/apt/lists");
    let is_index = |name: &str| !matches!(name, "lock" | "partial" | "auxfiles");
    let has_index =
        std::fs::read_dir(&lists).ok()?.filter_map(Result::ok).any(|entry| entry.file_name().to_str().is_some_and(is_index));
    let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    if has_index { modified(&lists).max(modified(&lists.join("partial"))) } else { None }
}

/// When a source was written last.
fn newest_source(root: &Path) -> Option<SystemTime> {
    let written = |metadata: std::io::Result<Metadata>| metadata.ok().filter(Metadata::is_file).and_then(|m| m.modified().ok());
    let main = root.join("etc/apt/sources.list");
    // An empty sources.list is what deb822 systems leave: no source at all.
    let has_content = std::fs::metadata(&main).is_ok_and(|metadata| metadata.len() > 0);
    let mut newest = written(std::fs::metadata(&main)).filter(|_| has_content);
    for entry in std::fs::read_dir(root.join("etc/apt/sources.list.d")).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(".list") || name.ends_with(".sources")) {
            newest = newest.max(written(std::fs::metadata(entry.path())));
        }
    }
    newest
}

fn rounded(age: Duration) -> String {
    let (days, hours, minutes) = (age.as_secs() / 86_400, age.as_secs() / 3600, age.as_secs() / 60);
    match (days, hours) {
        (1.., _) => format!("{days} d"),
        (_, 1..) => format!("{hours} h"),
        _ => format!("{minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::WishedState;

    fn tree(index_age: u64, source_age: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |age| SystemTime::now() - Duration::from_secs(age);
        for directory in ["etc/apt/sources.list.d", "var/lib/apt/lists/partial"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("var/lib/apt/lists/x_Packages"), "").unwrap();
        let source = root.path().join("etc/apt/sources.list.d/x.list");
        fs::write(&source, "deb x").unwrap();
        File::open(&source).unwrap().set_modified(at(source_age)).unwrap();
        for directory in ["var/lib/apt/lists/partial", "var/lib/apt/lists"] {
            File::open(root.path().join(directory)).unwrap().set_modified(at(index_age)).unwrap();
        }
        root
    }

    fn wish(max_index_age: Option<u64>) -> PackageWish {
        PackageWish {
            name: "a".into(),
            state: WishedState::Installed,
            release: None,
            recommends: None,
            max_index_age: max_index_age.map(Duration::from_secs),
        }
    }

    #[test]
    fn an_index_is_stale_when_a_source_is_newer() {
        assert_eq!(stale(tree(100, 200).path(), &[wish(None)], false), None);
        let reason = stale(tree(200, 100).path(), &[wish(None)], false);
        assert_eq!(reason.as_deref(), Some("the package index is older than its sources"));
        assert_eq!(stale(tree(100, 200).path(), &[wish(None)], true), reason, "a source will be written");
    }

    #[test]
    fn an_index_is_stale_when_a_wish_says_so() {
        let root = tree(7200, 9000);
        assert_eq!(stale(root.path(), &[wish(Some(86_400)), wish(None)], false), None);
        assert_eq!(
            stale(root.path(), &[wish(Some(86_400)), wish(Some(3600))], false).as_deref(),
            Some("the package index is 2 h old")
        );
    }

    #[test]
    fn without_sources_there_is_nothing_to_fetch() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(stale(root.path(), &[wish(Some(0))], false), None);
        fs::create_dir_all(root.path().join("etc/apt")).unwrap();
        fs::write(root.path().join("etc/apt/sources.list"), "deb x").unwrap();
        assert_eq!(stale(root.path(), &[wish(None)], false).as_deref(), Some("the package index was never fetched"));
    }
}
