//! Packages and services for real: apt, dpkg and systemd.

use stead_tests::host::Host;
use stead_tests::output::pending;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

#[test]
fn versions_go_up_down_and_away() {
    let Some(site) = Site::new("package \"demo-multi\" { version = \"1.*\" }\n") else { return };
    let host = &site.host;
    let plan = site.plan();
    let version = planned(&plan, "package[\"demo-multi\"]");
    assert!(version.raw.to_string().contains("1.1"), "the plan names the version that a glob chooses: {}", version.raw);
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 1.1\n");

    site.source("package \"demo-multi\" { version = \"2.0\" }\n");
    assert_eq!(planned(&site.plan(), "package[\"demo-multi\"]").action, "update");
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 2.0\n");

    site.source("package \"demo-multi\" { version = \"1.0\" }\n");
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 1.0\n");

    site.source("package \"demo-multi\" { state = latest }\n");
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 2.0\n");

    site.source("package \"demo-multi\" { state = absent }\n");
    assert_eq!(planned(&site.plan(), "package[\"demo-multi\"]").action, "delete");
    site.converge();
    assert_ne!(host.run("demo-multi").code, 0);
}

#[test]
fn what_apt_would_pull_in_or_remove_is_in_the_plan() {
    let Some(site) = Site::new("package \"demo-chain-a\" {}\npackage \"demo-left\" {}\n") else { return };
    let text = site.stead("plan", &[]).expect_code(0).stdout;
    assert!(text.contains("demo-chain-b") && text.contains("demo-chain-c"), "{text}");
    site.converge();
    site.source("package \"demo-right\" {}\n");
    let text = site.stead("plan", &[]).expect_code(0).stdout;
    assert!(text.contains("demo-left"), "what goes for it is named\n{text}");
    site.converge();
    assert_eq!(site.host.read("/usr/share/demo-left/side"), None);
}

#[test]
fn packages_without_an_order_are_one_transaction() {
    let names = ["demo-chain-a", "demo-left", "demo-lib", "demo-mta", "demo-multi"];
    let Some(site) = Site::new(&format!("package {names:?}\n")) else { return };
    site.host.must(": > /var/log/dpkg.log; mkdir -p /var/log/apt; : > /var/log/apt/history.log");
    site.converge();
    let history = site.host.read("/var/log/apt/history.log").unwrap_or_default();
    assert_eq!(history.matches("Start-Date").count(), 1, "{history}");
}

#[test]
fn a_package_that_fails_says_why_and_stops_only_what_needs_it() {
    let Some(site) = Site::new(
        "package \"demo-broken\" {}\n\
         package \"demo-lib\" {}\n\
         file \"/etc/after-broken\" { content = \"x\\n\", require = [package[\"demo-broken\"]] }\n\
         file \"/etc/after-lib\" { content = \"x\\n\", require = [package[\"demo-lib\"]] }\n",
    ) else {
        return;
    };
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("package[\"demo-broken\"]"), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/after-broken\"]"), "skipped", "{output}");
    assert_eq!(output.outcome("package[\"demo-lib\"]"), "changed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/after-lib\"]"), "changed", "{output}");
    assert!(output.stdout.contains("/etc/demo-broken.ok is missing"), "the package's own words\n{output}");

    site.host.must("touch /etc/demo-broken.ok");
    site.converge();
    assert!(site.host.must("dpkg-query -W -f '${Status}' demo-broken").ends_with("ok installed"));
}

#[test]
fn a_package_that_does_not_exist_is_an_error_of_the_plan() {
    let Some(site) = Site::new("package \"demo-nowhere\" {}\n") else { return };
    let output = site.stead("plan", &[]).expect_code(1);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("demo-nowhere"), "{output}");
}

#[test]
fn a_service_is_started_enabled_restarted_and_stopped() {
    let Some(site) = Site::new(
        "package \"demo-idle\" {}\n\
         file \"/etc/demo-idle.conf\" { content = \"a\\n\" }\n\
         service \"demo-idle\" { state = running, enabled = true, require = [package[\"demo-idle\"]], watch = [file[\"/etc/demo-idle.conf\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    site.converge();
    assert_eq!(host.must("systemctl is-active demo-idle; systemctl is-enabled demo-idle"), "active\nenabled\n");
    let first = host.main_pid("demo-idle");

    site.converge();
    assert_eq!(host.main_pid("demo-idle"), first, "an apply with nothing to do leaves it alone");

    host.must("echo b > /etc/demo-idle.conf");
    let plan = site.plan();
    let service = planned(&plan, "service[\"demo-idle\"]");
    assert_eq!(service.action, "restart");
    assert!(service.raw["because"].to_string().contains("/etc/demo-idle.conf"), "{}", service.raw);
    site.converge();
    let second = host.main_pid("demo-idle");
    assert!(second > 0 && second != first, "it was restarted");

    host.must("systemctl stop demo-idle");
    assert_eq!(pending(&site.plan()), ["service[\"demo-idle\"]"]);
    site.converge();

    site.source("service \"demo-idle\" { state = stopped, enabled = false }\n");
    site.converge();
    assert_eq!(host.run("systemctl is-active demo-idle; systemctl is-enabled demo-idle").stdout, "inactive\ndisabled\n");

    site.source("service \"demo-idle\" { masked = true }\n");
    site.converge();
    assert_eq!(host.run("systemctl is-enabled demo-idle").stdout, "masked\n");
}

/// As a kill leaves it, between one unpacking and the next: dpkg alone cannot configure what lacks another package.
#[test]
fn what_was_unpacked_before_what_it_needs_is_finished() {
    let Some(site) = Site::new("package [\"demo-chain-a\", \"demo-mta\"] {}\n") else { return };
    site.host.must("dpkg --unpack /opt/stead-tests/repo/demo-chain-b_*.deb /opt/stead-tests/repo/demo-chain-a_*.deb");
    let _ = site.stead("apply", &["--yes"]).expect_code(0);
    site.host.must(
        "dpkg --audit | cmp - /dev/null; dpkg -s demo-chain-a demo-chain-b demo-chain-c | grep -c 'ok installed' | grep -x 3",
    );
    let _ = site.stead("plan", &["--detailed-exitcode"]).expect_code(0);
}

#[test]
fn a_service_that_dies_at_once_is_not_called_done() {
    let Some(site) = Site::new(
        "file \"/etc/systemd/system/flop.service\" { content = \"[Service]\\nExecStart=/bin/false\\n\" }\n\
         service \"flop\" { state = running, require = [file[\"/etc/systemd/system/flop.service\"]] }\n",
    ) else {
        return;
    };
    let output = site.apply().expect_code(1);
    let outcome = output.outcome("service[\"flop\"]");
    assert!(outcome == "failed" || outcome == "not_converged", "{outcome}\n{output}");
}

/// The names that `stead check` tells of as on offer nowhere.
#[track_caller]
fn unoffered(site: &Site) -> Vec<String> {
    let found = site.stead("check", &["--json"]).expect_code(0).json_lines();
    let lint = |one: &serde_json::Value| one["code"] == "unoffered-package";
    let name =
        |one: serde_json::Value| one["message"].as_str().unwrap_or_default().split('`').nth(1).unwrap_or_default().to_owned();
    found.into_iter().filter(lint).map(name).collect()
}

#[test]
fn a_name_that_no_repository_has_is_told_by_a_check() {
    let names = r#"package ["demo-wbe", "demo-web", "demo-mail-agent", "tar", "demo-tool"] {}"#;
    let Some(site) = Site::new(names) else { return };
    let host = &site.host;
    // On offer, provided by another, installed; and what a repository has that the machine does not know.
    assert_eq!(unoffered(&site), ["demo-tool", "demo-wbe"]);
    site.source("package \"demo-wbe\" {}  # stead: allow(unoffered-package) it comes with the image\n");
    assert_eq!(unoffered(&site), [""; 0]);
    // A catalog with a repository of its own may bring it.
    let repository = "repository \"extra\" { uris = \"file:///opt/stead-tests/repo-extra\", suites = \"./\", trusted = true }\n";
    site.source(&format!("{repository}{names}"));
    assert_eq!(unoffered(&site), [""; 0]);
    // The machine knows it, but not yet what it has; then it does.
    site.source(names);
    host.must(
        "sleep 1.1; echo 'deb [trusted=yes] file:///opt/stead-tests/repo-extra ./' > /etc/apt/sources.list.d/extra.list; \
         touch /etc/apt/sources.list.d/extra.list",
    );
    assert_eq!(unoffered(&site), [""; 0], "an index that is older than its sources tells nothing");
    host.must("apt-get -q update");
    assert_eq!(unoffered(&site), ["demo-wbe"]);
    // Lists in a form that is not read tell nothing.
    host.must("rm -rf /var/lib/apt/lists/*; apt-get -q -o Acquire::GzipIndexes=true update");
    let kept = host.must("ls /var/lib/apt/lists");
    assert_eq!(unoffered(&site), if kept.contains("_Packages.") { Vec::new() } else { vec!["demo-wbe"] }, "{kept}");
}

/// Makes a package on the host, which needs demo-lib.
fn make_package(host: &Host, name: &str, version: &str, path: &str) {
    host.must(&format!(
        "rm -rf /root/tree; mkdir -p /root/tree/DEBIAN /root/tree/etc/{name}; echo 'port = {version}' > /root/tree/etc/{name}/{name}.conf; \
         printf '/etc/{name}/{name}.conf\\n' > /root/tree/DEBIAN/conffiles; \
         printf 'Package: {name}\\nVersion: {version}\\nArchitecture: all\\nDepends: demo-lib\\nMaintainer: x <x@example.com>\\nDescription: x\\n' > /root/tree/DEBIAN/control; \
         dpkg-deb --root-owner-group -b /root/tree {path} >/dev/null; rm -r /root/tree"
    ));
}

#[test]
fn a_package_comes_from_a_file_with_what_it_needs() {
    let Some(site) = Site::new(
        "package \"app\" { from = \"/srv/app.deb\" }\npackage \"demo-left\" {}\n\
         file \"/etc/app/app.conf\" { content = \"port = 80\\n\", mode = 0644 }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let version = || host.must("dpkg-query -W -f '${Version}' app");
    let output = site.stead("plan", &["--json"]).expect_code(1);
    assert!(output.stdout.contains("missing-source") && output.stdout.contains("/srv/app.deb"), "{output}");
    make_package(host, "app", "1.0", "/srv/app.deb");
    host.must("mkdir -p /var/log/apt; : > /var/log/apt/history.log");
    let before = host.snapshot();
    let plan = site.plan();
    let app = planned(&plan, "package[\"app\"]");
    assert_eq!(app.action, "create");
    assert!(app.raw.to_string().contains("demo-lib 1.0"), "what it needs is in the plan: {}", app.raw);
    // The archive was read: its configuration file is an edit, and not a creation.
    let conf = planned(&plan, "file[\"/etc/app/app.conf\"]");
    assert_eq!((conf.action.as_str(), conf.diff("content")), ("update", "@@ -1 +1 @@\n-port = 1.0\n+port = 80\n"));
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!((version().as_str(), host.read("/etc/app/app.conf").as_deref()), ("1.0", Some("port = 80\n")));
    let history = host.read("/var/log/apt/history.log").unwrap_or_default();
    assert_eq!(history.matches("Start-Date").count(), 1, "one transaction with the other: {history}");

    // Up by another file at the same place, down only where that is asked for.
    make_package(host, "app", "1.1", "/srv/app.deb");
    assert_eq!(planned(&site.plan(), "package[\"app\"]").action, "update");
    site.converge();
    assert_eq!(version(), "1.1");
    make_package(host, "app", "0.9", "/srv/app.deb");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("package-downgrade") && output.stdout.contains("1.1"), "{output}");
    assert_eq!(version(), "1.1");
    site.source("package \"app\" { from = \"/srv/app.deb\", downgrade = true }\n");
    site.converge();
    assert_eq!(version(), "0.9");

    // Another package, another file, no package at all: each is told, and nothing is done.
    let sum = host.must("sha256sum /srv/app.deb | cut -d' ' -f1");
    make_package(host, "other", "2.0", "/srv/other.deb");
    host.write("/srv/page.deb", "<html>not found</html>\n");
    for (source, code) in [
        ("package \"app\" { from = \"/srv/other.deb\" }\n".to_owned(), "wrong-package"),
        ("package \"app\" { from = \"/srv/page.deb\" }\n".to_owned(), "not-a-package"),
        (format!("package \"other\" {{ from = \"/srv/other.deb\", checksum = \"sha256:{}\" }}\n", sum.trim()), "wrong-checksum"),
    ] {
        site.source(&source);
        let output = site.apply().expect_code(1);
        assert!(output.stdout.contains(code), "{code}\n{output}");
    }
    assert_eq!(host.run("dpkg-query -W other").code, 1);
    let _ = host.stead(&["undo", "1", "--yes", "--force"]).expect_code(0);
    assert_ne!(host.must("dpkg-query -W -f '${Status}' app 2>/dev/null || true"), "install ok installed");
}

#[test]
fn a_file_of_a_package_may_come_with_the_same_plan() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    make_package(host, "app", "1.0", "/root/app.deb");
    host.must("mv /root/app.deb /tmp/app.deb");
    server.put("/app.deb", Page::new(std::fs::read(host.path("/tmp/app.deb")).expect("it was made")));
    let sum = host.must("sha256sum /tmp/app.deb | cut -d' ' -f1; rm /tmp/app.deb");
    site.source(&format!(
        "download \"/srv/app.deb\" {{ from = \"{}\", checksum = \"sha256:{}\" }}\npackage \"app\" {{ from = \"/srv/app.deb\" }}\n",
        server.url(host, "/app.deb"),
        sum.trim()
    ));
    let plan = site.stead("plan", &[]).expect_code(0);
    assert!(plan.stdout.contains("known after the content of /srv/app.deb is made"), "{plan}");
    site.converge();
    assert_eq!(host.must("dpkg-query -W -f '${Version}' app"), "1.0");
}

#[test]
fn a_package_comes_from_the_release_that_is_named() {
    let Some(site) = Site::new(
        "package \"demo-multi\" { release = \"demo-backports\" }\n\
         repository \"backports\" { uris = \"file:///srv/backports\", suites = \"./\", trusted = true }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must(
        "mkdir /srv/backports; cd /srv/backports; cp /opt/stead-tests/repo/demo-multi_1.1_all.deb .; \
         awk 'BEGIN { RS = \"\"; ORS = \"\\n\\n\" } /^Package: demo-multi\\nVersion: 1\\.1/' /opt/stead-tests/repo/Packages > Packages; \
         printf 'Suite: demo-backports\\nCodename: demo-backports\\nSHA256:\\n %s %s Packages\\n' \"$(sha256sum < Packages | cut -d' ' -f1)\" \"$(stat -c %s Packages)\" > Release",
    );
    let plan = site.plan();
    let package = planned(&plan, "package[\"demo-multi\"]");
    assert_eq!(package.change("version").map(|change| change["after"].clone()), Some("1.1".into()), "{}", package.raw);
    assert_eq!(package.change("release").map(|change| change["after"].clone()), Some("demo-backports".into()));
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 1.1\n", "and not the newest");

    site.source("package \"demo-multi\" { state = latest }\n");
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 2.0\n");
    site.source("package \"demo-multi\" { state = latest, release = \"demo-backports\" }\n");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("package-downgrade"), "{output}");
    site.source("package \"demo-multi\" { state = latest, release = \"demo-backports\", downgrade = true }\n");
    site.converge();
    assert_eq!(host.must("demo-multi"), "demo-multi 1.1\n");
    for source in ["package \"demo-lib\" { release = \"demo-backports\" }\n", "package \"demo-lib\" { release = \"nowhere\" }\n"]
    {
        site.source(source);
        let output = site.apply().expect_code(1);
        assert!(output.stdout.contains("unknown-release") && output.stdout.contains("demo-lib"), "{output}");
    }
}
