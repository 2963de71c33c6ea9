//! How true is a dry run? Twelve scenarios on fresh hosts, scored by one command: the plan completes, says for each resource what
//! the apply then does, in the same words, shows each content diff exactly, changes nothing, and is empty afterwards; and the apply
//! changes nothing that the plan did not announce.
//!
//! The rules, and how Salt, Puppet and Ansible fare by them, are those of the project's fidelity study. `STEAD_FIDELITY=05,09` runs some
//! of them only.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use stead_tests::host::{Host, hosts_are_wanted, tests_dir};

pub(crate) mod announced;
mod scenario;
mod score;

use scenario::{Scenario, all};
use score::Score;

/// Hosts at a time.
const AT_ONCE: usize = 3;

#[test]
fn every_dry_run_is_the_change() {
    if !hosts_are_wanted() {
        return;
    }
    let chosen = std::env::var("STEAD_FIDELITY").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').filter(|name| !name.is_empty()).collect();
    let scenarios: Vec<Scenario> = all()
        .into_iter()
        .filter(|scenario| chosen.is_empty() || chosen.iter().any(|name| scenario.name.starts_with(name)))
        .collect();
    let next = Mutex::new(scenarios.iter());
    let scores = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(scenario) = { next.lock().expect("no thread panics while it holds it").next() } {
                    let score = score(scenario);
                    scores.lock().expect("no thread panics while it holds it").push(score);
                }
            });
        }
    });
    let mut scores = scores.into_inner().expect("no thread panics while it holds it");
    scores.sort_by(|a, b| a.name.cmp(b.name));
    let table = score::table(&scores);
    println!("{table}");
    let faults = scores.iter().fold(String::new(), |mut text, score| {
        for fault in &score.faults {
            let _ = writeln!(text, "{}: {fault}", score.name);
        }
        text
    });
    assert_eq!(scores.len(), scenarios.len(), "every scenario was run");
    assert!(scores.iter().all(Score::is_true), "{table}\n{faults}");
}

/// Runs a scenario: dry run, apply, dry run, apply, with the host compared in between.
fn score(scenario: &Scenario) -> Score {
    let mut score = Score::new(scenario.name);
    let host = Host::boot().expect("hosts are wanted");
    let folder = tests_dir().join("hosts/fidelity");
    let source = std::fs::read_to_string(folder.join(format!("{}.stead", scenario.name))).expect("the scenario is there");
    host.write("/root/site.stead", source);
    if let Ok(setup) = std::fs::read_to_string(folder.join(format!("{}.setup", scenario.name))) {
        host.must(&setup);
    }
    let (before, services) = (host.snapshot(), host.services());
    let shipped = announced::owned_by_packages(&host);
    let started = Instant::now();
    let dry = host.stead(&["plan", "/root/site.stead", "--json"]);
    score.took = Duration::max(score.took, started.elapsed());
    if dry.code != 0 {
        score.faults.push(format!("the dry run does not complete\n{dry}"));
        return score;
    }
    let plan = dry.plan();
    score.completes = plan.iter().all(|resource| resource.raw["error"].is_null());
    for change in before.changes(&host.snapshot()) {
        score.side_effects += 1;
        score.faults.push(format!("the dry run changed the host: {change}"));
    }
    if services != host.services() {
        score.side_effects += 1;
        score.faults.push("the dry run changed a service".to_owned());
    }
    let applied = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
    if applied.code != 0 {
        score.faults.push(format!("the apply fails\n{applied}\nplan: {}", dry.stdout));
        return score;
    }
    score.statuses(scenario, &plan, &applied);
    score.contents(scenario, &plan);
    let after = host.snapshot();
    let announced = announced::Announced::of(&plan, &scenario.touches, &host, &shipped);
    for (path, change) in announced::changed(&before, &after) {
        if !announced.covers(&path) {
            score.unannounced += 1;
            score.faults.push(format!("the apply changed what the plan does not announce: {change}"));
        }
    }
    for test in &scenario.end {
        let outcome = host.run(test);
        if outcome.code != 0 {
            score.wrong_end += 1;
            score.faults.push(format!("at the end `{test}` does not hold {}", outcome.stdout));
        }
    }
    score.again(&host, &after);
    score
}
