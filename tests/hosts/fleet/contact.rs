//! Hosts that nothing was ever installed on.

use stead_tests::fleet::Fleet;
use stead_tests::host::Host;

use super::{SITE, outcomes, pairs, pending_nodes, told};

/// How many hosts; `STEAD_TEST_FLEET=10` for a long run.
fn count() -> usize {
    std::env::var("STEAD_TEST_FLEET").ok().and_then(|count| count.parse().ok()).unwrap_or(3)
}

#[test]
fn bare_hosts_are_planned_applied_and_found_drifted() {
    let Some(fleet) = Fleet::boot(count()) else { return };
    fleet.write("site.stead", SITE);
    fleet.write("files/data", &"data that is sent once\n".repeat(10_000));
    let all = fleet.all();
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();

    let before = fleet.hosts[0].snapshot();
    let plan = fleet.stead("plan", &["--on", &all, "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&plan), names);
    let left = before.changes(&fleet.hosts[0].snapshot());
    let is_cache = |change: &&String| change.contains("/var/cache/stead");
    assert!(left.iter().all(|change| is_cache(&change)), "nothing but the cache is left: {left:?}");
    let kept = fleet.hosts[0].must("cd /var/cache/stead; stat -c '%a %n' bin bin/* blobs blobs/*");
    assert!(kept.lines().all(|line| line.starts_with("700 ") || line.starts_with("600 ")), "{kept}");
    assert_eq!(kept.lines().filter(|line| line.contains("blobs/")).count(), 1, "{kept}");

    let apply = fleet.stead("apply", &["--on", &all, "--json", "--yes"]).expect_code(0);
    let expected: Vec<_> = names.iter().map(|name| (name.clone(), "changed".to_owned())).collect();
    assert_eq!(outcomes(&apply), expected);
    for host in &fleet.hosts {
        assert_eq!(host.read("/srv/app/name"), Some(format!("{}\n", host.name())));
        assert_eq!(host.stat("/srv/app/name"), Some((0o640, 0, 0)));
        assert_eq!(host.read("/srv/app/data").map(|data| data.len()), Some(230_000));
        // The host has a journal of its own, and knows how to tell of the run.
        assert!(host.stead(&["history"]).expect_code(0).stdout.contains("done"));
    }

    let drifted = &fleet.hosts[1];
    drifted.write("/srv/app/motd", "somebody was here\n");
    let plan = fleet.stead("plan", &["--on", &all, "--json", "--detailed-exitcode"]).expect_code(2);
    assert_eq!(pending_nodes(&plan), [drifted.name()]);
    let text = fleet.stead("plan", &["--on", &all]).expect_code(0).stdout;
    assert!(text.contains(&format!("1 of {} nodes would change", names.len())), "{text}");
    assert!(text.contains("-somebody was here") && text.contains(&drifted.name()), "{text}");
    let text = fleet.stead("apply", &["--on", &all, "--yes"]).expect_code(0).stdout;
    assert!(names.iter().all(|name| text.contains(name.as_str())), "{text}");
    let plan = fleet.stead("plan", &["--on", &all, "--json", "--detailed-exitcode"]).expect_code(0);
    assert_eq!(pending_nodes(&plan), [""; 0]);

    let check = fleet.operator.stead(&["ssh-check", &all, "--json"]).expect_code(0).json();
    assert!(check["hosts"].as_array().expect("hosts").iter().all(|host| host["ok"] == true && host["worker_sent"] == false));
    let facts = fleet.operator.stead(&["facts", "--on", &all, "--json"]).expect_code(0).json();
    assert_eq!(facts["nodes"][&names[0]]["facts"]["hostname"], names[0].as_str());
    let _ = fleet.operator.stead(&["inventory", "clean", &all]).expect_code(0);
    assert_eq!(fleet.hosts[0].run("ls /var/cache/stead/bin /var/cache/stead/blobs").code, 2, "both are gone");
}

#[test]
fn every_host_that_cannot_be_worked_on_is_named_and_the_others_go_on() {
    let Some(fleet) = Fleet::boot(4) else { return };
    fleet.write("site.stead", SITE);
    fleet.write("files/data", "data\n");
    let [good, shut, changed, refused] = &fleet.hosts[..] else { unreachable!("four hosts") };
    // What start-up files print is nobody's business, whether it ends with a line or not.
    good.write("/root/.bashrc", "echo 'Welcome to this host'\nprintf 'no end of line'\n");
    shut.must("systemctl stop ssh.socket ssh.service || systemctl stop ssh.service");
    changed.must("rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh");
    refused.must("rm /root/.ssh/authorized_keys");
    let on = format!("{},nowhere", fleet.all());
    let output = fleet.stead("apply", &["--on", &on, "--yes", "--json", "--connect-retries", "0"]).expect_code(1);
    let (good, shut, changed, refused) = (good.name(), shut.name(), changed.name(), refused.name());
    let expected = [
        (good.as_str(), "changed"),
        (&shut, "unreachable"),
        (&changed, "unreachable"),
        (&refused, "unreachable"),
        ("nowhere", "unreachable"),
    ];
    assert_eq!(outcomes(&output), pairs(&expected));
    let codes = [
        (shut.as_str(), "host-unreachable"),
        (&changed, "host-key-changed"),
        (&refused, "ssh-refused"),
        ("nowhere", "host-unknown"),
    ];
    assert_eq!(told(&output), pairs(&codes), "{output}");
    assert_eq!(fleet.hosts[0].read("/srv/app/motd").as_deref(), Some("welcome\n"));
    for code in codes.map(|(_, code)| code) {
        let _ = fleet.operator.stead(&["explain", code]).expect_code(0);
    }

    // A key that nobody has seen yet is not accepted either.
    fleet.operator.write("/root/.ssh/known_hosts", "");
    let output = fleet.stead("plan", &["--on", &good]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&good, "host-key-unknown")]), "{output}");
}

#[test]
fn a_host_of_another_release_is_worked_on_beside_the_others() {
    let Some(other) = Host::boot_other() else { return };
    let Some(usual) = Host::boot() else { return };
    let Some(fleet) = Fleet::of(vec![usual, other]) else { return };
    fleet.write(
        "site.stead",
        "node \"*\" {\n  file \"/srv/release\" { content = \"${facts.os.version}\\n\" }\n  \
         exec \"once\" { command = \"echo ran > /srv/ran\", creates = \"/srv/ran\" }\n  user \"app\" { system = true }\n}\n",
    );
    let (all, names) = (fleet.all(), [fleet.hosts[0].name(), fleet.hosts[1].name()]);
    let version = |host: &Host| host.must(". /etc/os-release; echo $VERSION_ID");
    assert_ne!(version(&fleet.hosts[0]), version(&fleet.hosts[1]));
    let check = fleet.operator.stead(&["ssh-check", &all]).expect_code(0);
    assert!(names.iter().all(|name| check.stdout.contains(&format!("{name}  works"))), "{check}");
    let apply = fleet.stead("apply", &["--on", &all, "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&apply), pairs(&[(&names[0], "changed"), (&names[1], "changed")]));
    for host in &fleet.hosts {
        assert_eq!(host.read("/srv/release"), Some(version(host)));
        host.must("test -e /srv/ran && getent passwd app");
    }
    let plan = fleet.stead("plan", &["--on", &all, "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&plan), [""; 0]);
}

#[test]
fn a_user_becomes_root_with_sudo_and_its_password() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    fleet.write("site.stead", SITE);
    fleet.write("files/data", "data\n");
    for user in ["ann", "bob", "eve"] {
        fleet.user(host, user);
        fleet.name(user, host, user);
    }
    host.must("echo 'bob:correct horse' | chpasswd; echo 'eve:battery' | chpasswd");
    host.must("echo 'ann ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/ann; echo 'bob ALL=(root) ALL' > /etc/sudoers.d/bob; chmod 440 /etc/sudoers.d/*");

    let output = fleet.stead("plan", &["--on", "ann,bob,eve", "--become", "--json"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[("bob", "sudo-password-needed"), ("eve", "sudo-password-needed")]), "{output}");
    assert_eq!(pending_nodes(&output), ["ann"]);

    let check = fleet.operator.stead(&["ssh-check", "ann,eve", "--become"]).expect_code(1);
    assert!(check.stdout.contains("sudo     works, as root"), "{check}");
    assert!(format!("{}{}", check.stdout, check.stderr).contains("  login    works\n"), "how far it came is told\n{check}");

    // Without sudo the user does what a user may, and the worker is its own.
    let output = fleet.stead("plan", &["--on", "eve", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), ["eve"]);
    assert_eq!(host.must("stat -c '%a %U' /home/eve/.cache/stead/bin"), "700 eve\n");

    let with = |password: &str, arguments: &str| {
        let script = format!("cd /root; printf '%s\\n' '{password}' | stead {arguments} --become --ask-become-pass");
        fleet.operator.run(&script)
    };
    let output = with("wrong", "plan site --on bob").expect_code(1);
    assert_eq!(told(&output), pairs(&[("bob", "sudo-password-wrong")]), "{output}");
    let output = with("battery", "plan site --on eve").expect_code(1);
    assert_eq!(told(&output), pairs(&[("eve", "sudo-refused")]), "{output}");
    let output = with("correct horse", "apply site --on bob --yes --json").expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[("bob", "changed")]));
    assert_eq!(host.stat("/srv/app/name"), Some((0o640, 0, 0)), "it was root who wrote it");
    assert_eq!(host.run("ls /home/bob/.cache").code, 2, "the worker of root is kept by root");
    // Nobody else can have seen the password.
    let everywhere = "grep -rIl 'correct horse' /root /home /var /tmp /etc/stead 2>/dev/null";
    assert_eq!(host.run(everywhere).stdout, "");
    assert_eq!(fleet.operator.run(everywhere).stdout, "");
}

#[test]
fn a_secret_reaches_its_own_host_and_nothing_else() {
    const SECRET: &str = "hunter2-4f1c9a";
    let Some(fleet) = Fleet::boot(2) else { return };
    let [own, other] = &fleet.hosts[..] else { unreachable!("two hosts") };
    fleet.write("files/data", "data\n");
    fleet.write(
        "site.stead",
        &format!(
            "node \"{}\" {{\n  file \"/etc/token\" {{ content = secret(\"{SECRET}\\n\"), mode = 0600 }}\n  \
             exec \"tell\" {{ command = \"echo $TOKEN >&2; exit 1\", env = {{ TOKEN = secret(\"{SECRET}\") }} }}\n}}\n\
             node \"{}\" {{ file \"/etc/plain\" {{ content = \"plain\\n\" }} }}\n",
            own.name(),
            other.name()
        ),
    );
    let all = fleet.all();
    let mut said = String::new();
    for arguments in [&["--json"][..], &[][..], &["--markdown"][..]] {
        let output = fleet.stead("plan", &[&["--on", &all][..], arguments].concat()).expect_code(0);
        said.push_str(&format!("{output}"));
    }
    for arguments in [&["--json"][..], &[][..]] {
        let output = fleet.stead("apply", &[&["--on", &all, "--yes"][..], arguments].concat()).expect_code(1);
        said.push_str(&format!("{output}"));
    }
    assert!(said.contains("/etc/token") && !said.contains(SECRET), "{said}");
    assert_eq!(own.read("/etc/token"), Some(format!("{SECRET}\n")));
    let kept = format!("grep -rlF {SECRET} /var /root/.cache /tmp /run /etc 2>/dev/null");
    assert_eq!(own.run(&kept).stdout, "/etc/token\n", "only where it was asked for");
    assert_eq!(other.run(&kept).stdout, "");
    assert_eq!(fleet.operator.run(&kept).stdout, "");
    // No command line that ran has shown it either: the journal of the system would tell.
    assert_eq!(own.run(&format!("journalctl --no-pager 2>/dev/null | grep -cF {SECRET}")).stdout.trim(), "0");
}
