//! Many hosts over ssh: first contact, plans, applies and rollouts, and everything that goes wrong on the way.

mod contact;
mod facts;
mod health;
mod killed;
mod ledger;
mod part;
mod past;
mod resume;
mod review;
mod rollout;
mod sealed;
mod targets;
mod trouble;

use serde_json::Value;
use stead_tests::output::Output;

/// A few files and a directory, the same on every host but for its name.
const SITE: &str = r#"
node "*" {
  directory "/srv/app" { mode = 0755 }
  file "/srv/app/name" { content = "${node.name}\n", mode = 0640 }
  file "/srv/app/motd" { content = "welcome\n" }
  file "/srv/app/data" { source = "files/data" }
}
"#;

/// The outcome of each host, from the last event of `apply --json`.
#[track_caller]
fn outcomes(output: &Output) -> Vec<(String, String)> {
    let lines = output.json_lines();
    let last = lines.last().unwrap_or_else(|| panic!("no events\n{output}"));
    assert_eq!(last["event"], "rollout_finished", "{output}");
    let nodes = last["nodes"].as_object().expect("nodes");
    nodes.iter().map(|(name, outcome)| (name.clone(), outcome.as_str().unwrap_or_default().to_owned())).collect()
}

/// The codes that are told of hosts, on standard error: name and code.
fn told(output: &Output) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (code, rest) = line.strip_prefix("error[")?.split_once("]: ")?;
        Some((rest.split(':').next()?.to_owned(), code.to_owned()))
    };
    output.stderr.lines().filter_map(line).collect()
}

/// Nodes of a plan document that have something to do.
#[track_caller]
fn pending_nodes(output: &Output) -> Vec<String> {
    let document = output.json();
    let nodes = document["nodes"].as_array().expect("nodes");
    let is_pending =
        |node: &&Value| node["resources"].as_array().expect("resources").iter().any(|resource| resource["action"] != "none");
    nodes.iter().filter(is_pending).map(|node| node["node"].as_str().unwrap_or_default().to_owned()).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect()
}
