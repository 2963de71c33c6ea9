//! A secret that is sealed in the data of one host: opened by the operator, and seen by that host alone.

use stead_tests::fleet::Fleet;

const CANARY: &str = "canary-5e1b77";

#[test]
fn a_sealed_secret_of_one_host_is_in_nothing_that_is_said_or_kept() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let [own, other] = &fleet.hosts[..] else { unreachable!("two hosts") };
    let all = fleet.all();
    let site = |port: u16| {
        format!(
            "node \"{}\" {{ file \"/etc/token\" {{ content = \"${{data.token}} {port}\\n\", mode = 0600 }} }}\n\
             node \"{}\" {{ file \"/etc/plain\" {{ content = \"{port}\\n\" }} }}\n",
            own.name(),
            other.name()
        )
    };
    fleet.write("site.stead", &site(1));
    fleet.operator.must(&format!(
        "cd /root/site; stead secret keygen > /root/public; \
         printf '[secrets]\\nrecipients = [\"%s\"]\\n' \"$(cat /root/public)\" > stead.toml; \
         mkdir -p data/node; echo 'host: x' > data/node/{0}.yaml; printf '%s\\n' {CANARY} | stead secret set data/node/{0}.yaml token;",
        own.name()
    ));
    assert!(!fleet.operator.must("cat /root/site/data/node/*.yaml").contains(CANARY));
    let mut said = String::new();
    let saying: [(&str, &[&str]); 9] = [
        ("plan", &["--json"]),
        ("plan", &[]),
        ("plan", &["--markdown"]),
        ("plan", &["--html", "/root/plan.html", "-o", "/root/many.plan"]),
        ("check", &[]),
        ("apply", &["--yes", "--json"]),
        ("apply", &["--yes"]),
        ("plan", &["--json"]),
        ("apply", &["--yes", "--brief"]),
    ];
    for (at, (verb, arguments)) in saying.into_iter().enumerate() {
        if at == 7 {
            fleet.write("site.stead", &site(2));
        }
        let output = fleet.stead(verb, &[&["--on", &all], arguments].concat()).expect_code(0);
        said.push_str(&output.to_string());
    }
    assert!(said.contains("/etc/token") && said.contains("(sensitive)"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
    assert_eq!(own.read("/etc/token"), Some(format!("{CANARY} 2\n")));
    said.clear();
    for arguments in [&["history", "--json"][..], &["show", "1", "--json"], &["show", "2"], &["undo", "2", "--yes", "--json"]] {
        said.push_str(&own.stead(arguments).to_string());
    }
    assert!(!said.contains(CANARY), "{said}");
    // Plan files, pages, journals, logs of rollouts, facts, caches: what is kept anywhere.
    let kept = format!("grep -rlF {CANARY} /var /root /home /tmp /run /etc /srv 2>/dev/null");
    assert_eq!(own.run(&kept).stdout, "/etc/token\n", "only where it was asked for");
    assert_eq!(other.run(&kept).stdout, "");
    assert_eq!(fleet.operator.run(&kept).stdout, "");
    for host in [own, other, &fleet.operator] {
        assert_eq!(host.run(&format!("journalctl --no-pager 2>/dev/null | grep -cF {CANARY}")).stdout.trim(), "0");
        assert_eq!(
            host.run(&format!("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -F {CANARY} | grep -vc grep"))
                .stdout
                .trim(),
            "0"
        );
    }
}
