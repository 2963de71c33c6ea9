//! Files that programs of the system read: written by Stead, read by the real ones.

use crate::site::{Site, planned};

/// A key for `deploy`, with the public half in the source.
fn keys(site: &Site) -> (String, String) {
    site.host.must("ssh-keygen -q -t ed25519 -N '' -C deploy@test -f /root/key && ssh-keygen -A >/dev/null");
    let key = site.host.read("/root/key.pub").expect("it was made");
    let of_host = site.host.read("/etc/ssh/ssh_host_ed25519_key.pub").expect("it was made");
    let first_words = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    (first_words(&key), first_words(&of_host))
}

#[test]
fn a_login_by_key_finds_its_limits_and_variables() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    let (key, of_host) = keys(&site);
    site.source(&format!(
        "user \"deploy\" {{ uid = 3100, shell = \"/bin/sh\" }}\n\
         authorized_key \"deploy@test\" {{ user = \"deploy\", key = \"{key}\" }}\n\
         known_host \"db.internal\" {{ key = \"{of_host}\", port = 2222, hash = true }}\n\
         host \"db.internal\" {{ ip = \"127.0.0.1\", aliases = [\"db\"] }}\n\
         limits \"deploy\" {{ both = {{ nofile = 777 }} }}\n\
         environment \"DEMO_ENV\" {{ value = \"two words\" }}\n"
    ));
    let plan = site.plan();
    assert_eq!(planned(&plan, "authorized_key[\"deploy@test\"]").action, "create");
    site.converge();
    assert_eq!(host.stat("/home/deploy/.ssh"), Some((0o700, 3100, 3100)));
    assert_eq!(host.stat("/home/deploy/.ssh/authorized_keys"), Some((0o600, 3100, 3100)));
    assert_eq!(host.must("getent hosts db").split_whitespace().next(), Some("127.0.0.1"));

    host.must("mkdir -p /run/sshd && /usr/sbin/sshd -p 2222 -o UsePAM=yes");
    let ssh = "ssh -p 2222 -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null deploy@db.internal";
    assert_eq!(host.must(&format!("{ssh} 'ulimit -n; echo \"$DEMO_ENV\"'")), "777\ntwo words\n");

    site.source(&format!(
        "user \"deploy\" {{ uid = 3100 }}\n\
         authorized_key \"deploy@test\" {{ user = \"deploy\", key = \"{key}\", state = absent }}\n\
         known_host \"db.internal\" {{ port = 2222, state = absent }}\n\
         limits \"deploy\" {{ state = absent }}\n"
    ));
    site.converge();
    assert_ne!(host.run(&format!("{ssh} true")).code, 0, "neither the key nor the host is known any more");
    assert_eq!(host.read("/etc/security/limits.d/deploy.conf"), None);
}

#[test]
fn cron_takes_the_crontab_of_a_user_who_is_new() {
    let Some(site) = Site::new(
        "user \"batch\" { uid = 3300, home = \"/var/lib/batch\" }\n\
         cron \"report\" { user = \"batch\", at = \"17 3 * * *\", command = \"/usr/local/bin/report --daily\" }\n\
         cron \"touch\" { user = \"batch\", at = \"* * * * *\", command = \"touch /var/lib/batch/ran\", environment = { MAILTO = \"\" } }\n",
    ) else {
        return;
    };
    let host = &site.host;
    assert_eq!(planned(&site.plan(), "cron[\"report\"]").action, "create");
    site.converge();
    let table = host.must("crontab -l -u batch");
    assert!(table.contains("# stead: report\n17 3 * * * /usr/local/bin/report --daily\n"), "{table}");
    assert!(table.contains("# stead: touch\nMAILTO=\"\"\n* * * * * touch /var/lib/batch/ran\n"), "{table}");
    // What `crontab` itself writes back is what Stead reads again.
    host.must("crontab -l -u batch | crontab -u batch -");
    site.nothing_is_left();
    host.must("systemctl start cron");
    host.wait_for("cron runs the job", std::time::Duration::from_secs(150), |host| host.read("/var/lib/batch/ran").is_some());

    // Nobody but its owner may open a file in such a directory as one that may have to be made (fs.protected_regular).
    host.must("echo '61 * * * * no' | dd conv=nocreat,notrunc oflag=append of=/var/spool/cron/crontabs/batch");
    let output = site.apply();
    assert_eq!(output.code, 1, "{output}");
    assert!(
        output.stdout.contains("/var/spool/cron/crontabs/batch:10"),
        "the line is named, below the three that crontab(1) puts at the head: {output}"
    );
}

#[test]
fn sudo_takes_good_rules_and_visudo_refuses_bad_ones() {
    let Some(site) = Site::new(
        "user \"deploy\" {}\n\
         sudoers \"deploy\" { users = \"deploy\", commands = \"/usr/bin/systemctl restart app, --now=x\", nopasswd = true }\n",
    ) else {
        return;
    };
    let host = &site.host;
    site.converge();
    assert_eq!(host.stat("/etc/sudoers.d/deploy"), Some((0o440, 0, 0)));
    let rules = host.must("sudo -l -U deploy");
    assert!(rules.contains("(root) NOPASSWD: /usr/bin/systemctl restart app\\, --now\\=x"), "{rules}");

    site.source("sudoers \"bad\" { content = \"deploy ALL=(root NOPASSWD: ALL\" }\n");
    let output = site.apply();
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stdout.contains("validation-failed"), "{output}");
    assert!(output.stdout.contains("/etc/sudoers.d/bad:1:"), "the place is told: {output}");
    assert!(output.stdout.contains("syntax error"), "{output}");
    assert_eq!(host.read("/etc/sudoers.d/bad"), None, "it was not put in place");
    host.must("visudo -c");
}

#[test]
fn what_tmpfiles_makes_is_what_was_planned() {
    let Some(site) = Site::new(
        "user \"app\" { uid = 3400 }\n\
         tmpfiles \"app\" { lines = [\"d /run/app/cache 0750 app app -\", \"f /run/app/mode 0600 - - - fast\", \"L+ /run/current - - - - /run/app\"] }\n\
         file \"/run/app/cache/x\" { content = \"x\\n\", owner = \"app\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let before = host.snapshot();
    assert_eq!(planned(&site.plan(), "file[\"/run/app/cache/x\"]").action, "create");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!(host.stat("/run/app/cache"), Some((0o750, 3400, 3400)));
    assert_eq!(host.stat("/run/app/mode"), Some((0o600, 0, 0)));
    assert_eq!(host.must("readlink /run/current"), "/run/app\n");

    host.must("chmod 0777 /run/app/cache && rm /run/current");
    let plan = site.plan();
    let drifted = planned(&plan, "tmpfiles[\"app\"]");
    assert_eq!((&*drifted.action, drifted.changes.len()), ("update", 2), "{}", drifted.raw);
    site.converge();
    assert_eq!(host.stat("/run/app/cache"), Some((0o750, 3400, 3400)));
}

#[test]
fn logrotate_rotates_as_it_was_told() {
    let Some(site) = Site::new(
        "logrotate \"app\" { paths = \"/var/log/app.log\", every = daily, keep = 2, new_mode = 0640, postrotate = \"touch /run/rotated\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    site.converge();
    host.write("/var/log/app.log", "line\n");
    host.must("logrotate --force /etc/logrotate.d/app");
    assert_eq!(host.read("/var/log/app.log.1").as_deref(), Some("line\n"));
    assert_eq!(host.stat("/var/log/app.log").map(|(mode, ..)| mode), Some(0o640));
    assert!(host.read("/run/rotated").is_some(), "the script ran");

    site.source("logrotate \"bad\" { paths = \"/var/log/bad.log\", directives = [\"rotatee 3\"] }\n");
    let output = site.apply();
    assert_eq!(output.code, 1, "{output}");
    assert!(output.stdout.contains("validation-failed"), "{output}");
    assert_eq!(host.read("/etc/logrotate.d/bad"), None, "it was not put in place");
}
