//! A rollout that was broken off, and is gone on with as it was begun.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs, told};

#[test]
fn a_rollout_is_gone_on_with_as_the_user_it_was_begun_as() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    fleet.write("site.stead", "node \"*\" { file \"/srv/${node.name}\" { content = \"a\\n\" } }\n");
    fleet.user(host, "ann");
    fleet.name("ann", host, "ann");
    host.must("echo 'ann ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/ann; chmod 440 /etc/sudoers.d/ann");
    let output = fleet.stead("apply", &["--on", "ann,later", "--become", "--yes", "--json"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[("ann", "changed"), ("later", "unreachable")]), "{output}");
    // The host is there by now, and only root may write where it is to be written.
    fleet.name("later", host, "ann");
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[("later", "changed")]), "{output}");
    assert_eq!(host.stat("/srv/later"), Some((0o644, 0, 0)));

    // A name that is none is refused, and not made into another one.
    let output = fleet.stead("plan", &["--on", "ann", "--become=CORP\\root"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[("ann", "become-invalid")]), "{output}");
    // A key that ends the program leaves the terminal as it was.
    let ask = "trap : INT; stead plan site --on ann --become --ask-become-pass; stty -a";
    let output = fleet
        .operator
        .run(&format!("cd /root; (sleep 3; printf typed; sleep 1; printf '\\003'; sleep 2) | script -qec \"{ask}\" /dev/null"));
    assert!(output.stdout.contains("sudo password:") && !output.stdout.contains("typed"), "{output}");
    assert!(output.stdout.contains(" echo ") && output.stdout.contains(" icanon"), "{output}");
}

#[test]
fn a_saved_plan_holds_hosts_again_when_it_is_gone_on_with() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [first, second] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let (names, all) = ([first.name(), second.name()], fleet.all());
    fleet.write(
        "site.stead",
        "node \"*\" {\n  file \"/srv/a\" { content = \"a\\n\" }\n  file \"/srv/b\" { content = \"b\\n\" }\n}\n",
    );
    let _ = fleet.stead("plan", &["--on", &all, "-o", "/root/many.plan"]).expect_code(0);
    second.must("systemctl stop ssh.socket ssh.service || systemctl stop ssh.service");
    first.write("/srv/b", "mine\n");
    let output = fleet.operator.stead(&["apply", "/root/many.plan", "--json", "--connect-retries", "0"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&names[0], "failed"), (&names[1], "unreachable")]), "{output}");

    second.must("systemctl start ssh");
    second.write("/srv/b", "mine\n");
    first.must("rm /srv/b");
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--json"]).expect_code(1);
    // What was begun of it goes on; what nobody has seen is not touched.
    assert_eq!(outcomes(&output), pairs(&[(&names[0], "changed"), (&names[1], "failed")]), "{output}");
    assert_eq!(first.read("/srv/b").as_deref(), Some("b\n"));
    assert_eq!((second.read("/srv/a").as_deref(), second.read("/srv/b").as_deref()), (Some("a\n"), Some("mine\n")));

    let _ = fleet.stead("plan", &["--on", &all, "-o", "/root/many.plan"]).expect_code(0);
    let output = fleet.operator.stead(&["apply", "--resume", "last"]).expect_code(1);
    assert!(output.stderr.contains("error[file-replaced]"), "{output}");
}

#[test]
fn signatures_are_demanded_again_when_a_plan_is_gone_on_with() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [first, second] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let (names, all) = ([first.name(), second.name()], fleet.all());
    fleet.write("stead.toml", "[review]\nsignatures = 1\nallowed_signers = \"signers\"\n");
    fleet.write("site.stead", "node \"*\" { file \"/srv/a\" { content = \"a\\n\" } }\n");
    fleet.operator.must(
        "ssh-keygen -q -t ed25519 -N '' -C alice -f /root/alice
         echo \"alice namespaces=\\\"stead-plan\\\" $(cat /root/alice.pub)\" > /root/site/signers",
    );
    let _ = fleet.stead("plan", &["--on", &all, "-o", "/root/many.plan"]).expect_code(0);
    let refused = fleet.operator.stead(&["apply", "/root/many.plan"]).expect_code(1);
    assert!(refused.stderr.contains("error[signatures-missing]"), "{refused}");
    let _ = fleet.operator.stead(&["sign", "/root/many.plan", "--key", "/root/alice"]).expect_code(0);
    second.must("systemctl stop ssh.socket ssh.service || systemctl stop ssh.service");
    let output = fleet.operator.stead(&["apply", "/root/many.plan", "--json", "--connect-retries", "0"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&names[0], "changed"), (&names[1], "unreachable")]), "{output}");
    second.must("systemctl start ssh");

    // The plan is the one of then, and nobody stands for it any more; nor does somebody who may not.
    fleet.operator.must("mv /root/many.plan.sig /root/kept");
    let refused = fleet.operator.stead(&["apply", "--resume", "last"]).expect_code(1);
    assert!(refused.stderr.contains("error[signatures-missing]"), "{refused}");
    fleet.operator.must("ssh-keygen -q -t ed25519 -N '' -f /root/mallory");
    let _ = fleet.operator.stead(&["sign", "/root/many.plan", "--key", "/root/mallory"]);
    let refused = fleet.operator.stead(&["apply", "--resume", "last"]).expect_code(1);
    assert!(refused.stderr.contains("error[signatures-missing]"), "{refused}");
    assert_eq!(second.read("/srv/a"), None);

    fleet.operator.must("mv /root/kept /root/many.plan.sig");
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&names[1], "changed")]), "{output}");
    assert_eq!(second.read("/srv/a").as_deref(), Some("a\n"));

    // A rollout of a plan that was not saved cannot be gone on with once signatures are demanded.
    fleet.write("stead.toml", "");
    fleet.write("site.stead", "node \"*\" { file \"/srv/a\" { content = \"b\\n\" } }\n");
    let output =
        fleet.stead("apply", &["--on", &format!("{all},nowhere"), "--yes", "--json", "--connect-retries", "0"]).expect_code(1);
    assert!(outcomes(&output).contains(&("nowhere".into(), "unreachable".into())), "{output}");
    fleet.write("stead.toml", "[review]\nsignatures = 1\nallowed_signers = \"signers\"\n");
    let refused = fleet.operator.stead(&["apply", "--resume", "last", "--yes"]).expect_code(1);
    assert!(refused.stderr.contains("error[signatures-missing]"), "{refused}");
}
