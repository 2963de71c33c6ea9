//! Disks, and the file systems on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Map, Value};

use super::{optional, read_text, record};

/// File systems that hold no data of their own.
const VIRTUAL: [&str; 23] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// The disks of the machine: block devices with hardware behind them, by name.
pub(super) fn disks(sys: &Path) -> Value {
    let mut disks = BTreeMap::new();
    for entry in fs::read_dir(sys.join("block")).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let read = |file: &str| read_text(&entry.path().join(file)).map(|text| text.trim().to_owned());
        let sectors = read("size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
        let is_virtual = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd"].iter().any(|kind| name.starts_with(kind));
        if sectors == 0 || is_virtual {
            continue;
        }
        let disk = record([
            // The kernel counts in sectors of 512 bytes, whatever the disk's own are.
            ("size", Value::Size(sectors.saturating_mul(512))),
            ("rotational", Value::Bool(read("queue/rotational").as_deref() == Some("1"))),
            ("model", optional(read("device/model").filter(|model| !model.is_empty()))),
        ]);
        disks.insert(name, disk);
    }
    named(disks)
}

/// What is mounted where, by the place, with kernel and network's own file systems left out. Of several at one place the last counts.
pub(super) fn mounts(mountinfo: &str, size_of: &dyn Fn(&str) -> Option<u64>) -> Value {
    let mut mounts = BTreeMap::new();
    for line in mountinfo.lines() {
        // proc_pid_mountinfo(5): the place is the fifth word; behind ` - ` stand type and device.
        let Some((before, behind)) = line.split_once(" - ") else { continue };
        let Some(place) = before.split(' ').nth(4).map(unescape) else { continue };
        let mut behind = behind.split(' ');
        let (Some(kind), Some(device)) = (behind.next(), behind.next().map(unescape)) else { continue };
        if VIRTUAL.contains(&kind) || place.starts_with("/proc/") || place.starts_with("/sys/") || place.starts_with("/run/") {
            mounts.remove(&place);
            continue;
        }
        // A network's file system may not answer: it is not asked.
        let is_remote =
            kind.starts_with("nfs") || kind.starts_with("fuse") || matches!(kind, "cifs" | "smb3" | "9p" | "ceph" | "glusterfs");
        let size = if is_remote { None } else { size_of(&place) };
        let mount = record([
            ("device", Value::string(device)),
            ("fstype", Value::string(kind)),
            ("size", size.map_or(Value::None, Value::Size)),
        ]);
        mounts.insert(place, mount);
    }
    named(mounts)
}

fn named(values: BTreeMap<String, Value>) -> Value {
    Value::Map(Arc::new(values.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>()))
}

/// All bytes of the file system mounted at a place.
pub(super) fn size_of(place: &str) -> Option<u64> {
    let stat = rustix::fs::statvfs(place).ok()?;
    Some(stat.f_blocks.saturating_mul(stat.f_frsize)).filter(|size| *size > 0)
}

/// The kernel writes blanks and the like as `\040`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[3..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let table = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            23 22 0:5 / /proc rw - proc proc rw\n\
            24 22 8:2 / /srv/my\\040data rw - xfs /dev/mapper/a\\134b rw\n\
            25 22 0:30 / /mnt rw - nfs4 nas:/x rw\n\
            26 22 0:31 / /tmp rw - tmpfs tmpfs rw\n\
            damaged\n";
        let found = mounts(table, &|place| (place != "/tmp").then_some(4096)).to_string();
        assert_eq!(
            found,
            "{ \"/\" = { device = \"/dev/sda1\", fstype = \"ext4\", size = 4KiB }, \"/mnt\" = { device = \"nas:/x\", fstype = \"nfs4\", size = none }, \
             \"/srv/my data\" = { device = \"/dev/mapper/a\\\\b\", fstype = \"xfs\", size = 4KiB }, \
             \"/tmp\" = { device = \"tmpfs\", fstype = \"tmpfs\", size = none } }"
        );
    }

    #[test]
    fn disks_are_read_from_sysfs() {
        let sys = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = sys.path().join("block").join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("sda/size", "2097152\n");
        write("sda/queue/rotational", "1\n");
        write("sda/device/model", "ACME 9000   \n");
        write("loop0/size", "8\n");
        write("sdb/size", "0\n");
        assert_eq!(disks(sys.path()).to_string(), "{ sda = { size = 1GiB, rotational = true, model = \"ACME 9000\" } }");
    }
}
