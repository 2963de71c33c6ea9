//! The file systems that are mounted (proc_pid_mountinfo(5)), and the devices they are on.

use std::path::{Path, PathBuf};

use stead_engine::{Known, Look, ObserveError, World};

use crate::edit::fstab::unescaped;

/// Where the kernel tells of them.
pub(crate) const TABLE: &str = "/proc/self/mountinfo";

/// Symlinks followed for one device before it counts as a loop.
const MAX_SYMLINKS: usize = 10;

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The directory of the file system that is mounted; `/` unless a part of it is.
    pub(crate) root: String,
    /// Where it is.
    pub(crate) point: String,
    /// Options of this place.
    pub(crate) options: Vec<String>,
    /// The kind of the file system.
    pub(crate) kind: String,
    /// What is mounted.
    pub(crate) source: String,
    /// Options of the file system itself.
    pub(crate) own_options: Vec<String>,
}

impl Mount {
    /// The line that the kernel would tell of it.
    pub(crate) fn line(&self) -> String {
        let escaped =
            |text: &str| text.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012");
        format!(
            "1 0 0:0 {} {} {} - {} {} {}\n",
            escaped(&self.root),
            escaped(&self.point),
            self.options.join(","),
            escaped(&self.kind),
            escaped(&self.source),
            self.own_options.join(",")
        )
    }
}

/// All mounted file systems, in the order in which they were mounted: one that comes later hides one at the same place.
pub(crate) fn all(world: &dyn World) -> Look<Vec<Mount>> {
    Ok(world.read(Path::new(TABLE))?.map(|table| {
        let table = table.unwrap_or_default();
        String::from_utf8_lossy(&table).lines().filter_map(read).collect()
    }))
}

/// Reads a line; `None` of one that is not as the kernel writes it.
fn read(line: &str) -> Option<Mount> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let root = unescaped(place.nth(3)?);
    let point = unescaped(place.next()?);
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let options = list(place.next()?);
    let mut system = system.split(' ');
    let (kind, source) = (unescaped(system.next()?), unescaped(system.next()?));
    Some(Mount { root, point, options, kind, source, own_options: list(system.next().unwrap_or_default()) })
}

/// The file system that a path is on.
pub(crate) fn of_path<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let on = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    on.max_by_key(|mount| mount.point.len())
}

/// The path of a device that is named by what is on it: `UUID=…`. `None` of what is no device.
pub(crate) fn device(spec: &str) -> Option<PathBuf> {
    const TAGS: [(&str, &str); 4] =
        [("UUID=", "by-uuid"), ("LABEL=", "by-label"), ("PARTUUID=", "by-partuuid"), ("PARTLABEL=", "by-partlabel")];
    let tagged = TAGS.iter().find_map(|(tag, folder)| Some((spec.strip_prefix(tag)?, folder)));
    match tagged {
        Some((value, folder)) => {
            let value = value.trim_matches('"').replace('\\', "\\x5c").replace(' ', "\\x20").replace('/', "\\x2f");
            Some(Path::new("/dev/disk").join(folder).join(value))
        }
        None => spec.starts_with("/dev/").then(|| PathBuf::from(spec)),
    }
}

/// Follows the links of a device to the device itself.
///
/// # Errors
/// What looking fails with.
pub(crate) fn followed(world: &dyn World, device: &Path) -> Result<PathBuf, ObserveError> {
    let mut at = device.to_owned();
    for _ in 0..MAX_SYMLINKS {
        let Known::Is(Some(stat)) = world.stat(&at)? else { break };
        let Some(target) = stat.target else { break };
        let mut next = PathBuf::from("/");
        for part in at.parent().unwrap_or(Path::new("/")).join(target).components() {
            match part {
                std::path::Component::Normal(name) => next.push(name),
                std::path::Component::ParentDir => {
                    next.pop();
                }
                _ => {}
            }
        }
        at = next;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        let line = "36 35 98:0 /mnt1 /srv/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = read(line).expect("a line");
        assert_eq!((&*mount.root, &*mount.point, &*mount.kind, &*mount.source), ("/mnt1", "/srv/a b", "ext3", "/dev/root"));
        assert_eq!(mount.own_options, ["rw", "errors=continue"]);
        assert_eq!(read(mount.line().trim_end()), Some(mount));
        assert_eq!(read("36 35 98:0"), None);
    }

    #[test]
    fn devices_are_found_by_what_is_on_them() {
        assert_eq!(device("UUID=ab-1"), Some("/dev/disk/by-uuid/ab-1".into()));
        assert_eq!(device("LABEL=a b"), Some("/dev/disk/by-label/a\\x20b".into()));
        assert_eq!(device("/dev/sda1"), Some("/dev/sda1".into()));
        assert_eq!(device("tmpfs"), None);
        assert_eq!(device("host:/x"), None);
    }
}
