//! Others on the same machine: who write while an apply runs, who apply as well, who mean harm.

use std::time::{Duration, Instant};

use stead_tests::host::STEAD;
use stead_tests::transcript::assert_shown;

use crate::site::Site;

#[test]
fn files_that_change_while_an_apply_runs_are_never_a_mixture() {
    let mut source = String::from("directory \"/srv/busy\" {}\n");
    let ours = "ours 0123456789\n".repeat(300);
    for index in 0..12 {
        source += &format!("file \"/srv/busy/f{index}\" {{ content = \"{}\", mode = 0640 }}\n", "ours 0123456789\\n".repeat(300));
    }
    let Some(site) = Site::new(&source) else { return };
    let host = &site.host;
    // Writes anew, renames over, removes, changes modes: whatever a neighbour may do.
    let writer = "my $t = \"theirs 012345\\n\" x 300; my $n = 0; \
        while (1) { my $f = '/srv/busy/f' . int(rand(12)); my $k = $n++ % 4; \
          if ($k == 0) { open(F, '>', \"$f.theirs\") and do { print F $t; close F; rename(\"$f.theirs\", $f) } } \
          elsif ($k == 1) { chmod(0600 + int(rand(8)), $f) } elsif ($k == 2) { unlink($f) } \
          else { select(undef, undef, undef, 0.002) } }";
    host.must("mkdir -p /srv/busy");
    let theirs = "theirs 012345\n".repeat(300);
    let neighbour = host.spawn(&["perl", "-e", writer]);
    let (start, mut applies, mut changed) = (Instant::now(), 0, 0);
    while start.elapsed() < Duration::from_secs(8) {
        let output = site.apply();
        applies += 1;
        assert!(output.code == 0 || output.code == 1, "{output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
        for resource in output.finished() {
            changed += u32::from(resource.outcome == "changed");
            let is_known = ["changed", "unchanged", "failed", "not_converged", "skipped"].contains(&&*resource.outcome);
            assert!(is_known, "{}", resource.raw);
        }
        for index in 0..12 {
            let found = host.read(&format!("/srv/busy/f{index}"));
            let is_whole = found.as_deref().is_none_or(|found| found == ours || found == theirs);
            assert!(is_whole, "f{index} is a mixture of {} bytes", found.unwrap_or_default().len());
        }
    }
    neighbour.kill(true);
    drop(neighbour);
    assert!(applies > 1 && changed > 0, "{applies} applies, {changed} changes");
    host.must("rm -f /srv/busy/*.theirs");
    site.converge();
    assert_eq!(host.must("ls -A /srv/busy | grep -v -E '^f[0-9]+$' || true"), "", "nothing is left beside");
}

#[test]
fn many_applies_at_once_take_turns_and_a_killed_one_holds_up_nobody() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    for index in 0..6 {
        host.write(
            &format!("/root/s{index}.stead"),
            format!("exec \"turn\" {{ command = \"test ! -e /srv/inside && touch /srv/inside && sleep 0.3 && rm /srv/inside\" }}\nfile \"/etc/by{index}\" {{ content = \"x\\n\" }}\n"),
        );
    }
    let sources: Vec<String> = (0..6).map(|index| format!("/root/s{index}.stead")).collect();
    let (mut done, mut refused) = (0, 0);
    for _ in 0..4 {
        let runs: Vec<_> = sources.iter().map(|source| host.spawn(&[STEAD, "apply", source, "--yes", "--json"])).collect();
        for output in runs.into_iter().map(stead_tests::process::HostProcess::wait) {
            assert!(!output.stdout.contains("\"outcome\":\"failed\""), "two ran at once\n{output}");
            if output.code == 0 {
                done += 1;
            } else {
                assert!(output.stdout.contains("apply-running"), "{output}");
                refused += 1;
            }
        }
    }
    for source in &sources {
        let run = host.spawn(&[STEAD, "apply", source, "--yes", "--json"]);
        host.wait_for("it is inside", Duration::from_secs(20), |host| host.path("/srv/inside").exists());
        run.kill(true);
        drop(run);
        host.must("rm -f /srv/inside");
        let next = host.stead(&["apply", source, "--yes", "--json"]);
        assert_eq!(next.code, 0, "the lock of a killed run holds up nobody\n{next}");
    }
    assert!(done >= 4 && refused > 0, "{done} done, {refused} refused");
    for source in &sources {
        let output = host.stead(&["apply", source, "--yes", "--json"]).expect_code(0);
        assert!(!output.stdout.contains("journal-moved-aside"), "{output}");
    }
}

#[test]
fn links_that_another_user_flips_lead_nowhere() {
    let mut source = String::from(
        "directory \"/home/mallory/app\" { owner = \"mallory\", mode = 0755, purge = true }\n\
         directory \"/home/mallory/app/sub\" { owner = \"mallory\", mode = 0700 }\n",
    );
    for index in 0..4 {
        source += &format!(
            "file \"/home/mallory/app/f{index}\" {{ content = \"managed {index}\\n\", owner = \"mallory\", mode = 0606 }}\n"
        );
        source += &format!(
            "file \"/home/mallory/app/sub/f{index}\" {{ content = \"managed {index}\\n\", owner = \"mallory\", mode = 0606 }}\n"
        );
    }
    source += "symlink \"/home/mallory/app/link\" { target = \"/nowhere\" }\n";
    source += "file \"/home/mallory/app/gone\" { state = absent }\n";
    let Some(site) = Site::new(&source) else { return };
    let host = &site.host;
    host.must(
        "useradd -m mallory; mkdir -p /srv/victim/sub; for f in f0 f1 f2 f3 gone link sub/f0 sub/f1 sub/f2 sub/f3 stray; do \
         echo victim > /srv/victim/$f; chmod 640 /srv/victim/$f; done; chmod 750 /srv/victim /srv/victim/sub; echo 0 > /proc/sys/fs/protected_hardlinks 2>/dev/null; \
         mkdir -p /home/mallory/stage; chown -R mallory: /home/mallory; cp -a /srv/victim /home/mallory/stage/copy 2>/dev/null; true",
    );
    let victim = |what: &str| {
        host.must(&format!(
            "cd /srv/victim && find . -printf '%p %m %U %G %s %y %n {what}\\n' | sort; cat $(find . -type f | sort)"
        ))
    };
    let before = victim("");
    // Flips what it may: its own directories against symlinks to the victim's, its own files against symlinks and hard links to the
    // victim's, and stray directories for a purge to go into.
    let attack = r#"
        my ($home, $victim) = ('/home/mallory', '/srv/victim'); my $n = 0;
        while (1) {
          my $k = $n++ % 6;
          if ($k == 0) { rename("$home/app", "$home/real$n"); symlink($victim, "$home/app"); select(undef, undef, undef, rand(0.004)); unlink("$home/app"); rename("$home/real$n", "$home/app"); }
          if ($k == 1) { rename("$home/app/sub", "$home/sub$n"); symlink("$victim/sub", "$home/app/sub"); select(undef, undef, undef, rand(0.004)); unlink("$home/app/sub"); rename("$home/sub$n", "$home/app/sub"); }
          if ($k == 2) { my $f = "$home/app/f" . int(rand(4)); unlink($f); symlink("$victim/f1", $f); }
          if ($k == 3) { my $f = "$home/app/sub/f" . int(rand(4)); unlink($f); link("$victim/f2", $f); }
          if ($k == 4) { mkdir("$home/app/stray"); open(F, '>', "$home/app/stray/f0"); close F; select(undef, undef, undef, rand(0.002)); rename("$home/app/stray", "$home/st$n"); symlink($victim, "$home/app/stray"); }
          if ($k == 5) { unlink("$home/app/gone"); link("$victim/gone", "$home/app/gone") or symlink("$victim/gone", "$home/app/gone"); unlink("$home/app/stray"); }
          if ($n % 500 == 0) { system("rm -rf $home/real* $home/sub* $home/st[0-9]*"); }
        }"#;
    host.write("/home/mallory/attack.pl", attack);
    let mallory =
        host.spawn(&["setpriv", "--reuid", "mallory", "--regid", "mallory", "--init-groups", "perl", "/home/mallory/attack.pl"]);
    let (start, mut applies, mut changed, mut refused) = (Instant::now(), 0, 0, 0);
    while start.elapsed() < Duration::from_secs(10) {
        let output = site.apply();
        applies += 1;
        assert!(!output.stderr.contains("panicked"), "{output}");
        for resource in output.finished() {
            changed += u32::from(resource.outcome == "changed");
            refused += u32::from(resource.raw["error"]["code"] == "untrusted-symlink");
        }
        // A hard link that mallory made counts as one of the victim's names, and is gone with hers.
        let now = victim("").lines().filter(|line| !line.is_empty()).map(strip_links).collect::<Vec<_>>();
        assert_eq!(
            now,
            before.lines().map(strip_links).collect::<Vec<_>>(),
            "the victim's files, after apply {applies}\n{output}"
        );
    }
    mallory.kill(true);
    drop(mallory);
    assert!(applies > 3 && changed > 0, "{applies} applies, {changed} changes, {refused} links refused");
    host.must("rm -rf /home/mallory/app /home/mallory/real* /home/mallory/sub*");
    site.converge();
}

/// Leaves the number of names of a file out of its line.
fn strip_links(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    if words.len() >= 7 { [&words[..6], &words[7..]].concat().join(" ") } else { line.to_owned() }
}

#[test]
fn a_file_that_a_user_linked_into_her_directory_is_not_handed_over() {
    let Some(site) = Site::new("directory \"/home/mallory/app\" { owner = \"mallory\", recursive = true, file_mode = 0604 }\n")
    else {
        return;
    };
    let host = &site.host;
    // The link as the kernel lets her make it where `fs.protected_hardlinks` is 0.
    host.must(
        "useradd -m mallory; mkdir -p /home/mallory/app; echo victim > /home/victim; chmod 600 /home/victim; \
         ln /home/victim /home/mallory/app/mine; chown mallory: /home/mallory/app",
    );
    let victim = || host.must("stat -c '%a %U' /home/victim");
    assert_eq!(victim().trim(), "600 root");
    let output = site.apply();
    assert!(output.stdout.contains("hard-linked"), "{output}");
    assert_eq!(victim().trim(), "600 root", "it is not hers");
    // Files of her own may have as many names as she likes.
    host.must("rm /home/mallory/app/mine; cd /home/mallory/app; echo own > a; ln a b; chown mallory: a");
    site.converge();
    assert_eq!(host.must("stat -c '%a %U' /home/mallory/app/b").trim(), "604 mallory");
}

#[test]
fn a_name_service_that_hangs_is_not_waited_for() {
    let Some(site) = Site::new("file \"/etc/of-nobody\" { content = \"x\\n\", owner = \"somebody-else\" }\n") else { return };
    let host = &site.host;
    host.must(
        "sed -i 's/^passwd:.*/passwd: files ldap/' /etc/nsswitch.conf; \
         printf '#!/bin/sh\\nsleep 1000\\n' > /usr/local/bin/getent; chmod 755 /usr/local/bin/getent",
    );
    let begun = Instant::now();
    let output = site.stead("plan", &[]);
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    assert_shown(include_str!("../../../stdlib/errors/no-answer.md"), &output.stdout);
    host.must("rm /usr/local/bin/getent");
}
