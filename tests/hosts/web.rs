//! The main job, `examples/web`: nginx with typed virtual hosts on a fresh host.

use stead_tests::host::{Host, tests_dir};
use stead_tests::output::{Output, pending};

use crate::site::planned;

const STATUS: &str = "file[\"/etc/nginx/sites-enabled/status.example.com.conf\"]";
const SERVICE: &str = "service[\"nginx\"]";

fn stead(host: &Host, arguments: &[&str]) -> Output {
    let mut command = vec!["env", "-C", "/root/web", stead_tests::host::STEAD];
    command.extend_from_slice(arguments);
    host.spawn(&command).wait()
}

fn get(host: &Host, name: &str, port: u16) -> String {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET / HTTP/1.0\\r\\nHost: {name}\\r\\n\\r\\n' >&3; cat <&3");
    host.spawn(&["bash", "-c", &script]).wait().stdout
}

#[test]
fn the_main_job_is_planned_applied_and_kept() {
    let Some(host) = Host::boot() else { return };
    let example = tests_dir().parent().expect("tests/ lies in the source tree").join("examples/web");
    host.copy_tree(&example, "/root/web");

    // The plan of a fresh host is complete, and looking changes nothing.
    let before = host.snapshot();
    let plan = stead(&host, &["plan", "--json"]).expect_code(0).plan();
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    assert_eq!(planned(&plan, "package[\"nginx\"]").action, "create");
    assert_eq!(planned(&plan, STATUS).action, "create");
    assert!(planned(&plan, STATUS).diff("content").contains("+    listen 8080;"), "{}", planned(&plan, STATUS).raw);
    assert!(pending(&plan).len() >= 12, "{:?}", pending(&plan));

    // It is what happens.
    let applied = stead(&host, &["apply", "--yes", "--json"]).expect_code(0);
    for resource in applied.finished() {
        let said = planned(&plan, &resource.id).action != "none";
        assert_eq!(resource.outcome, if said { "changed" } else { "unchanged" }, "{}: {}", resource.id, resource.raw);
    }
    assert!(get(&host, "docs.example.com", 80).contains("<h1>How it works</h1>"));
    assert!(get(&host, "example.com", 80).contains("<h1>The front page</h1>"), "an alias");
    assert!(get(&host, "status.example.com", 8080).contains("<h1>All is well</h1>"));
    assert_eq!(host.read("/etc/nginx/sites-enabled/default"), None, "the package's own site went");

    // Nothing is left to do, and doing it does nothing.
    let again = stead(&host, &["plan", "--json", "--detailed-exitcode"]);
    assert_eq!(pending(&again.plan()), [""; 0], "{again}");
    assert_eq!(again.code, 0, "{again}");
    let main = host.main_pid("nginx");
    let _ = stead(&host, &["apply", "--yes", "--json"]).expect_code(0);
    assert_eq!(host.main_pid("nginx"), main, "an apply that changes nothing restarts nothing");

    // Somebody changes things by hand: the drift is a diff, and no more is done than to undo it.
    host.must("sed -i s/8080/9090/ /etc/nginx/sites-enabled/status.example.com.conf");
    host.must("chmod 666 /srv/www/docs.example.com/index.html");
    host.must("echo 'server { listen 81; }' > /etc/nginx/sites-enabled/quick-fix.conf");
    let drift = stead(&host, &["plan", "--json"]).expect_code(0).plan();
    let diff = planned(&drift, STATUS).diff("content");
    assert!(diff.contains("-    listen 9090;") && diff.contains("+    listen 8080;"), "{diff}");
    let page = planned(&drift, "file[\"/srv/www/docs.example.com/index.html\"]");
    assert_eq!(page.changes.len(), 1, "{}", page.raw);
    assert!(page.change("mode").is_some(), "{}", page.raw);
    assert_eq!(planned(&drift, SERVICE).action, "restart");
    let text = stead(&host, &["plan"]).expect_code(0).stdout;
    assert!(text.contains("listen 9090") && text.contains("quick-fix.conf"), "{text}");

    let _ = stead(&host, &["apply", "--yes"]).expect_code(0);
    assert_eq!(host.stat("/srv/www/docs.example.com/index.html").map(|(mode, ..)| mode), Some(0o644));
    assert_eq!(host.read("/etc/nginx/sites-enabled/quick-fix.conf"), None);
    assert!(get(&host, "status.example.com", 8080).contains("<h1>All is well</h1>"));
    let last = stead(&host, &["plan", "--json"]).expect_code(0).plan();
    assert_eq!(pending(&last), [""; 0]);
}

#[test]
fn a_configuration_that_nginx_refuses_never_reaches_it() {
    let Some(host) = Host::boot() else { return };
    let example = tests_dir().parent().expect("tests/ lies in the source tree").join("examples/web");
    host.copy_tree(&example, "/root/web");
    let _ = stead(&host, &["apply", "--yes"]).expect_code(0);
    let (good, main) = (host.read("/etc/nginx/nginx.conf"), host.main_pid("nginx"));

    host.must("sed -i 's/^http {/http { nonsense on;/' /root/web/templates/nginx.conf.j2");
    let failed = stead(&host, &["apply", "--yes", "--json"]).expect_code(1);
    assert_eq!(failed.outcome("file[\"/etc/nginx/nginx.conf\"]"), "failed");
    assert!(failed.stdout.contains("nonsense"), "what the check said is passed on\n{failed}");
    assert_eq!(host.read("/etc/nginx/nginx.conf"), good, "the file is as it was");
    assert_eq!(host.main_pid("nginx"), main, "and the service was left alone");
    assert_eq!(host.must("ls -A /etc/nginx | grep -c -e tmp -e stead || true").trim(), "0", "nothing is left beside it");
}
