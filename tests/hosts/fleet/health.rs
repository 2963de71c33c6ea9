//! Health checks of each kind, and what lies between two batches.

use std::time::{Duration, Instant};

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs};

/// A server of a few lines, that answers everything with the status in a file.
const SERVER: &str = r#"use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) { my $l = <$c>; while (<$c> =~ /\S/) {} open(my $f, "<", "/srv/status"); my $n = <$f> + 0;
print $c "HTTP/1.1 $n x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"; close $c }
"#;

#[test]
fn a_service_and_a_page_are_looked_at_until_they_work() {
    let Some(fleet) = Fleet::boot(1) else { return };
    let host = &fleet.hosts[0];
    let name = host.name();
    fleet.write("site.stead", "node \"*\" { file \"/srv/status\" { content = \"500\\n\" } }\n");
    fleet.write(
        "stead.toml",
        "[rollout]\n[[rollout.check]]\nservice = \"web\"\n[[rollout.check]]\nhttp = \"http://{address}:8080/health\"\ntimeout = \"5s\"\n",
    );
    let why = || {
        let output = fleet.stead("apply", &["--on", &name, "--yes", "--json"]).expect_code(1);
        assert_eq!(outcomes(&output), pairs(&[(&name, "unhealthy")]), "{output}");
        let events = output.json_lines();
        let event = events.iter().find(|event| event["event"] == "node_finished").expect("an event").clone();
        assert_eq!(event["error"]["code"], "unhealthy", "{output}");
        event["error"]["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(why(), "there is no service web");
    // There is nothing to do any more, and it is looked at until it works.
    host.write("/srv/server.pl", SERVER);
    host.must("printf '[Service]\\nExecStart=/usr/bin/perl /srv/server.pl\\n' > /etc/systemd/system/web.service; systemctl daemon-reload");
    assert_eq!(why(), "web is not running");
    host.must("systemctl start web");
    host.wait_for("the server", Duration::from_secs(20), |host| host.run("ss -ltn | grep -q :8080").code == 0);
    let told = why();
    assert!(told.contains(":8080/health answers with status 500"), "{told}");
    fleet.write("site.stead", "node \"*\" { file \"/srv/status\" { content = \"204\\n\" } }\n");
    let output = fleet.stead("apply", &["--on", &name, "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&name, "changed")]), "{output}");
    // Nobody is in doubt about it now: a check that could not pass is not made.
    host.must("systemctl stop web");
    let output = fleet.stead("apply", &["--on", &name, "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&name, "unchanged")]), "{output}");
}

#[test]
fn between_batches_it_rests_and_asks() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    let all = fleet.all();
    fleet.write("site.stead", "node \"*\" { file \"/srv/a\" { content = \"1\\n\" } }\n");
    let _ = fleet.stead("plan", &["--on", &all]).expect_code(0);
    let begun = Instant::now();
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json", "--batch", "1", "--pause", "6s"]).expect_code(0);
    assert!(begun.elapsed() >= Duration::from_secs(6), "it rested for {:?}", begun.elapsed());
    assert_eq!(outcomes(&output), pairs(&[(&names[0], "changed"), (&names[1], "changed")]), "{output}");

    // Nobody is there to be asked: that is no yes.
    fleet.write("site.stead", "node \"*\" { file \"/srv/a\" { content = \"2\\n\" } }\n");
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--batch", "1", "--confirm-batches"]).expect_code(1);
    assert!(output.stdout.contains("the rollout was not confirmed"), "{output}");
    assert_eq!(fleet.hosts[1].read("/srv/a").as_deref(), Some("1\n"));
    // How it was to be done is kept: it asks again, and is answered on a terminal.
    let resume = "stead apply --resume last --yes --order none; echo the end: $?";
    let output = fleet.operator.run(&format!("cd /root; (sleep 4; echo y; sleep 8) | script -qec '{resume}' /dev/null"));
    assert!(output.stdout.contains("the end: 0"), "{output}");
    assert_eq!(fleet.hosts[1].read("/srv/a").as_deref(), Some("2\n"));
}
