//! Disks that fill up or turn read-only in the middle.

use crate::site::Site;

#[test]
fn a_disk_may_be_full_at_every_write() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    let content = |word: &str| format!("{word} 0123456789abcdef\\n").repeat(200);
    let mut source = String::new();
    for index in 0..6 {
        source += &format!("file \"/mnt/small/f{index}\" {{ content = \"{}\", mode = 0640 }}\n", content("new"));
    }
    source += "symlink \"/mnt/small/link\" { target = \"/mnt/small/f0\" }\ndirectory \"/mnt/small/made\" { mode = 0700 }\n";
    site.source(&source);
    host.must("mkdir -p /mnt/small");
    let old = content("old").replace("\\n", "\n");
    let new = content("new").replace("\\n", "\n");
    let (mut full, mut pages) = (0, 0);
    loop {
        // The journal is on the same small disk. Room for one page more in each round.
        host.must(
            "umount /mnt/small 2>/dev/null; mount -t tmpfs -o size=2m,mode=755 tmpfs /mnt/small; mkdir -m 700 /mnt/small/state",
        );
        for index in 0..3 {
            host.write(&format!("/mnt/small/f{index}"), &old);
        }
        host.must(&format!(
            "free=$(stat -f -c %a /mnt/small); dd if=/dev/zero of=/mnt/small/fill bs=4096 count=$((free - {pages})) status=none"
        ));
        let output = site.stead("apply", &["--yes", "--json", "--state-dir", "/mnt/small/state"]);
        let round = format!("{pages} pages free");
        assert!(!output.stderr.contains("panicked"), "{round}\n{output}");
        for index in 0..6 {
            let found = host.read(&format!("/mnt/small/f{index}"));
            let before = (index < 3).then(|| old.clone());
            assert!(found == before || found.as_deref() == Some(&new), "{round}: f{index} is torn\n{output}");
            let is_told = output.stdout.lines().any(|line| {
                line.contains(&format!("f{index}\\\"")) && line.contains("resource_finished") && line.contains("\"changed\"")
            });
            assert!(!is_told || found.as_deref() == Some(&new), "{round}: f{index} was told to be changed\n{output}");
        }
        let strays = host.must("ls -A /mnt/small | grep -v -E '^(f[0-5]|fill|link|made|state)$' || true");
        assert_eq!(strays, "", "{round}: something is left beside\n{output}");
        if output.code == 0 {
            break;
        }
        full += 1;
        assert_eq!(output.code, 1, "{round}\n{output}");
        let said = format!("{}{}", output.stdout, output.stderr).to_lowercase();
        assert!(
            said.contains("space") || said.contains("disk is full") || said.contains("disk-full"),
            "{round}: the reason is told\n{output}"
        );
        host.must("rm /mnt/small/fill");
        let next = site.stead("apply", &["--yes", "--json", "--state-dir", "/mnt/small/state"]);
        assert_eq!(next.code, 0, "{round}: with room again\n{next}");
        pages += if pages < 64 { 1 } else { 3 };
        assert!(pages < 500, "the apply never has enough room\n{output}");
    }
    assert!(full > 15, "only {full} rounds found the disk full");
}

#[test]
fn a_disk_that_turns_read_only_in_the_middle_fails_what_comes_after() {
    let Some(site) = Site::new(
        "file \"/mnt/ro/a\" { content = \"new\\n\" }\n\
         exec \"fail\" { command = \"sync; mount -o remount,ro /mnt/ro\", only_if = \"test ! -e /srv/mended\", require = [file[\"/mnt/ro/a\"]] }\n\
         file \"/mnt/ro/b\" { content = \"new\\n\", mode = 0600, require = [exec[\"fail\"]] }\n\
         file \"/mnt/ro/c\" { content = \"new\\n\", require = [exec[\"fail\"]] }\n\
         directory \"/mnt/ro/d\" { require = [exec[\"fail\"]] }\n\
         file \"/etc/elsewhere\" { content = \"x\\n\", require = [exec[\"fail\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("mkdir /mnt/ro; mount -t tmpfs tmpfs /mnt/ro; echo old > /mnt/ro/b; chmod 640 /mnt/ro/b");
    let output = site.apply().expect_code(1);
    for (id, outcome) in [
        ("file[\"/mnt/ro/a\"]", "changed"),
        ("file[\"/mnt/ro/b\"]", "failed"),
        ("file[\"/mnt/ro/c\"]", "failed"),
        ("directory[\"/mnt/ro/d\"]", "failed"),
        ("file[\"/etc/elsewhere\"]", "changed"),
    ] {
        assert_eq!(output.outcome(id), outcome, "{id}\n{output}");
    }
    assert!(output.stdout.contains("read-only-file-system"), "{output}");
    assert_eq!(host.read("/mnt/ro/b").as_deref(), Some("old\n"));
    assert_eq!(host.must("ls -A /mnt/ro"), "a\nb\n");
    host.must("mount -o remount,rw /mnt/ro; touch /srv/mended");
    site.converge();
    assert_eq!(host.stat("/mnt/ro/b").map(|(mode, ..)| mode), Some(0o600));
}
