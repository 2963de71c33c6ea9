//! What hosts did before, seen and taken back from where the operator is.

use stead_tests::fleet::Fleet;
use stead_tests::host::Host;
use stead_tests::snapshot::Snapshot;

use crate::undo::is_kept;

use super::{outcomes, pairs, pending_nodes, told};

const ONE: &str =
    "node \"*\" {\n  directory \"/srv/app\" { mode = 0755 }\n  file \"/srv/app/conf\" { content = \"one\\n\" }\n}\n";
const TWO: &str = "node \"*\" {\n  directory \"/srv/app\" { mode = 0755 }\n  file \"/srv/app/conf\" { content = \"two\\n\" }\n  file \"/srv/app/new\" { content = \"new\\n\" }\n}\n";

/// What is on a host otherwise than before.
fn left(before: &Snapshot, host: &Host) -> Vec<String> {
    before.changes(&host.snapshot()).into_iter().filter(|path| !is_kept(path)).collect()
}

#[test]
fn a_bad_rollout_is_taken_back_on_the_hosts_that_it_changed() {
    let Some(fleet) = Fleet::boot(3) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    let all = fleet.all();
    let past = |verb: &[&str]| fleet.operator.stead(&[verb, &["--project", "/root/site"]].concat());
    fleet.write("site.stead", ONE);
    let _ = fleet.stead("apply", &["--on", &all, "--yes"]).expect_code(0);
    let before: Vec<_> = fleet.hosts.iter().map(|host| host.snapshot()).collect();

    // The second version goes to two hosts, and is wrong.
    fleet.write("site.stead", TWO);
    let two = format!("{},{}", names[0], names[1]);
    let _ = fleet.stead("apply", &["--on", &two, "--yes"]).expect_code(0);
    let history = past(&["history", "--on", &all]).expect_code(0);
    let runs: Vec<&str> = history.stdout.lines().filter(|line| line.contains("changed")).collect();
    assert_eq!(runs.len(), 5, "two runs on each of two hosts, one on the third: {history}");
    let shown = past(&["show", "last", "--on", &names[0]]).expect_code(0);
    assert!(shown.stdout.contains("-one") && shown.stdout.contains("+two"), "{shown}");
    let missing = past(&["show", "9", "--on", &names[0]]).expect_code(1);
    assert_eq!(told(&missing), pairs(&[(&names[0], "no-such-run")]), "{missing}");
    assert!(missing.stderr.contains(&format!("hint: `stead history --on {}`", names[0])), "{missing}");

    // A word that no host's run knows is misspelled: what it is to keep would be lost.
    let typo = past(&["undo", "last", "--on", &two, "--yes", "--except", "file[\"/srv/app/cnof\"]"]).expect_code(1);
    assert!(typo.stderr.contains("error[unknown-selector]"), "{typo}");
    assert_eq!(fleet.hosts[0].read("/srv/app/conf").as_deref(), Some("two\n"));
    let some = past(&["undo", "last", "--on", &all, "--only", "directory", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&some), names[2..], "the last run of the others made no directory\n{some}");

    // Only looked at: the plan names the hosts, and nothing changes.
    let planned = past(&["undo", "--rollout", "last", "--json"]).expect_code(0);
    assert_eq!(pending_nodes(&planned), names[..2], "{planned}");
    assert_eq!(planned.json()["nodes"][0]["undo"]["run"], "2", "{planned}");
    let asked = past(&["undo", "--rollout", "last"]).expect_code(2);
    assert!(asked.stderr.contains("error[approval-needed]"), "{asked}");
    assert_eq!(fleet.hosts[0].read("/srv/app/conf").as_deref(), Some("two\n"));

    // Somebody has been on the second host since: that one is refused, the other goes back.
    fleet.hosts[1].write("/srv/app/conf", "mine\n");
    let output = past(&["undo", "--rollout", "last", "--yes"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&names[1], "changed-since")]), "{output}");
    assert!(output.stderr.contains("/srv/app/conf: content, 20"), "what differs, and since when\n{output}");
    assert_eq!(left(&before[0], &fleet.hosts[0]), [""; 0]);
    assert_eq!(fleet.hosts[1].read("/srv/app/conf").as_deref(), Some("mine\n"));
    assert_eq!(fleet.hosts[1].read("/srv/app/new").as_deref(), Some("new\n"));

    // What it did not do is gone on with, in the same manner; here with what the operator decides by now.
    let output = fleet.operator.stead(&["apply", "--resume", "last", "--yes"]).expect_code(1);
    assert_eq!(told(&output), pairs(&[(&names[1], "changed-since")]), "{output}");
    let output = past(&["undo", "last", "--on", &names[1], "--force", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), pairs(&[(&names[1], "changed")]), "{output}");
    assert_eq!(left(&before[1], &fleet.hosts[1]), [""; 0]);
    assert_eq!(left(&before[2], &fleet.hosts[2]), [""; 0]);

    // An undo is a run, and can be undone; what is to stay stays.
    let output = past(&["undo", "last", "--on", &names[0], "--yes", "--except", "file[\"/srv/app/conf\"]"]).expect_code(0);
    assert_eq!(fleet.hosts[0].read("/srv/app/new").as_deref(), Some("new\n"), "{output}");
    assert_eq!(fleet.hosts[0].read("/srv/app/conf").as_deref(), Some("one\n"), "{output}");
}

#[test]
fn drift_of_hosts_is_seen_from_where_the_operator_is() {
    let Some(fleet) = Fleet::boot(3) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    let all = fleet.all();
    fleet.write("site.stead", ONE);
    let _ = fleet.stead("apply", &["--on", &all, "--yes"]).expect_code(0);
    let quiet = fleet.stead("drift", &["--on", &all, "--detailed-exitcode"]).expect_code(0);
    assert!(quiet.stderr.contains("0 of 3 hosts"), "{quiet}");
    fleet.hosts[1].must("echo mine > /srv/app/conf");
    let output = fleet.stead("drift", &["--on", &all, "--detailed-exitcode"]).expect_code(2);
    assert!(output.stdout.contains("-mine") && output.stdout.contains("+one"), "{output}");
    assert!(output.stderr.contains("1 of 3 hosts"), "{output}");
    // Two that have drifted alike are shown once.
    fleet.hosts[2].must("echo mine > /srv/app/conf");
    let alike = fleet.stead("drift", &["--on", &all]).expect_code(0);
    assert_eq!(alike.stdout.matches("-mine").count(), 1, "{alike}");
    assert_eq!(alike.stdout.matches("nothing has drifted").count(), 1, "{alike}");
    fleet.hosts[2].must("echo one > /srv/app/conf");
    let on = format!("{},nowhere", names[1]);
    let output = fleet.stead("drift", &["--on", &on, "--json", "--connect-retries", "0"]).expect_code(1);
    let nodes = output.json()["nodes"].as_array().cloned().expect("nodes");
    let of = |name: &str| nodes.iter().find(|node| node["node"] == name).expect("the host");
    assert_eq!(of(&names[1])["drifted"][0]["id"], "file[\"/srv/app/conf\"]", "{output}");
    assert_eq!(of("nowhere")["error"]["code"], "host-unknown", "{output}");
}
