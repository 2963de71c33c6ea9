//! Laws of whole runs: a dry run changes nothing, a second apply waits its turn, many resources at once are right.

use stead_tests::host::STEAD;
use stead_tests::output::pending;

use crate::site::Site;

const MIXED: &str = r##"
package "demo-web" {}
file "/etc/demo-web/demo.conf" { content = "listen = 127.0.0.1:8080\n", group = "demo-web", mode = 0640, require = [package["demo-web"]] }
service "demo-web" { state = running, enabled = true, watch = [file["/etc/demo-web/demo.conf"]] }
user "appsvc" { uid = 3200, system = true }
directory "/srv/app" { owner = "appsvc", mode = 0750 }
file "/srv/app/env" { content = "A=1\n", owner = "appsvc", mode = 0600 }
symlink "/srv/current" { target = "/srv/app" }
exec "index" { command = "ls /srv/app > /srv/index", creates = "/srv/index", require = [file["/srv/app/env"]] }
"##;

#[test]
fn a_plan_has_no_effect_and_an_apply_the_one_it_said() {
    let Some(site) = Site::new(MIXED) else { return };
    let host = &site.host;
    let (before, services) = (host.snapshot(), host.services());
    let plan = site.plan();
    let _ = site.stead("plan", &["-o", "/tmp/saved.plan"]).expect_code(0);
    let _ = site.stead("plan", &["--markdown"]);
    assert_eq!(before.changes(&host.snapshot()), [""; 0]);
    assert_eq!(services, host.services());
    assert_eq!(host.run("test -e /var/lib/stead").code, 1, "a plan does not even make the journal");

    let applied = site.apply().expect_code(0).finished();
    for resource in &applied {
        let planned = crate::site::planned(&plan, &resource.id);
        assert_eq!(resource.outcome == "changed", planned.action != "none", "{}: {}", resource.id, resource.raw);
    }
    site.nothing_is_left();
    let (after, services) = (host.snapshot(), host.services());
    site.nothing_is_left();
    let _ = site.apply().expect_code(0);
    assert_eq!(after.changes(&host.snapshot()), [""; 0], "a second apply changes nothing");
    assert_eq!(services, host.services(), "and restarts nothing");
}

#[test]
fn two_applies_at_once_take_turns() {
    let Some(site) = Site::new("exec \"work\" { command = \"echo in >> /srv/log; sleep 1; echo out >> /srv/log\" }\n") else {
        return;
    };
    let host = &site.host;
    let runs: Vec<_> = (0..2).map(|_| host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes"])).collect();
    let outputs: Vec<_> = runs.into_iter().map(stead_tests::process::HostProcess::wait).collect();
    let done = outputs.iter().filter(|output| output.code == 0).count();
    assert!(done >= 1, "{}\n{}", outputs[0], outputs[1]);
    assert_eq!(host.read("/srv/log"), Some("in\nout\n".repeat(done)), "{}\n{}", outputs[0], outputs[1]);
    for refused in outputs.iter().filter(|output| output.code != 0) {
        assert_eq!(refused.code, 1, "{refused}");
        assert!(refused.stderr.contains("apply") || refused.stderr.contains("lock"), "it says who is in the way\n{refused}");
    }
}

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let Some(site) = Site::new(
        "exec \"bad\" { command = \"exit 3\" }\n\
         file \"/etc/child\" { content = \"x\\n\", require = [exec[\"bad\"]] }\n\
         file \"/etc/grandchild\" { content = \"x\\n\", require = [file[\"/etc/child\"]] }\n\
         file \"/etc/beside\" { content = \"x\\n\" }\n\
         exec \"rescue\" { command = \"touch /srv/rescued\", on_fail = [exec[\"bad\"]] }\n",
    ) else {
        return;
    };
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("exec[\"bad\"]"), "failed");
    assert_eq!(output.outcome("file[\"/etc/child\"]"), "skipped");
    assert_eq!(output.outcome("file[\"/etc/grandchild\"]"), "skipped");
    assert_eq!(output.outcome("file[\"/etc/beside\"]"), "changed");
    assert!(site.host.path("/srv/rescued").exists(), "what waits for a failure ran");
    assert_eq!(site.host.read("/etc/child"), None);
    let text = site.stead("apply", &["--yes"]).expect_code(1);
    let said = format!("{}{}", text.stdout, text.stderr);
    assert!(said.contains("failed") && said.contains("exec[\"bad\"]"), "{said}");
}

#[test]
fn a_thousand_files_arrive_whole() {
    let Some(site) = Site::new(
        "directory \"/srv/many\" {}\n\
         for i in 1..=1000 { file \"/srv/many/f${i}\" { content = \"file ${i}\\n\", mode = 0640 } }\n",
    ) else {
        return;
    };
    site.converge();
    assert_eq!(site.host.must("ls -A /srv/many | wc -l").trim(), "1000", "and nothing else");
    assert_eq!(site.host.must("cat /srv/many/* | sort -u | wc -l").trim(), "1000");
    assert_eq!(site.host.must("find /srv/many -type f ! -perm 640 | wc -l").trim(), "0");
    site.host.must("echo drift > /srv/many/f7");
    assert_eq!(pending(&site.plan()), ["file[\"/srv/many/f7\"]"]);
}
