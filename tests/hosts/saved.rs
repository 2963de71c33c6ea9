//! Saved plans: bound to the state they saw, and used once.

use crate::site::Site;

const SOURCE: &str = "file \"/etc/one\" { content = \"1\\n\", mode = 0644 }\n\
     file \"/etc/two\" { content = \"2\\n\", require = [file[\"/etc/one\"]] }\n\
     file \"/etc/three\" { content = \"3\\n\" }\n";

#[test]
fn a_saved_plan_is_carried_out_once() {
    let Some(site) = Site::new(SOURCE) else { return };
    let host = &site.host;
    let _ = site.stead("plan", &["-o", "/root/p.plan"]).expect_code(0);
    let _ = host.stead(&["apply", "/root/p.plan"]).expect_code(0);
    assert_eq!(host.read("/etc/two").as_deref(), Some("2\n"));
    site.nothing_is_left();

    host.must("rm /etc/one /etc/two /etc/three");
    let again = host.stead(&["apply", "/root/p.plan"]).expect_code(1);
    assert_eq!(host.read("/etc/one"), None, "a plan is used once\n{again}");
}

#[test]
fn a_saved_plan_stops_where_the_machine_moved_on() {
    let Some(site) = Site::new(SOURCE) else { return };
    let host = &site.host;
    let _ = site.stead("plan", &["-o", "/root/p.plan"]).expect_code(0);
    host.must("echo mine > /etc/one");
    let output = host.stead(&["apply", "/root/p.plan", "--json"]).expect_code(1);
    assert_eq!(host.read("/etc/one").as_deref(), Some("mine\n"), "what was written meanwhile stays\n{output}");
    assert_eq!(output.outcome("file[\"/etc/one\"]"), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/two\"]"), "skipped", "{output}");
    assert_eq!(output.outcome("file[\"/etc/three\"]"), "changed", "{output}");
    assert_eq!(host.read("/etc/two"), None);
    assert_eq!(host.read("/etc/three").as_deref(), Some("3\n"));
}

#[test]
fn a_damaged_plan_is_refused() {
    let Some(site) = Site::new(SOURCE) else { return };
    let host = &site.host;
    let _ = site.stead("plan", &["-o", "/root/p.plan"]).expect_code(0);
    let whole = host.must("wc -c < /root/p.plan");
    let half = whole.trim().parse::<u64>().expect("wc prints a number") / 2;
    host.must(&format!(
        "head -c {half} /root/p.plan > /root/half.plan; : > /root/empty.plan; head -c 4000 /dev/urandom > /root/noise.plan"
    ));
    for damaged in ["/root/half.plan", "/root/empty.plan", "/root/noise.plan"] {
        let output = host.stead(&["apply", damaged]);
        assert!(output.code == 1 || output.code == 2, "{damaged}\n{output}");
        assert!(!output.stderr.contains("panicked"), "{damaged}\n{output}");
    }
    assert_eq!(host.read("/etc/three"), None, "nothing of it was done");
}
