//! Units of a tree that is not booted: their files, and the links that enable them.

use std::io;
use std::path::Path;

use super::bus::{static_unit, unknown_unit};
use super::{FileChange, not_maskable};
use crate::system::tree::{self, Node};
use crate::units::DIRECTORIES;
use crate::{ActiveState, ApplyError, EnableState, Known, Machine, ObserveError, UnitState};

/// Where links of the administrator are.
const CONFIG: &str = "/etc/systemd/system";

/// What `[Install]` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Install {
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    upheld_by: Vec<String>,
    aliases: Vec<String>,
    default_instance: Option<String>,
}

impl Install {
    /// Reads the section of a unit file; an empty assignment takes earlier ones back.
    fn parse(text: &str) -> Self {
        let mut install = Self::default();
        let mut inside = false;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                inside = line == "[Install]";
            }
            let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
            let list = match key.trim() {
                "WantedBy" => &mut install.wanted_by,
                "RequiredBy" => &mut install.required_by,
                "UpheldBy" => &mut install.upheld_by,
                "Alias" => &mut install.aliases,
                "DefaultInstance" => {
                    install.default_instance = Some(value.trim().to_owned()).filter(|instance| !instance.is_empty());
                    continue;
                }
                _ => continue,
            };
            if value.trim().is_empty() {
                list.clear();
            }
            list.extend(value.split_whitespace().map(str::to_owned));
        }
        install
    }

    /// The links that enable the unit.
    fn links(&self, name: &str) -> Vec<String> {
        let (prefix, instance) = split_instance(name);
        let name = match (instance, &self.default_instance) {
            (Some(""), Some(instance)) => prefix.replace('@', &format!("@{instance}")),
            _ => name.to_owned(),
        };
        let instance = split_instance(&name).1.unwrap_or_default().to_owned();
        let expand = |text: &String| text.replace("%i", &instance).replace("%I", &instance).replace("%%", "%");
        let legal = |text: &String| !text.contains('/');
        let below = |list: &[String], folder: &str| -> Vec<String> {
            list.iter().map(expand).filter(legal).map(|unit| format!("{CONFIG}/{unit}.{folder}/{name}")).collect()
        };
        let mut links = below(&self.wanted_by, "wants");
        links.extend(below(&self.required_by, "requires"));
        links.extend(below(&self.upheld_by, "upholds"));
        links.extend(self.aliases.iter().map(expand).filter(legal).map(|alias| format!("{CONFIG}/{alias}")));
        links
    }
}

/// `a@b.service` as `a@.service` and `b`.
fn split_instance(name: &str) -> (String, Option<&str>) {
    let Some((prefix, rest)) = name.split_once('@') else { return (name.to_owned(), None) };
    let (instance, suffix) = rest.rsplit_once('.').unwrap_or((rest, ""));
    (format!("{prefix}@.{suffix}"), Some(instance))
}

/// The unit's own file inside the tree, its template's if it is an instance.
fn find(root: &Path, name: &str) -> io::Result<Option<String>> {
    let (template, instance) = split_instance(name);
    let names = [Some(name.to_owned()), instance.map(|_| template)];
    for name in names.into_iter().flatten() {
        for directory in DIRECTORIES {
            let path = format!("{directory}/{name}");
            if tree::node(root, &path)?.is_some_and(|node| node != Node::Directory) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// The links in the tree that enable a unit, whether or not its file asks for them.
fn present(root: &Path, name: &str) -> io::Result<Vec<String>> {
    let mut links = Vec::new();
    for folder in tree::names(root, CONFIG)? {
        if [".wants", ".requires", ".upholds"].iter().any(|suffix| folder.ends_with(suffix)) {
            let link = format!("{CONFIG}/{folder}/{name}");
            if matches!(tree::node(root, &link)?, Some(Node::Link(_))) {
                links.push(link);
            }
        }
    }
    Ok(links)
}

fn is_masked(root: &Path, name: &str) -> io::Result<bool> {
    let own = format!("{CONFIG}/{name}");
    Ok(matches!(tree::node(root, &own)?, Some(Node::Link(target)) if target == "/dev/null"))
}

/// Says what the files of the tree say of a unit.
pub(super) fn unit(root: &Path, name: &str) -> Result<UnitState, ObserveError> {
    look(root, name).map_err(|error| ObserveError::io(format!("{CONFIG}/{name}"), &error))
}

fn look(root: &Path, name: &str) -> io::Result<UnitState> {
    let mut state = UnitState {
        exists: false,
        active: Known::Is(ActiveState::Offline),
        enabled: Known::Is(EnableState::Disabled),
        can_reload: false,
        needs_daemon_reload: false,
    };
    if is_masked(root, name)? {
        state.exists = true;
        state.enabled = Known::Is(EnableState::Masked);
        return Ok(state);
    }
    let Some(path) = find(root, name)? else { return Ok(state) };
    let content = tree::read(root, &path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    state.exists = true;
    state.can_reload = text.lines().any(|line| line.trim_start().starts_with("ExecReload="));
    let wanted = Install::parse(&text).links(name);
    if !present(root, name)?.is_empty() {
        state.enabled = Known::Is(EnableState::Enabled);
    } else if wanted.is_empty() {
        state.enabled = Known::Is(EnableState::Static);
    } else {
        for link in &wanted {
            if matches!(tree::node(root, link)?, Some(Node::Link(_))) {
                state.enabled = Known::Is(EnableState::Enabled);
            }
        }
    }
    Ok(state)
}

/// Makes or removes links in the tree.
pub(super) fn change(root: &Path, machine: &Machine, name: &str, change: FileChange) -> Result<(), ApplyError> {
    let failed = |error: io::Error| ApplyError::from(ObserveError::io(format!("{CONFIG}/{name}"), &error));
    let own = format!("{CONFIG}/{name}");
    match change {
        FileChange::Enable => {
            let path = find(root, name).map_err(failed)?.ok_or_else(|| unknown_unit(name))?;
            let content = tree::read(root, &path).map_err(failed)?.unwrap_or_default();
            let links = Install::parse(&String::from_utf8_lossy(&content)).links(name);
            if links.is_empty() {
                return Err(static_unit(name).into());
            }
            for link in links {
                let folder = link.rsplit_once('/').map_or(CONFIG, |(folder, _)| folder);
                if tree::node(root, folder).map_err(failed)?.is_none() {
                    machine.make_directory(Path::new(folder), 0o755, None, None)?;
                }
                machine.make_symlink(Path::new(&link), Path::new(&path), None, None)?;
            }
        }
        FileChange::Disable => {
            let mut links = present(root, name).map_err(failed)?;
            if let Some(path) = find(root, name).map_err(failed)? {
                let content = tree::read(root, &path).map_err(failed)?.unwrap_or_default();
                links.extend(Install::parse(&String::from_utf8_lossy(&content)).links(name));
            }
            links.sort_unstable();
            links.dedup();
            for link in links {
                if matches!(tree::node(root, &link).map_err(failed)?, Some(Node::Link(_))) {
                    machine.remove_file(Path::new(&link))?;
                }
            }
        }
        FileChange::Mask => match tree::node(root, &own).map_err(failed)? {
            Some(Node::Link(_)) | None => machine.make_symlink(Path::new(&own), Path::new("/dev/null"), None, None)?,
            Some(_) => {
                return Err(not_maskable(name, &own).into());
            }
        },
        FileChange::Unmask => {
            if is_masked(root, name).map_err(failed)? {
                machine.remove_file(Path::new(&own))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const UNIT: &str = "[Unit]\n[Service]\nExecStart=/bin/true\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=www.service\n";

    fn tree(content: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc/systemd/system/multi-user.target.wants", "usr/lib/systemd/system"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        std::fs::write(root.path().join("usr/lib/systemd/system/web.service"), content).unwrap();
        root
    }

    fn enabled(root: &Path, name: &str) -> (bool, EnableState) {
        let state = unit(root, name).unwrap();
        (state.exists, *state.enabled.value().unwrap())
    }

    #[test]
    fn the_files_of_a_tree_say_whether_a_unit_is_enabled() {
        let root = tree(UNIT);
        assert_eq!(enabled(root.path(), "web.service"), (true, EnableState::Disabled));
        assert_eq!(enabled(root.path(), "none.service"), (false, EnableState::Disabled));
        let link = root.path().join("etc/systemd/system/multi-user.target.wants/web.service");
        symlink("/usr/lib/systemd/system/web.service", link).unwrap();
        assert_eq!(enabled(root.path(), "web.service"), (true, EnableState::Enabled));
        symlink("/dev/null", root.path().join("etc/systemd/system/web.service")).unwrap();
        assert_eq!(enabled(root.path(), "web.service"), (true, EnableState::Masked));
        assert_eq!(enabled(tree("[Service]\n").path(), "web.service"), (true, EnableState::Static));
    }

    #[test]
    fn links_follow_the_install_section() {
        let install = Install::parse(UNIT);
        let links = ["/etc/systemd/system/multi-user.target.wants/web.service", "/etc/systemd/system/www.service"];
        assert_eq!(install.links("web.service"), links);
        let template =
            Install::parse("[Install]\nWantedBy=old.target\nWantedBy=\nWantedBy=getty.target ../evil/x\nDefaultInstance=tty1\n");
        assert_eq!(template.links("getty@.service"), ["/etc/systemd/system/getty.target.wants/getty@tty1.service"]);
        assert_eq!(template.links("getty@tty3.service"), ["/etc/systemd/system/getty.target.wants/getty@tty3.service"]);
    }

    #[test]
    fn a_symlink_cannot_lead_out_of_the_tree() {
        let root = tree(UNIT);
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("x.service"), UNIT).unwrap();
        std::fs::create_dir_all(root.path().join("run/systemd")).unwrap();
        symlink(outside.path(), root.path().join("run/systemd/system")).unwrap();
        assert_eq!(enabled(root.path(), "x.service"), (false, EnableState::Disabled));
    }
}
