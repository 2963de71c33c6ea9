//! Workers that are not what they should be, and connections that break.

use std::time::{Duration, Instant};

use stead_tests::fleet::Fleet;
use stead_tests::host::Host;
use stead_tests::link::Line;

use super::{SITE, outcomes, pairs, pending_nodes, told};

#[test]
fn a_worker_that_was_tampered_with_is_never_run() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    let name = host.name();
    fleet.write("site.stead", SITE);
    fleet.write("files/data", "data\n");
    let _ = fleet.stead("plan", &["--on", &name]).expect_code(0);
    let good = host.must("cat /var/cache/stead/bin/* | sha256sum");

    // A program that would tell that it ran, with the times of the old one.
    host.must(
        "cd /var/cache/stead/bin; b=$(ls | grep -v ok); touch -r $b /tmp/times; \
         printf '#!/bin/sh\\ntouch /root/it-ran\\n' > $b; chmod 700 $b; touch -r /tmp/times $b",
    );
    let check = fleet.operator.stead(&["ssh-check", &name, "--json"]).expect_code(0).json();
    assert_eq!((&check["hosts"][0]["worker_replaced"], &check["hosts"][0]["worker_sent"]), (&true.into(), &true.into()));
    assert_eq!(host.read("/root/it-ran"), None, "what was planted has not run");
    let names = host.must("cd /var/cache/stead/bin; ls | wc -l");
    assert_eq!(names.trim(), "2", "the worker and its stamp");
    assert_ne!(good, "");
    let check = fleet.operator.stead(&["ssh-check", &name, "--json"]).expect_code(0).json();
    assert_eq!(check["hosts"][0]["worker_sent"], false);

    // A directory that somebody else owns is not used.
    host.must("rm -rf /var/cache/stead/bin; mkdir -p /var/cache/stead/bin; chown 7777 /var/cache/stead/bin");
    let output = fleet.stead("plan", &["--on", &name]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&name, "worker-not-stored")]), "{output}");
}

#[test]
fn a_full_disk_an_old_worker_and_another_architecture_are_told() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    let name = host.name();
    fleet.write("site.stead", SITE);
    fleet.write("files/data", "data\n");
    host.must("mkdir -p /var/cache/stead; mount -t tmpfs -o size=2m,mode=755 tmpfs /var/cache/stead");
    let output = fleet.stead("plan", &["--on", &name]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&name, "worker-not-stored")]), "{output}");
    assert!(output.stderr.contains("free some space"), "{output}");
    assert_eq!(host.must("find /var/cache/stead/bin -type f -size +64k | wc -l").trim(), "0", "no part of it stays in the way");
    host.must("umount /var/cache/stead");

    // The same program, that says an earlier version of the frames.
    fleet.operator.must("LC_ALL=C sed 's/ worker-frames 3/ worker-frames 0/g' /usr/local/bin/stead > /root/old");
    let output = fleet.stead("plan", &["--on", &name, "--worker-binary", "/root/old"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&name, "worker-version")]), "{output}");

    // A program that is no worker at all.
    let output = fleet.stead("plan", &["--on", &name, "--worker-binary", "/usr/bin/true"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&name, "worker-not-started")]), "{output}");
    let output = fleet.stead("plan", &["--on", &name, "--worker-binary", "/etc/passwd"]).expect_code(1);
    assert!(output.stderr.contains("error[worker-binary-unusable]"), "{output}");

    // A host of another architecture.
    host.must("mv /usr/bin/uname /usr/bin/uname.real; printf '#!/bin/sh\\n[ \"$1\" = -m ] && echo s390x || exec uname.real \"$@\"\\n' > /usr/bin/uname; chmod 755 /usr/bin/uname");
    let output = fleet.stead("plan", &["--on", &name]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&name, "other-architecture")]), "{output}");
}

/// A file, a command that takes its time, and a file after it.
const SLOW: &str = r#"
node "*" {
  file "/srv/first" { content = "first\n" }
  exec "wait" { command = "touch /srv/begun; sleep 6; touch /srv/slept", creates = "/srv/slept", require = [file["/srv/first"]] }
  file "/srv/last" { content = "last\n", require = [exec["wait"]] }
}
"#;

#[test]
fn a_worker_whose_connection_breaks_finishes_what_it_has_in_hand_and_tells_later() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [cut, whole] = &fleet.hosts[..] else { unreachable!("two hosts") };
    fleet.write("site.stead", SLOW);
    let (cut_name, whole_name) = (cut.name(), whole.name());
    let all = fleet.all();
    let apply = fleet.operator.spawn(&["env", "-C", "/root", "stead", "apply", "site", "--on", &all, "--yes", "--json"]);
    cut.wait_for("the command to run", Duration::from_secs(60), |host| host.read("/srv/begun").is_some());
    // The connection, and nothing else.
    cut.must("pkill -KILL -f 'sshd.*nott[y]'");
    let output = apply.wait().expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&cut_name, "lost"), (&whole_name, "changed")]));
    let finished = output.json_lines();
    let story = finished.iter().find(|event| event["event"] == "node_finished" && event["node"] == cut_name.as_str());
    let message = story.expect("an event")["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("cancelled") && message.contains("2 changed"), "{message}");
    assert!(cut.read("/srv/slept").is_some(), "what it had in hand is finished");
    assert_eq!(cut.read("/srv/last"), None, "and nothing more was begun");

    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&cut_name, "changed")]));
    assert_eq!(cut.read("/srv/last").as_deref(), Some("last\n"));
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes"]).expect_code(0);
    assert!(output.stdout.contains("every host of it is done"), "{output}");
}

#[test]
fn a_host_whose_connection_broke_is_checked_before_it_counts_as_changed() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [cut, next] = &fleet.hosts[..] else { unreachable!("two hosts") };
    fleet.write(
        "site.stead",
        "node \"*\" { exec \"wait\" { command = \"touch /srv/begun; sleep 6; touch /srv/slept\", creates = \"/srv/slept\" } }\n",
    );
    fleet.write("stead.toml", "[rollout]\ncanary = 1\n[[rollout.check]]\nexec = [\"test\", \"-e\", \"/srv/works\"]\n");
    let all = fleet.all();
    let apply = fleet.operator.spawn(&["env", "-C", "/root", "stead", "apply", "site", "--on", &all, "--yes", "--json"]);
    cut.wait_for("the command to run", Duration::from_secs(60), |host| host.read("/srv/begun").is_some());
    // Nothing comes through any more, and nobody there notices: the run goes on to its end.
    cut.must("pkill -STOP -f 'sshd.*nott[y]'");
    let output = apply.wait().expect_code(1);
    // Its journal tells that everything was done, and nothing else does.
    assert!(cut.stead(&["history"]).expect_code(0).stdout.contains("done"));
    assert_eq!(outcomes(&output), pairs(&[(&cut.name(), "unhealthy"), (&next.name(), "not_tried")]), "{output}");
    assert_eq!(next.read("/srv/begun"), None);
}

#[test]
fn a_host_that_loses_its_power_is_named_and_the_next_apply_puts_it_right() {
    let Some(hosts) = (0..2).map(|_| Host::boot_with_disk()).collect::<Option<Vec<_>>>() else { return };
    let Some(mut fleet) = Fleet::of(hosts) else { return };
    let (dead, alive, all) = (fleet.hosts[0].name(), fleet.hosts[1].name(), fleet.all());
    fleet.write("site.stead", SLOW);
    let apply = fleet.operator.spawn(&["env", "-C", "/root", "stead", "apply", "site", "--on", &all, "--yes", "--json"]);
    let is_begun = |host: &Host| host.read("/srv/begun").is_some();
    fleet.hosts[0].wait_for("the command to run", Duration::from_secs(60), is_begun);
    fleet.hosts[0].power_off();
    let output = apply.wait().expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&dead, "lost"), (&alive, "changed")]), "{output}");
    let finished = output.json_lines();
    let story = finished.iter().find(|event| event["event"] == "node_finished" && event["node"] == dead.as_str());
    assert_eq!(story.expect("an event")["error"]["code"], "connection-lost", "{output}");
    assert_eq!(fleet.hosts[1].read("/srv/last").as_deref(), Some("last\n"), "the others go on");

    fleet.hosts[0].power_on_again();
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&dead, "changed")]), "{output}");
    assert_eq!(fleet.hosts[0].read("/srv/last").as_deref(), Some("last\n"));
    let output = fleet.stead("plan", &["--on", &all, "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), [""; 0], "it has converged");
}

#[test]
fn a_bad_line_is_slow_and_nothing_else_and_a_run_with_nothing_to_do_asks_twice() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    fleet.write("site.stead", SITE);
    fleet.write("files/data", &"some data\n".repeat(100_000));
    fleet.line("bad", host, Line { delay: Duration::from_millis(40), loss: 5 });
    let output = fleet.stead("apply", &["--on", "bad", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[("bad", "changed")]));
    let output = fleet.stead("plan", &["--on", "bad", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&output), [""; 0]);

    // On a line this long everything but round trips is nothing.
    let trip = Duration::from_secs(1);
    fleet.line("long", host, Line { delay: trip / 2, loss: 0 });
    let took = |argv: &[&str]| {
        let begun = Instant::now();
        let output = fleet.operator.spawn(argv).wait().expect_code(0);
        (begun.elapsed(), output)
    };
    // The name is in the catalog: what was planned for another name is planned for this one.
    let _ = fleet.stead("apply", &["--on", "long", "--yes"]).expect_code(0);
    let (login, _) = took(&["ssh", "long", "true"]);
    let (nothing, output) = took(&["env", "-C", "/root", "stead", "plan", "site", "--on", "long", "--json"]);
    assert_eq!(pending_nodes(&output), [""; 0]);
    let trips = (nothing.saturating_sub(login)).as_secs_f64() / trip.as_secs_f64();
    assert!(trips < 2.0, "a login with a command took {login:?}, a plan {nothing:?}: {trips:.1} round trips more");
}
