//! An operator who is gone in the middle, and what is known of the hosts then.

use std::time::Duration;

use stead_tests::fleet::Fleet;
use stead_tests::host::Host;

use super::{outcomes, pairs, pending_nodes};

/// A file, a command that takes its time, and a file after it.
const SLOW: &str = r#"
node "*" {
  file "/srv/first" { content = "first\n" }
  exec "wait" { command = "touch /srv/begun; sleep 4; touch /srv/slept", creates = "/srv/slept", require = [file["/srv/first"]] }
  file "/srv/last" { content = "last\n", require = [exec["wait"]] }
}
"#;

#[test]
fn an_operator_who_is_killed_leaves_no_host_that_nobody_knows_of() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [cut, next] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let (cut_name, next_name, all) = (cut.name(), next.name(), fleet.all());
    let past = |verb: &[&str]| fleet.operator.stead(&[verb, &["--project", "/root/site"]].concat());
    fleet.write("site.stead", SLOW);
    fleet.write("stead.toml", "[[rollout.check]]\nexec = [\"test\", \"-e\", \"/srv/works\"]\n");
    next.write("/srv/works", "");
    let _ = fleet.stead("plan", &["--on", &all, "-o", "/root/many.plan"]).expect_code(0);
    let apply = fleet.operator.spawn(&["env", "-C", "/root", "stead", "apply", "many.plan", "--batch", "1", "--json"]);
    cut.wait_for("the command to run", Duration::from_secs(60), |host| host.read("/srv/begun").is_some());
    assert!(apply.kill(false), "it was at work");
    drop(apply);
    let is_over = |host: &Host| host.read("/srv/slept").is_some() && !host.stead(&["history"]).stdout.contains("running");
    cut.wait_for("the run to end", Duration::from_secs(60), is_over);
    assert_eq!(cut.read("/srv/last"), None, "nothing more was begun");

    // It is known which host was begun, and which run that is.
    let listed = past(&["history", "--rollouts"]).expect_code(0);
    assert!(listed.stdout.contains("1 begun and not ended, 1 not tried"), "{listed}");
    let planned = past(&["undo", "--rollout", "last", "--json"]).expect_code(0);
    assert_eq!(planned.json()["nodes"].as_array().map(Vec::len), Some(1), "{planned}");
    assert_eq!(planned.json()["nodes"][0]["undo"]["run"], "1", "{planned}");
    assert_eq!(pending_nodes(&planned), [cut_name.as_str()], "{planned}");

    // The saved plan was begun there, and is gone on with; the host is looked at as any other.
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--json"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&cut_name, "unhealthy"), (&next_name, "changed")]), "{output}");
    assert_eq!(cut.read("/srv/last").as_deref(), Some("last\n"));
    cut.write("/srv/works", "");
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&cut_name, "unchanged")]), "{output}");

    // What was gone on with is taken back as one: the last run of each host.
    let output = past(&["undo", "--rollout", "last", "--yes"]).expect_code(0);
    assert!(output.stderr.contains("rollout 2 went on with 1: both are taken back"), "{output}");
    let rest = format!("{cut_name} was changed by 1 as well: `stead undo --rollout 1` takes back the rest there");
    assert!(output.stderr.contains(&rest), "{output}");
    assert_eq!((next.read("/srv/first"), next.read("/srv/last")), (None, None));
    assert_eq!((cut.read("/srv/first").as_deref(), cut.read("/srv/last")), (Some("first\n"), None));
    let _ = past(&["undo", "--rollout", "1", "--yes"]).expect_code(0);
    assert_eq!((cut.read("/srv/first"), cut.read("/srv/slept")), (None, None));

    // Again, it means the same, and there is nothing left of it. The undo has a number, and is taken back by that alone.
    let again = past(&["undo", "--rollout", "last", "--yes"]).expect_code(0);
    assert_eq!((cut.read("/srv/last"), next.read("/srv/first")), (None, None), "{again}");
    let listed = past(&["history", "--rollouts", "--json"]).expect_code(0).json();
    let undo = listed["rollouts"].as_array().expect("rollouts").iter().find(|one| one["undoes"]["rollout"] == "2");
    let undo = undo.expect("the undo")["rollout"].as_str().expect("a number").to_owned();
    let forward = past(&["undo", "--rollout", &undo, "--json"]).expect_code(0);
    assert!(forward.stderr.starts_with(&format!("rollout {undo} was an undo: this makes the changes again")), "{forward}");
    assert!(pending_nodes(&forward).contains(&next_name), "{forward}");
}

#[test]
fn hosts_that_were_never_touched_are_no_part_of_an_undo_and_nothing_done_is_no_rollout() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [good, bare] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let (good_name, bare_name, all) = (good.name(), bare.name(), fleet.all());
    let past = |verb: &[&str]| fleet.operator.stead(&[verb, &["--project", "/root/site"]].concat());
    let kept = || past(&["history", "--rollouts", "--json"]).expect_code(0).json()["rollouts"].as_array().map(Vec::len);
    fleet.write("site.stead", "fact rack: String\nnode \"*\" { file \"/srv/rack\" { content = facts.rack } }\n");
    good.must("mkdir -p /etc/stead/facts.d; echo '{\"rack\": \"r7\"}' > /etc/stead/facts.d/rack.json");
    let output = fleet.stead("apply", &["--on", &all, "--yes", "--json"]).expect_code(1);
    assert_eq!(outcomes(&output), pairs(&[(&good_name, "changed"), (&bare_name, "failed")]), "{output}");
    let planned = past(&["undo", "--rollout", "last", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&planned), [good_name.as_str()], "{planned}");

    assert_eq!(kept(), Some(1));
    let nothing = fleet.stead("apply", &["--on", &good_name, "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&nothing), pairs(&[(&good_name, "unchanged")]), "{nothing}");
    assert_eq!(nothing.json_lines().last().map(|last| last["rollout"].is_null()), Some(true), "{nothing}");
    assert_eq!(kept(), Some(1), "{nothing}");
    let output = past(&["undo", "--rollout", "last", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&good_name, "changed")]), "{output}");
    assert_eq!(good.read("/srv/rack"), None);
}

#[test]
fn a_mistake_in_the_project_does_not_lead_to_other_hosts() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [meant, other] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let (address, name) = (meant.address(), other.name());
    // In the inventory the name of the one leads to the other.
    let inventory = format!("inventory {{ host \"{name}\" {{ address = \"{address}\", user = \"root\" }} }}\n");
    fleet.operator.must(&format!("printf 'Host {address}\\n  IdentityFile /root/.ssh/id\\n' >> /root/.ssh/config"));
    let node = |text: &str| format!("node \"*\" {{ file \"/srv/a\" {{ {text} }} }}\n");
    fleet.write("site.stead", &(inventory.clone() + &node("content = \"a\\n\"")));
    let output = fleet.stead("apply", &["--on", &name, "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&name, "changed")]), "{output}");
    assert_eq!((meant.read("/srv/a").as_deref(), other.read("/srv/a")), (Some("a\n"), None));
    other.write("/root/site.stead", "file \"/srv/own\" { content = \"own\\n\" }\n");
    let _ = other.stead(&["apply", "/root/site.stead", "--yes"]).expect_code(0);

    fleet.write("site.stead", &(inventory.clone() + &node("contnet = \"a\\n\"")));
    let verbs: [&[&str]; 6] = [
        &["undo", "last", "--on", &name, "--yes", "--project", "/root/site"],
        &["undo", "--rollout", "last", "--yes"],
        &["history", "--on", &name, "--project", "/root/site"],
        &["show", "last", "--on", &name, "--project", "/root/site"],
        &["facts", "--on", &name, "--project", "/root/site"],
        &["ssh-check", &name, "/root/site"],
    ];
    for verb in verbs {
        let output = fleet.operator.stead(verb).expect_code(1);
        assert!(output.stderr.contains("error[unknown-attribute]"), "{verb:?}: {output}");
        assert_eq!(output.stdout, "", "{verb:?}: {output}");
    }
    assert_eq!(other.read("/srv/own").as_deref(), Some("own\n"), "what another host did is not undone");
    fleet.write("site.stead", &(inventory + &node("content = \"a\\n\"")));
    let _ = fleet.operator.stead(&["undo", "--rollout", "last", "--yes"]).expect_code(0);
    assert_eq!((meant.read("/srv/a"), other.read("/srv/own").as_deref()), (None, Some("own\n")));
}
