//! `apply --audit-exec`: what a command writes and does not declare is told, and nothing else.

use serde_json::Value;
use stead_tests::output::Output;

use crate::site::Site;

/// What an audited apply told: `effect path`, by resource and in order.
fn told(output: &Output, id: &str) -> Vec<String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let mut told: Vec<String> = output
        .json_lines()
        .iter()
        .filter(|event| event["event"] == "undeclared_write" && event["id"] == id)
        .map(|event| format!("{} {}", text(event, "effect"), text(event, "path")))
        .collect();
    told.sort();
    told
}

fn audited(site: &Site) -> Output {
    site.stead("apply", &["--yes", "--json", "--audit-exec"])
}

#[test]
fn what_a_command_does_not_declare_is_told() {
    let Some(site) =
        Site::new("exec \"install\" { command = [\"sh\", \"/root/install.sh\"], writes = [\"/srv/app\", \"/etc/app.conf\"] }\n")
    else {
        return;
    };
    let host = &site.host;
    host.must(
        "mkdir -p /srv/old/deep /srv/moved-from /srv/linked; echo x > /srv/old/deep/f; echo x > /srv/edited; echo x > /srv/mode; \
         echo x > /srv/owner; echo x > /srv/moved-from/f; echo x > /srv/replaced; echo x > /srv/read; ln -s /srv/linked /srv/link; \
         echo x > /srv/opened; echo x > /srv/touched; echo x > /srv/short; echo x > /srv/original",
    );
    host.write(
        "/root/install.sh",
        "set -e\n\
         mkdir -p /srv/app/bin; echo 1 > /srv/app/bin/tool; chmod 700 /srv/app; echo c > /etc/app.conf\n\
         mkdir -p /srv/made/below; echo 1 > /srv/made/below/f\n\
         rm -r /srv/old\n\
         cd /srv; echo more >> edited; (chmod 600 mode) & wait; chown games /srv/owner\n\
         mv /srv/moved-from/f /srv/moved-to; echo 2 > /srv/.tmp; mv /srv/.tmp /srv/replaced\n\
         cat /srv/read > /dev/null; : >> /srv/opened; truncate -s 0 /srv/short; touch -d yesterday /srv/touched\n\
         echo 3 > /srv/link/through; ln -s /nowhere /srv/symlink; ln /srv/original /srv/hard; mkfifo /srv/fifo\n\
         echo gone > /srv/passing; rm /srv/passing\n\
         echo tmp > /tmp/left; echo run > /run/left; echo null > /dev/null\n\
         rm /srv/not-there 2> /dev/null || true; mkdir /srv/app 2> /dev/null || true\n\
         sh -c 'sh -c \"echo deep > /srv/deep\"'\n",
    );
    let output = audited(&site).expect_code(0);
    let expected = [
        "changed /srv/edited",
        "changed /srv/mode",
        "changed /srv/owner",
        "changed /srv/replaced",
        "changed /srv/short",
        "changed /srv/touched",
        "created /srv/deep",
        "created /srv/fifo",
        "created /srv/hard",
        "created /srv/linked/through",
        "created /srv/made",
        "created /srv/moved-to",
        "created /srv/symlink",
        "removed /srv/moved-from/f",
        "removed /srv/old",
    ];
    assert_eq!(told(&output, "exec[\"install\"]"), expected, "{output}");
    assert_eq!(output.outcome("exec[\"install\"]"), "changed", "a warning fails nothing");

    host.must("rm -rf /srv/made");
    let text = site.stead("apply", &["--yes", "--audit-exec"]);
    assert!(text.stderr.contains("warning[undeclared-write]"), "{text}");
    assert!(text.stderr.contains("exec[\"install\"] created /srv/made"), "{text}");
}

#[test]
fn an_audited_command_is_the_same_command() {
    let Some(site) = Site::new(
        "exec \"input\" { command = \"cat > /srv/input\", stdin = \"given\\n\", creates = \"/srv/input\" }\n\
         exec \"status\" { command = \"exit 7\", returns = [7], creates = \"/srv\" , unless = \"false\" }\n\
         exec \"fails\" { command = \"echo said >&2; exit 3\" }\n\
         exec \"killed\" { command = \"kill -KILL $$\" }\n\
         exec \"realtime\" { command = [\"sh\", \"-c\", \"trap 'echo caught > /srv/caught' RTMIN+2; kill -s RTMIN+2 $$ 2>/dev/null || kill -36 $$; echo after >> /srv/caught\"], creates = \"/srv/caught\" }\n\
         exec \"user\" { command = \"id -un > /srv/who/am\", user = \"games\", creates = \"/srv/who/am\", env = { A = \"b\" } }\n\
         exec \"setuid\" { command = \"/srv/id > /srv/who/root\", user = \"games\", creates = \"/srv/who/root\" }\n\
         exec \"daemon\" { command = \"setsid sh -c 'echo $$ > /srv/pid; sleep 1; echo alive > /srv/alive; sleep 100' > /dev/null 2>&1 < /dev/null & until [ -s /srv/pid ]; do sleep 0.05; done\", creates = \"/srv/pid\", writes = [\"/srv/alive\"] }\n\
         exec \"slow\" { command = \"sleep 100 & sleep 100\", timeout = 1s, creates = \"/srv/never\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("mkdir -m 777 /srv/who; cp /usr/bin/id /srv/id; chmod 4755 /srv/id");
    let start = std::time::Instant::now();
    let output = audited(&site);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    assert_eq!(output.code, 1);
    let outcome = |name: &str| output.outcome(&format!("exec[\"{name}\"]"));
    for (name, expected) in [
        ("input", "changed"),
        ("fails", "failed"),
        ("killed", "failed"),
        ("realtime", "changed"),
        ("user", "changed"),
        ("setuid", "changed"),
        ("daemon", "changed"),
        ("slow", "failed"),
    ] {
        assert_eq!(outcome(name), expected, "{name}\n{output}");
    }
    assert!(
        output.stdout.contains("said") && output.stdout.contains("exit status 3") && output.stdout.contains("signal 9"),
        "{output}"
    );
    assert_eq!(host.read("/srv/input").as_deref(), Some("given\n"));
    assert_eq!(host.read("/srv/caught").as_deref(), Some("caught\nafter\n"), "a real-time signal arrives");
    assert_eq!(host.read("/srv/who/am").as_deref(), Some("games\n"));
    assert!(host.read("/srv/who/root").is_some_and(|said| said.contains("euid=0")), "{:?}", host.read("/srv/who/root"));
    host.wait_for("what it left behind runs on", std::time::Duration::from_secs(10), |host| host.path("/srv/alive").exists());
    let daemon = host.must("cat /srv/pid");
    assert_eq!(host.must(&format!("grep TracerPid /proc/{}/status | tr -dc 0-9", daemon.trim())), "0", "and is traced no more");
    assert_eq!(host.must("pgrep -c -x sleep || true").trim(), "1", "a command whose time is up is ended with its children");
    assert!(!output.stdout.contains("undeclared_write"), "{output}");
}

#[test]
fn many_threads_and_processes_are_followed() {
    let Some(site) = Site::new(
        "exec \"many\" { command = \"for i in $(seq 60); do (for j in 1 2 3 4 5; do echo $j > /srv/many/$i-$j; done) & done; wait\", writes = [\"/srv/other\"] }\n",
    ) else {
        return;
    };
    site.host.must("mkdir /srv/many");
    let output = audited(&site).expect_code(0);
    assert_eq!(told(&output, "exec[\"many\"]").len(), 300, "{}", output.stderr);
    assert_eq!(site.host.must("ls /srv/many | wc -l").trim(), "300");
}
