//! Secrets: in no plan, diff, event, error or journal, and on the machine only where they were asked for.

use stead_tests::output::Output;

use crate::site::{Site, planned};

const SECRET: &str = "hunter2-4f1c9a";
const OLDER: &str = "hunter1-77d0e3";

fn assert_silent(output: &Output) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(!said.contains(SECRET) && !said.contains(OLDER), "a secret is told\n{output}");
}

#[test]
fn a_secret_is_told_nowhere() {
    let Some(site) = Site::new(&format!(
        "file \"/etc/token\" {{ content = secret(\"token = {SECRET}\\n\"), mode = 0600 }}\n\
         file \"/etc/other\" {{ content = \"url = ${{secret(\"{SECRET}\")}}\\n\", mode = 0600 }}\n"
    )) else {
        return;
    };
    let host = &site.host;
    host.must(&format!("install -m 600 /dev/null /etc/token; echo 'token = {OLDER}' > /etc/token"));

    for arguments in [&["--json"][..], &[][..], &["--markdown"][..], &["-o", "/root/saved.plan"][..]] {
        assert_silent(&site.stead("plan", arguments));
    }
    let plan = site.plan();
    let change = planned(&plan, "file[\"/etc/token\"]").change("content").cloned().unwrap_or_default();
    assert_eq!(change["sensitive"], true, "{change}");

    assert_silent(&site.apply().expect_code(0));
    assert_eq!(host.read("/etc/token"), Some(format!("token = {SECRET}\n")));
    assert_eq!(host.read("/etc/other"), Some(format!("url = {SECRET}\n")));
    assert_eq!(host.stat("/etc/token"), Some((0o600, 0, 0)));
    site.nothing_is_left();

    let found = host.run(&format!("grep -rlF -e {SECRET} -e {OLDER} /var/lib/stead /var/log /run /tmp 2>/dev/null"));
    assert_eq!(found.stdout, "", "a secret is kept");
}

#[test]
fn a_secret_in_an_error_is_not_told() {
    let Some(site) = Site::new(&format!(
        "exec \"login\" {{ command = \"echo the password is $TOKEN >&2; exit 1\", env = {{ TOKEN = secret(\"{SECRET}\") }} }}\n\
         file \"/etc/checked\" {{ content = secret(\"{SECRET}\\n\"), mode = 0600, validate = \"cat %s >&2; false\" }}\n"
    )) else {
        return;
    };
    let output = site.apply().expect_code(1);
    assert_silent(&output);
    assert_silent(&site.stead("apply", &["--yes"]));
    assert_eq!(output.outcome("exec[\"login\"]"), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/checked\"]"), "failed", "{output}");
    assert_eq!(site.host.read("/etc/checked"), None);
    let found = site.host.run(&format!("grep -rlF -e {SECRET} /var/lib/stead 2>/dev/null"));
    assert_eq!(found.stdout, "", "a secret is kept");
}

#[test]
fn what_holds_a_secret_is_not_told_when_something_else_is_to_be_there() {
    let plain = |text: &str| format!("file \"/etc/app\" {{ content = \"{text}\\n\", mode = 0644 }}\n");
    let Some(site) = Site::new(&plain("one")) else { return };
    let host = &site.host;
    host.write("/etc/app", "before\n");
    let _ = site.apply().expect_code(0);
    // Such a mode for a secret is a mistake, of which nothing is to be told here.
    let allowed = "# stead: allow(readable-secret) a test\n";
    let secret = format!("{allowed}file \"/etc/app\" {{ content = secret(\"pw = {SECRET}\\n\"), mode = 0644 }}\n");
    host.write("/root/site.stead", &secret);
    assert_silent(&site.apply().expect_code(0));
    let silent = |arguments: &[&str]| {
        let output = host.stead(arguments);
        assert_silent(&output);
        let kept = host.run(&format!("grep -rlF -e {SECRET} /var/lib/stead 2>/dev/null"));
        assert_eq!(kept.stdout, "", "a secret is kept by {arguments:?}");
        output
    };

    // The run before knew of no secret.
    let _ = silent(&["undo", "1", "--yes"]).expect_code(1);
    let _ = silent(&["undo", "1", "--json"]);
    // Nor does somebody who edits the file, or writes it anew.
    host.write("/root/site.stead", "line \"more\" { path = \"/etc/app\" }\n");
    let _ = silent(&["plan", "/root/site.stead"]).expect_code(0);
    let _ = silent(&["apply", "/root/site.stead", "--yes"]).expect_code(0);
    host.write("/root/site.stead", plain("two"));
    let _ = silent(&["plan", "/root/site.stead", "--json"]).expect_code(0);
    let _ = silent(&["plan", "/root/site.stead"]).expect_code(0);
    let _ = silent(&["apply", "/root/site.stead", "--yes"]).expect_code(0);
    let _ = silent(&["show", "last"]).expect_code(0);
    let _ = silent(&["undo", "last", "--yes"]);
    assert_eq!(host.read("/etc/app").as_deref(), Some("two\n"), "what was not kept does not come back");

    // What is there by now is no secret.
    host.write("/root/site.stead", plain("three"));
    let output = silent(&["plan", "/root/site.stead"]).expect_code(0);
    assert!(output.stdout.contains("-two") && output.stdout.contains("+three"), "{output}");
    let _ = silent(&["undo", "1", "--force", "--yes"]).expect_code(0);
    assert_eq!(host.read("/etc/app").as_deref(), Some("before\n"));

    // A forced undo takes the secret away, and keeps nothing of it.
    host.write("/root/site.stead", &secret);
    let _ = silent(&["apply", "/root/site.stead", "--yes"]).expect_code(0);
    let _ = silent(&["undo", "1", "--force", "--yes"]).expect_code(0);
    assert_eq!(host.read("/etc/app").as_deref(), Some("before\n"));
    let _ = silent(&["undo", "last", "--yes"]);
}
