//! Machines in trouble: full, read-only, and things in the way.

use crate::site::Site;

#[test]
fn a_full_disk_loses_nothing() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must("mkdir /mnt/small; mount -t tmpfs -o size=256k tmpfs /mnt/small; echo old > /mnt/small/config; chmod 640 /mnt/small/config");
    let big = "0123456789abcdef".repeat(32 * 1024);
    site.source(&format!(
        "file \"/mnt/small/config\" {{ content = \"{big}\\n\", mode = 0600 }}\n\
         file \"/mnt/small/after\" {{ content = \"x\\n\", require = [file[\"/mnt/small/config\"]] }}\n\
         file \"/etc/elsewhere\" {{ content = \"x\\n\" }}\n"
    ));
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("file[\"/mnt/small/config\"]"), "failed");
    assert_eq!(output.outcome("file[\"/mnt/small/after\"]"), "skipped");
    assert_eq!(output.outcome("file[\"/etc/elsewhere\"]"), "changed");
    assert!(output.stdout.to_lowercase().contains("space"), "the reason is told\n{}", output.stderr);
    assert_eq!(host.read("/mnt/small/config").as_deref(), Some("old\n"), "what was there is there");
    assert_eq!(host.stat("/mnt/small/config").map(|(mode, ..)| mode), Some(0o640));
    assert_eq!(host.must("ls -A /mnt/small"), "config\n", "and nothing half done beside it");
}

#[test]
fn a_full_disk_under_the_journal_is_told_before_anything_is_changed() {
    let Some(site) = Site::new("file \"/etc/x\" { content = \"x\\n\" }\n") else { return };
    let host = &site.host;
    host.must("mkdir -p /var/lib/stead; mount -t tmpfs -o size=16k tmpfs /var/lib/stead; head -c 16384 /dev/zero > /var/lib/stead/fill 2>/dev/null || true");
    let output = site.apply().expect_code(1);
    assert!(!output.stderr.contains("panicked"), "{output}");
    assert_eq!(host.read("/etc/x"), None, "no change without a journal entry\n{output}");
    host.must("umount /var/lib/stead");
    site.converge();
}

#[test]
fn a_read_only_file_system_fails_what_lies_on_it() {
    let Some(site) = Site::new(
        "file \"/mnt/ro/config\" { content = \"new\\n\" }\n\
         file \"/etc/elsewhere\" { content = \"x\\n\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("mkdir /mnt/ro; mount -t tmpfs tmpfs /mnt/ro; echo old > /mnt/ro/config; mount -o remount,ro /mnt/ro");
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("file[\"/mnt/ro/config\"]"), "failed");
    assert_eq!(output.outcome("file[\"/etc/elsewhere\"]"), "changed");
    assert!(output.stdout.to_lowercase().contains("read-only"), "{output}");
    assert_eq!(host.read("/mnt/ro/config").as_deref(), Some("old\n"));
}

#[test]
fn what_is_not_managed_about_a_file_stays() {
    let Some(site) = Site::new("file \"/etc/kept\" { content = \"new\\n\" }\n") else { return };
    let host = &site.host;
    host.must("echo old > /etc/kept; chmod 4751 /etc/kept; chown 12:34 /etc/kept; chmod 4751 /etc/kept");
    let outside = host.path("/etc/kept");
    // tmpfs has no user.* attributes on every kernel: a trusted one is always there for root.
    let has_attributes = xattr::set(&outside, "trusted.note", b"mine").is_ok();
    site.converge();
    assert_eq!(host.read("/etc/kept").as_deref(), Some("new\n"));
    assert_eq!(host.stat("/etc/kept"), Some((0o4751, 12, 34)));
    if has_attributes {
        assert_eq!(xattr::get(&outside, "trusted.note").ok().flatten().as_deref(), Some(&b"mine"[..]));
    }
}

#[test]
fn a_directory_in_the_way_of_a_file_is_told() {
    let Some(site) = Site::new("file \"/srv/thing\" { content = \"x\\n\" }\n") else { return };
    site.host.must("mkdir -p /srv/thing; echo precious > /srv/thing/data");
    let output = site.apply();
    assert_eq!(output.code, 1, "{output}");
    assert!(format!("{}{}", output.stdout, output.stderr).contains("/srv/thing"), "{output}");
    assert_eq!(site.host.read("/srv/thing/data").as_deref(), Some("precious\n"));
}
