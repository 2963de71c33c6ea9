//! An apply that goes through hosts in batches, and stops when it goes wrong.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs};

const SITE: &str = r#"
node "*" {
  file "/srv/version" { content = "2\n" }
  if node.name == data.broken {
    exec "break" { command = "false" }
  }
}
"#;

#[test]
fn a_canary_that_fails_its_health_check_ends_the_rollout() {
    let Some(fleet) = Fleet::boot(3) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    fleet.write("site.stead", "node \"*\" { file \"/srv/version\" { content = \"2\\n\" } }\n");
    fleet.write("stead.toml", "[rollout]\ncanary = 1\nbatch = 1\n[[rollout.check]]\nexec = [\"test\", \"-e\", \"/srv/works\"]\ntries = 2\ndelay = \"100ms\"\n[[rollout.check]]\ntcp = \"{address}:22\"\n");
    let all = fleet.all();
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json"]).expect_code(1);
    let expected = [(names[0].as_str(), "unhealthy"), (&names[1], "not_tried"), (&names[2], "not_tried")];
    assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    assert_eq!(fleet.hosts[1].read("/srv/version"), None);

    // It has nothing to do any more, and still does not work: that it was changed before makes it no better a canary.
    for again in [&["--resume", "last"][..], &["/root/site", "--on", &all]] {
        let output = fleet.operator.stead(&[&["apply", "--yes", "--json"], again].concat()).expect_code(1);
        assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    }
    assert_eq!(fleet.hosts[1].read("/srv/version"), None);

    for host in &fleet.hosts {
        host.write("/srv/works", "");
    }
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes", "--json"]).expect_code(0);
    // The canary of before has nothing to do any more.
    let expected = [(names[0].as_str(), "unchanged"), (&names[1], "changed"), (&names[2], "changed")];
    assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    let begun: Vec<_> = output.json_lines().into_iter().filter(|event| event["event"] == "batch_started").collect();
    assert_eq!(begun.len(), 2, "one host a batch");
    let logs = fleet.operator.must("cat /var/lib/stead/rollouts/4/*.log");
    assert!(logs.contains("/srv/version") && logs.contains("changed: "), "{logs}");
}

#[test]
fn too_many_failures_end_the_rollout_and_one_ends_nothing_by_itself() {
    let Some(fleet) = Fleet::boot(3) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    fleet.write("site.stead", SITE);
    fleet.write("data/common.yaml", &format!("broken: {}\n", names[0]));
    let all = fleet.all();
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json", "--batch", "1", "--max-failures", "0"]).expect_code(1);
    let expected = [(names[0].as_str(), "failed"), (&names[1], "not_tried"), (&names[2], "not_tried")];
    assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json", "--batch", "50%"]).expect_code(1);
    let expected = [(names[0].as_str(), "failed"), (&names[1], "changed"), (&names[2], "changed")];
    assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    // Hosts that cannot be reached count as well, before anything is begun.
    fleet.write("site.stead", "node \"*\" { file \"/srv/version\" { content = \"3\\n\" } }\n");
    let on = format!("{},nowhere-1,nowhere-2", names[1]);
    let output = fleet.stead("apply", &["--on", &on, "--yes", "--json", "--max-failures", "1"]).expect_code(1);
    let expected = [(names[1].as_str(), "not_tried"), ("nowhere-1", "unreachable"), ("nowhere-2", "unreachable")];
    assert_eq!(outcomes(&output), pairs(&expected), "{output}");
    let output = fleet.stead("apply", &["--on", &on, "--yes", "--json", "--max-failures", "2"]).expect_code(1);
    assert_eq!(outcomes(&output)[0].1, "changed", "{output}");
    fleet.write("site.stead", SITE);
    let text = fleet.stead("apply", &["--on", &all, "--yes"]).expect_code(1);
    assert!(text.stdout.contains("1 failed") && text.stdout.contains("exec[\"break\"]"), "{text}");
    assert!(text.stderr.contains("--resume"), "{text}");
}

#[test]
fn a_saved_plan_of_many_hosts_is_held_to_what_it_saw() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    fleet.write(
        "site.stead",
        "node \"*\" {\n  file \"/srv/a\" { content = \"a\\n\" }\n  file \"/srv/b\" { content = \"b\\n\" }\n}\n",
    );
    let all = fleet.all();
    let text = fleet.stead("plan", &["--on", &all, "-o", "/root/many.plan"]).expect_code(0);
    assert!(
        text.stdout.contains("2 of 2 nodes would change") && text.stderr.contains("saved to /root/many.plan for 2 hosts"),
        "{text}"
    );
    // Somebody was there meanwhile.
    fleet.hosts[1].write("/srv/b", "mine\n");
    let output = fleet.operator.stead(&["apply", "/root/many.plan", "--json"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(names[0].as_str(), "changed"), (&names[1], "failed")]), "{output}");
    assert_eq!(fleet.hosts[0].read("/srv/b").as_deref(), Some("b\n"));
    assert_eq!(fleet.hosts[1].read("/srv/a").as_deref(), Some("a\n"));
    assert_eq!(fleet.hosts[1].read("/srv/b").as_deref(), Some("mine\n"));
    // It is used once, and for nothing but what it is of.
    let again = fleet.operator.stead(&["apply", "/root/many.plan"]).expect_code(1);
    assert!(again.stdout.contains("applied before") || again.stderr.contains("applied before"), "{again}");
    let _ = fleet.operator.stead(&["apply", "/root/many.plan", "--on", &all]).expect_code(2);
    // A change of the source makes it another catalog.
    let _ = fleet.stead("plan", &["--on", &all, "-o", "/root/next.plan"]).expect_code(0);
    fleet.write("site.stead", "node \"*\" { file \"/srv/c\" { content = \"c\\n\" } }\n");
    let _ = fleet.operator.stead(&["apply", "/root/next.plan"]).expect_code(1);
    assert_eq!(fleet.hosts[0].read("/srv/c"), None);
}
