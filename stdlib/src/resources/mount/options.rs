//! Whether a mounted file system has the options that are wanted.

use crate::mounts::Mount;

/// Options that the kernel tells of a place by a word, or by its absence.
const OF_PLACE: [&str; 6] = ["suid", "dev", "exec", "atime", "diratime", "symfollow"];

/// Options that the kernel never sees, or that hold for mounting only.
const OF_TOOLS: [&str; 16] = [
    "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "nofail", "_netdev", "bind", "rbind", "loop",
    "remount", "silent", "loud",
];

/// The wanted options that the mount certainly does not have.
pub(super) fn missing<'o>(mount: &Mount, wanted: &'o [String]) -> Vec<&'o str> {
    wanted.iter().map(String::as_str).filter(|option| has(mount, option) == Some(false)).collect()
}

/// Says whether a mount has an option; `None` when it cannot be told.
fn has(mount: &Mount, option: &str) -> Option<bool> {
    let here = |word: &str| mount.options.iter().any(|option| option == word);
    let own = |word: &str| mount.own_options.iter().any(|option| option == word);
    if OF_TOOLS.contains(&option) || option.starts_with("x-") || option.starts_with("X-") || option.starts_with("comment=") {
        return None;
    }
    if let Some(positive) = option.strip_prefix("no").filter(|rest| OF_PLACE.contains(rest)) {
        return Some(here(&format!("no{positive}")));
    }
    if OF_PLACE.contains(&option) {
        return Some(!here(&format!("no{option}")));
    }
    match option {
        "ro" => return Some(here("ro") || own("ro")),
        "rw" => return Some(!here("ro") && !own("ro")),
        "relatime" => return Some(here("relatime")),
        "norelatime" => return Some(!here("relatime")),
        "strictatime" => return Some(!here("relatime") && !here("noatime")),
        "sync" | "dirsync" | "lazytime" => return Some(own(option)),
        "async" => return Some(!own("sync")),
        _ => {}
    }
    let (name, value) = option.split_once('=')?;
    let found = mount.own_options.iter().find_map(|own| own.strip_prefix(name)?.strip_prefix('='));
    if mount.kind == "tmpfs" && matches!(name, "size" | "nr_inodes" | "nr_blocks") {
        // A part of the memory is told as a size.
        return match (number(found?), number(value)) {
            (Some(found), Some(value)) => Some(found == value),
            _ => None,
        };
    }
    // Some are told in other words, and some not at all: only one that is told by its name and differs is certain.
    let comparable =
        matches!(name, "commit" | "errors" | "data" | "uid" | "gid" | "umask" | "fmask" | "dmask" | "vers" | "subvol");
    (comparable && mount.kind != "tmpfs").then_some(found).flatten().map(|found| {
        found == value || number(found).is_some_and(|found| number(value) == Some(found)) || same_octal(name, found, value)
    })
}

fn same_octal(name: &str, found: &str, value: &str) -> bool {
    let octal = |text: &str| u32::from_str_radix(text, 8).ok();
    name.ends_with("mask") && octal(found).is_some() && octal(found) == octal(value)
}

/// A number with a unit of powers of 1024.
fn number(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_compared_as_the_kernel_tells_them() {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mount = |kind: &str, options: &str, own: &str| Mount {
            root: "/".into(),
            point: "/x".into(),
            options: list(options),
            kind: kind.into(),
            source: "x".into(),
            own_options: list(own),
        };
        let tmpfs = mount("tmpfs", "rw,nosuid,relatime", "rw,size=65536k,mode=755");
        assert_eq!(missing(&tmpfs, &list("size=64m,nosuid,mode=0700,rw,x-systemd.automount,nofail")), [""; 0]);
        assert_eq!(missing(&tmpfs, &list("size=1g,noexec,ro,dev")), ["size=1g", "noexec", "ro"]);
        let ext4 = mount("ext4", "ro,noatime", "ro,commit=60");
        assert_eq!(missing(&ext4, &list("noatime,commit=60,errors=remount-ro,atime,rw,commit=5")), ["atime", "rw", "commit=5"]);
    }
}
