//! Commands: guards, reactions, timeouts, and what a signal to the run does to them.

use std::time::Duration;

use rustix::process::Signal;
use stead_tests::host::STEAD;
use stead_tests::output::pending;

use crate::site::{Site, planned};

#[test]
fn a_command_that_creates_something_runs_once() {
    let Some(site) = Site::new("exec \"make\" { command = [\"touch\", \"/srv/made\"], creates = \"/srv/made\" }\n") else {
        return;
    };
    assert_eq!(planned(&site.plan(), "exec[\"make\"]").action, "run");
    site.converge();
    assert_eq!(site.apply().expect_code(0).outcome("exec[\"make\"]"), "unchanged");
}

#[test]
fn a_command_that_only_reacts_runs_after_its_cause_and_once() {
    let Some(site) = Site::new(
        "file \"/etc/a\" { content = \"1\\n\" }\n\
         file \"/etc/b\" { content = \"1\\n\" }\n\
         exec \"reload\" { command = \"cat /etc/a /etc/b >> /srv/log\", refresh_only = true, watch = [file[\"/etc/a\"], file[\"/etc/b\"]] }\n",
    ) else {
        return;
    };
    site.converge();
    assert_eq!(site.host.read("/srv/log").as_deref(), Some("1\n1\n"), "once, after both");
    site.host.must("echo 2 > /etc/a");
    assert_eq!(pending(&site.plan()), ["file[\"/etc/a\"]", "exec[\"reload\"]"]);
    site.converge();
    assert_eq!(site.host.read("/srv/log").as_deref(), Some("1\n1\n1\n1\n"));
}

#[test]
fn a_command_that_fails_tells_its_output_and_a_reaction_stays_due() {
    let Some(site) = Site::new(
        "file \"/etc/a\" { content = \"1\\n\" }\n\
         exec \"reload\" { command = \"test -e /srv/ready && touch /srv/reloaded || { echo not ready yet >&2; exit 9; }\", refresh_only = true, watch = [file[\"/etc/a\"]] }\n",
    ) else {
        return;
    };
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("exec[\"reload\"]"), "failed");
    assert!(output.stdout.contains("not ready yet") && output.stdout.contains('9'), "{output}");
    site.host.must("touch /srv/ready");
    assert_eq!(pending(&site.plan()), ["exec[\"reload\"]"], "what a failure prevented is still due");
    site.converge();
    assert!(site.host.read("/srv/reloaded").is_some());
}

#[test]
fn a_command_beyond_its_timeout_is_ended_with_its_children() {
    let Some(site) = Site::new("exec \"slow\" { command = \"sleep 1000 & sleep 1000\", timeout = 1s }\n") else { return };
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("exec[\"slow\"]"), "failed");
    assert_ne!(site.host.run("pgrep -x sleep").code, 0, "nothing of it is left running");
}

#[test]
fn ctrl_c_finishes_what_runs_and_starts_nothing_more() {
    let Some(site) = Site::new(
        "exec \"first\" { command = \"touch /srv/begun; sleep 1; touch /srv/first\", creates = \"/srv/first\" }\n\
         exec \"second\" { command = \"touch /srv/second\", creates = \"/srv/second\", require = [exec[\"first\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
    host.wait_for("the first command", Duration::from_secs(10), |host| host.path("/srv/begun").exists());
    assert!(process.signal(Signal::INT));
    let output = process.wait();
    assert_ne!(output.code, 0, "{output}");
    assert!(host.path("/srv/first").exists(), "what ran was finished\n{output}");
    assert!(!host.path("/srv/second").exists(), "nothing more was started\n{output}");
    assert_eq!(output.outcome("exec[\"first\"]"), "changed", "{output}");
    site.converge();
}
