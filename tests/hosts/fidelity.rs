//! How true is a dry run? Scenarios on fresh hosts, scored: the plan completes, says for each resource what the apply
//! then does, in the same words, shows each content diff exactly, changes nothing, and is empty afterwards.
//!
//! The rules, and how Salt, Puppet and Ansible fare by them, are those of the project's fidelity study.

use std::collections::BTreeMap;

use stead_tests::host::{Host, tests_dir};
use stead_tests::output::{Finished, Output, Planned, pending};

/// What one scenario really does, told without any tool.
struct Scenario {
    name: &'static str,
    /// Resource and attribute → lines that come, lines that go.
    content: Vec<(String, &'static str, Vec<String>, Vec<String>)>,
    /// Shell tests that hold at the end.
    end: Vec<String>,
    /// Services that are restarted rather than started.
    restarted: &'static [&'static str],
    /// Resources that have nothing to do.
    idle: &'static [&'static str],
}

fn scenario(name: &'static str) -> Scenario {
    Scenario { name, content: Vec::new(), end: Vec::new(), restarted: &[], idle: &[] }
}

/// A resource that did nothing: as it should be, or held back by its own guard.
fn is_idle(resource: &Finished) -> bool {
    resource.outcome == "unchanged" || (resource.outcome == "skipped" && resource.raw["error"].is_null())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

impl Scenario {
    fn content(mut self, path: &str, added: &str, removed: &str) -> Self {
        self.content.push((format!("file[\"{path}\"]"), "content", lines(added), lines(removed)));
        self
    }

    /// The content of a file that another kind of resource decides.
    fn edit(mut self, id: &str, attribute: &'static str, added: &str, removed: &str) -> Self {
        self.content.push((id.to_owned(), attribute, lines(added), lines(removed)));
        self
    }

    fn end(mut self, tests: &[&str]) -> Self {
        self.end.extend(tests.iter().map(|&test| test.to_owned()));
        self
    }

    fn restarted(mut self, ids: &'static [&'static str]) -> Self {
        self.restarted = ids;
        self
    }

    fn idle(mut self, ids: &'static [&'static str]) -> Self {
        self.idle = ids;
        self
    }

    /// A path with its mode, owner and group at the end.
    fn owned(self, path: &str, access: &str) -> Self {
        let test = format!("test \"$(stat -c '%a %U %G' {path})\" = '{access}'");
        self.end(&[&test])
    }

    fn run(&self) {
        let Some(host) = Host::boot() else { return };
        let folder = tests_dir().join("hosts/fidelity");
        let source = std::fs::read_to_string(folder.join(format!("{}.stead", self.name))).expect("the scenario is there");
        host.write("/root/site.stead", source);
        if let Ok(setup) = std::fs::read_to_string(folder.join(format!("{}.setup", self.name))) {
            host.must(&setup);
        }
        let mut faults = Vec::new();

        let (before, services) = (host.snapshot(), host.services());
        let dry = host.stead(&["plan", "/root/site.stead", "--json"]);
        assert_eq!(dry.code, 0, "the dry run completes\n{dry}");
        let plan = dry.plan();
        for change in before.changes(&host.snapshot()) {
            faults.push(format!("the dry run changed the host: {change}"));
        }
        if services != host.services() {
            faults.push("the dry run changed a service".to_owned());
        }

        let applied = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
        assert_eq!(applied.code, 0, "the apply succeeds\n{applied}\nplan: {}", dry.stdout);
        self.compare(&plan, &applied, &mut faults);
        self.contents(&plan, &mut faults);
        for test in &self.end {
            let outcome = host.run(test);
            if outcome.code != 0 {
                faults.push(format!("at the end `{test}` does not hold {}", outcome.stdout));
            }
        }

        let after = host.snapshot();
        let again = host.stead(&["plan", "/root/site.stead", "--json", "--detailed-exitcode"]);
        if again.code != 0 || !pending(&again.plan()).is_empty() {
            faults.push(format!("a plan after the apply is not empty: {:?} {}", pending(&again.plan()), again.stderr));
        }
        let twice = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
        if twice.code != 0 || twice.finished().iter().any(|resource| !is_idle(resource)) {
            faults.push(format!("a second apply is not idle\n{twice}"));
        }
        for change in after.changes(&host.snapshot()) {
            faults.push(format!("a second apply changed the host: {change}"));
        }
        assert!(faults.is_empty(), "{}: {} faults\n{}", self.name, faults.len(), faults.join("\n"));
    }

    /// Every status and every change record of the plan is that of the apply.
    fn compare(&self, plan: &[Planned], applied: &Output, faults: &mut Vec<String>) {
        let finished: BTreeMap<String, Finished> =
            applied.finished().into_iter().map(|resource| (resource.id.clone(), resource)).collect();
        for resource in plan {
            let Some(real) = finished.get(&resource.id) else {
                faults.push(format!("{}: planned as {}, and the apply says nothing of it", resource.id, resource.action));
                continue;
            };
            let is_as_said = if resource.action == "none" { is_idle(real) } else { real.outcome == "changed" };
            if !is_as_said {
                faults.push(format!("{}: planned as {}, really {}: {}", resource.id, resource.action, real.outcome, real.raw));
            } else if real.changes != resource.changes {
                let (said, did) = (serde_json::json!(resource.changes), serde_json::json!(real.changes));
                faults.push(format!("{}: the plan says {said}\n  and the apply {did}", resource.id));
            }
        }
        for id in finished.keys().filter(|id| !plan.iter().any(|resource| &resource.id == *id)) {
            faults.push(format!("{id}: done without a plan"));
        }
        for (ids, action) in [(self.restarted, "restart"), (self.idle, "none")] {
            for resource in plan.iter().filter(|resource| ids.contains(&resource.id.as_str()) && resource.action != action) {
                faults.push(format!("{}: planned as {}, in truth {action}", resource.id, resource.action));
            }
        }
    }

    /// Every line that comes or goes is in the plan's diff, and no other is.
    fn contents(&self, plan: &[Planned], faults: &mut Vec<String>) {
        for (id, attribute, added, removed) in &self.content {
            let Some(resource) = plan.iter().find(|resource| resource.id == *id) else {
                faults.push(format!("{id} is not in the plan"));
                continue;
            };
            let diff = resource.diff(attribute);
            let side = |sign: char, header: &str| {
                let mut lines: Vec<&str> = diff
                    .lines()
                    .filter(|line| line.starts_with(sign) && !line.starts_with(header) && !line[1..].trim().is_empty())
                    .map(|line| line[1..].trim())
                    .collect();
                lines.sort_unstable();
                lines
            };
            let wanted = |lines: &[String]| {
                let mut lines: Vec<String> = lines.iter().map(|line| line.trim().to_owned()).collect();
                lines.sort_unstable();
                lines
            };
            if side('+', "+++") != wanted(added) || side('-', "---") != wanted(removed) {
                faults.push(format!("{id}: the diff is not the one that happens: {diff:?} in {}", resource.raw));
            }
        }
    }
}

#[test]
fn a_package_its_configuration_and_its_service() {
    scenario("01-package")
        .content(
            "/etc/demo-web/demo.conf",
            "listen = 127.0.0.1:8080\nworkers = 4\nroot = /srv/demo",
            "listen = 0.0.0.0:80\nworkers = 1\nroot = /usr/share/demo-web",
        )
        .content("/etc/demo-web/conf.d/limits.conf", "max_clients = 200\ntimeout = 30", "")
        .owned("/etc/demo-web/demo.conf", "640 root demo-web")
        .owned("/etc/demo-web/conf.d/limits.conf", "640 root demo-web")
        .end(&["systemctl is-active demo-web", "systemctl is-enabled demo-web"])
        .restarted(&["service[\"demo-web\"]"])
        .run();
}

#[test]
fn a_repository_and_a_package_from_it() {
    scenario("02-repository")
        .content("/etc/demo-tool/tool.conf", "color = never\npager = less", "color = auto")
        .owned("/etc/demo-tool/tool.conf", "644 root root")
        .end(&[
            "test \"$(cat /etc/apt/sources.list.d/demo-extra.list)\" = 'deb [trusted=yes] file:///opt/demo/repo-extra ./'",
            "test \"$(demo-tool)\" = 'demo-tool 3.3'",
        ])
        .run();
}

#[test]
fn a_tree_of_a_user_that_is_created_first() {
    scenario("04-ownership")
        .content("/srv/app/shared/app.env", "APP_PORT=9000\nAPP_LOG=/srv/app/shared/log/app.log\nAPP_MODE=production", "")
        .content("/srv/app/releases/r1/VERSION", "r1", "")
        .owned("/srv/app", "755 appsvc appsvc")
        .owned("/srv/app/releases/r1", "755 appsvc appsvc")
        .owned("/srv/app/shared/log", "750 appsvc appsvc")
        .owned("/srv/app/shared/app.env", "640 appsvc appsvc")
        .owned("/srv/app/current", "777 appsvc appsvc")
        .end(&[
            "test \"$(readlink /srv/app/current)\" = /srv/app/releases/r1",
            "test \"$(readlink /srv/app/releases/r1/log)\" = /srv/app/shared/log",
            "test \"$(getent passwd appsvc)\" = appsvc:x:3200:3200::/srv/app:/usr/sbin/nologin",
        ])
        .run();
}

#[test]
fn an_archive_and_a_file_inside_it() {
    let release = "/opt/app/releases/app-1.4.2";
    scenario("05-archive")
        .content(&format!("{release}/etc/app.conf"), "port = 9000\ndata = /var/lib/app", "")
        .content(&format!("{release}/etc/logging.conf"), "level = warn", "level = debug")
        .owned(&format!("{release}/bin/app"), "755 root root")
        .owned(&format!("{release}/etc/logging.conf"), "644 root root")
        .end(&[
            "test \"$(/opt/app/current/bin/app)\" = 'app 1.4.2'",
            "test \"$(readlink /opt/app/current)\" = releases/app-1.4.2",
        ])
        .run();
}

#[test]
fn a_unit_of_ones_own() {
    scenario("06-unit")
        .content("/usr/local/bin/demo-beat", "#!/bin/sh\nwhile :; do date +%s > /run/demo-beat; sleep 60; done", "")
        .content(
            "/etc/systemd/system/demo-beat.service",
            "[Unit]\nDescription=Demo heartbeat\n[Service]\nExecStart=/usr/local/bin/demo-beat\nRestart=on-failure\n[Install]\nWantedBy=multi-user.target",
            "",
        )
        .content("/etc/systemd/system/demo-beat.service.d/10-limits.conf", "[Service]\nLimitNOFILE=4096", "")
        .owned("/usr/local/bin/demo-beat", "755 root root")
        .end(&[
            "systemctl is-active demo-beat",
            "systemctl is-enabled demo-beat",
            "test \"$(systemctl show -p LimitNOFILE --value demo-beat)\" = 4096",
        ])
        .run();
}

#[test]
fn settings_of_the_system() {
    scenario("09-settings")
        .edit("sysctl[\"net.core.somaxconn\"]", "content", "net.core.somaxconn = 2048", "")
        .edit("host[\"db.internal\"]", "content", "10.20.30.40 db.internal db", "")
        .edit("line[\"DEMO_ENV=production\"]", "content", "DEMO_ENV=production", "")
        .edit("timezone[\"Europe/Berlin\"]", "timezone", "Europe/Berlin", "Etc/UTC")
        .owned("/etc/sysctl.d/60-demo.conf", "644 root root")
        .end(&[
            "test \"$(cat /proc/sys/net/core/somaxconn)\" = 2048",
            "grep -qx 'net.core.somaxconn = 2048' /etc/sysctl.d/60-demo.conf",
            "test \"$(getent hosts db)\" = \"$(getent hosts db.internal)\"",
            "grep -qx DEMO_ENV=production /etc/environment",
            "test \"$(readlink /etc/localtime)\" = /usr/share/zoneinfo/Europe/Berlin",
            "test \"$(cat /etc/timezone)\" = Europe/Berlin",
        ])
        .run();
}

#[test]
fn guarded_commands_and_the_files_that_they_make() {
    scenario("10-exec")
        .content("/usr/local/sbin/gen-secret", "#!/bin/sh\numask 022\necho \"key material\" > \"$1\"", "")
        .owned("/etc/demo-secret", "750 root root")
        .owned("/etc/demo-secret/key", "600 root root")
        .owned("/etc/demo-secret/index", "640 root root")
        .end(&[
            "grep -qx 'key material' /etc/demo-secret/key",
            "test \"$(cat /etc/demo-secret/index)\" = registered",
            "test ! -e /etc/demo-secret/fallback",
        ])
        .idle(&["exec[\"fallback-key\"]"])
        .run();
}

#[test]
fn removal() {
    scenario("11-removal")
        .content("/etc/demo.d/10-keep.conf", "keep = new", "keep = old")
        .end(&[
            "test ! -e /etc/demo-old/old.conf",
            "test ! -e /var/lib/demo-old",
            "test ! -e /etc/legacy.conf",
            "test ! -e /srv/legacy",
            "test ! -e /usr/sbin/demo-old",
            "test \"$(ls -A /etc/demo.d)\" = 10-keep.conf",
            "! systemctl is-active demo-old",
            "! dpkg-query -W demo-old",
        ])
        .idle(&["file[\"/etc/demo-old/old.conf\"]", "directory[\"/var/lib/demo-old\"]"])
        .run();
}

#[test]
fn twenty_virtual_hosts_and_one_service() {
    let mut all = scenario("12-vhosts").owned("/etc/demo-web/sites", "750 root demo-web");
    for index in 1..=20 {
        let path = format!("/etc/demo-web/sites/site-{index:02}.conf");
        let text = format!(
            "server_name = site-{index:02}.example.com\nlisten = 127.0.0.1:81{index:02}\nroot = /srv/www/site-{index:02}"
        );
        all = all.content(&path, &text, "").owned(&path, "640 root demo-web");
    }
    all.end(&["systemctl is-active demo-web", "systemctl is-enabled demo-web"]).restarted(&["service[\"demo-web\"]"]).run();
}
