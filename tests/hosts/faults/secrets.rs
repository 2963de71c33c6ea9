//! Canaries: words that stand in for secrets, looked for in everything that a run leaves or shows, and in every process while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::process::Signal;
use stead_tests::host::STEAD;

use stead_tests::web::{Page, WebServer};

use crate::site::Site;

const FILE: &str = "canary-file-6b1f93";
const STDIN: &str = "canary-stdin-2c77e0";
const ENVIRONMENT: &str = "canary-env-91d4aa";
const HASH: &str = "$6$canaryhash$PZ8yC5dGsLq0qk3pQh1vKp4bV3l6s7yJw8eRtYuIoPaSdFgHjKlZxCvBnM1234567890abcdefghijklmnopqrs";
const OLD: &str = "canary-old-5e0d18";
const CANARIES: [&str; 5] = [FILE, STDIN, ENVIRONMENT, "canaryhash", OLD];

#[test]
fn no_canary_is_found_anywhere_but_where_it_was_asked_for() {
    let Some(site) = Site::new(&format!(
        "file \"/etc/token\" {{ content = secret(\"token = {FILE}\\n\"), mode = 0600, validate = \"sleep 0.2; test -s %s\" }}\n\
         file \"/etc/rendered\" {{ content = \"a\\nurl = ${{secret(\"{FILE}\")}}\\nb\\n\", mode = 0600 }}\n\
         user \"deploy\" {{ password = secret(\"{HASH}\") }}\n\
         exec \"reads\" {{ command = \"sleep 0.3; cat; echo\", stdin = secret(\"{STDIN}\"), unless = \"test -e /srv/done\" }}\n\
         exec \"fails\" {{ command = \"sleep 0.3; cat; echo $TOKEN $TOKEN >&2; exit 1\", stdin = secret(\"{STDIN}\"), env = {{ TOKEN = secret(\"{ENVIRONMENT}\") }}, unless = \"test -e /srv/done\" }}\n\
         exec \"slow\" {{ command = \"touch /srv/slow; sleep 3\", stdin = secret(\"{STDIN}\"), unless = \"test -e /srv/done\", require = [file[\"/etc/token\"]] }}\n"
    )) else {
        return;
    };
    let host = &site.host;
    host.must(&format!("install -m 600 /dev/null /etc/token; echo 'token = {OLD}' > /etc/token; mv /root/site.stead /root/secrets.stead; chmod 600 /root/secrets.stead"));
    let source = "/root/secrets.stead";
    let said = |arguments: &[&str]| {
        let output = host.stead(arguments);
        for canary in CANARIES {
            assert!(!output.stdout.contains(canary) && !output.stderr.contains(canary), "{canary} in {arguments:?}\n{output}");
        }
        output
    };
    said(&["plan", source]);
    said(&["plan", source, "--json"]);
    said(&["plan", source, "--markdown"]);
    said(&["plan", source, "-o", "/root/saved.plan"]);
    said(&["catalog", source, "--json"]);
    said(&["graph", source]);

    let watch = Sampler::start(host.outer_pid());
    said(&["apply", source, "--yes", "--json"]);
    said(&["apply", source, "--yes"]);
    said(&["apply", source, "--yes", "--audit-exec"]);
    let (samples, found) = watch.finish();
    assert_eq!(found, BTreeSet::new(), "a canary in a command line or an environment");
    assert!(samples > 200, "{samples} processes were looked at");
    assert_eq!(host.read("/etc/token"), Some(format!("token = {FILE}\n")));
    assert!(host.must("getent shadow deploy").contains("canaryhash"), "the secrets did arrive");

    // A run that dies of a fault leaves no memory behind: not in a core file, where one would be written.
    host.must("rm -f /srv/slow");
    host.run("ulimit -c unlimited; cd /srv; mkdir control; cd control; sh -c 'kill -ABRT $$'");
    let control = host.must("ls /srv/control | wc -l; rm -r /srv/control");
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    assert!(control.trim() == "1" || pattern.starts_with(['/', '|']), "another program leaves a core here: {pattern}");
    let script = format!("ulimit -c unlimited; cd /srv; exec {STEAD} apply {source} --yes --json > /srv/out 2>&1");
    let process = host.spawn(&["sh", "-c", &script]);
    host.wait_for("the run is in its middle", std::time::Duration::from_secs(20), |host| host.path("/srv/slow").exists());
    process.signal(Signal::ABORT);
    assert_eq!(process.wait().code, 128 + 6);
    assert_eq!(host.must("ls /srv | grep -c core || true").trim(), "0", "core pattern {pattern}");

    said(&["history"]);
    said(&["history", "--json"]);
    host.must("touch /srv/done");
    said(&["apply", source, "--yes", "--json"]);
    let expected: BTreeSet<&str> = ["/etc/rendered", "/etc/shadow", "/etc/shadow-", "/etc/token", "/root/secrets.stead"].into();
    for canary in CANARIES {
        let files = host.must(&format!(
            "grep -rlaF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -e '{canary}' / 2>/dev/null || true"
        ));
        let stray: Vec<&str> = files.lines().filter(|file| !expected.contains(file)).collect();
        assert_eq!(stray, [""; 0], "{canary} is kept");
    }
}

#[test]
fn no_canary_of_the_data_is_found_anywhere_but_where_it_was_asked_for() {
    const TOKEN: &str = "canary-token-83bd10";
    const LISTED: &str = "canary-listed-0f4e77";
    const NESTED: &str = "canary-nested-a91c52";
    let server = WebServer::start();
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    server.put("/file", Page { credentials: Some(format!("deploy:{NESTED}")), ..Page::new("content\n") }.tagged("1"));
    let url = server.url(host, "/file");
    host.write("/root/project/stead.toml", "");
    host.write(
        "/root/project/data/common.yaml",
        format!("app:\n  token: {TOKEN}\n  keys: [{LISTED}]\n  account: {{ name: deploy, password: {NESTED} }}\n"),
    );
    let source = |check: &str| {
        host.write(
            "/root/project/site.stead",
            format!(
                "type Account {{\n  name: String\n  password: Secret<String>\n}}\n\
                 state app(token: Secret<String>, keys: List<Secret<String>>, account: Account) {{\n\
                   file \"/etc/app.token\" {{ content = \"token = ${{token}}\\n\", mode = 0600 }}\n\
                   line \"key\" {{ path = \"/etc/app.conf\", line = \"key = ${{keys[0]}}\", create = true, mode = 0600 }}\n\
                   ini \"/etc/app.ini\" {{ section = \"main\", settings = {{ password = account.password }}, create = true, mode = 0600 }}\n\
                   cron \"app\" {{ at = \"@daily\", command = \"app ${{token}}\" }}\n\
                   exec \"app\" {{ command = \"{check}\", env = {{ TOKEN = token, KEY = keys[0] }} }}\n\
                   download \"/srv/file\" {{ from = \"{url}\", checksum = \"none\", username = account.name, password = account.password }}\n\
                 }}\n\
                 app(token = data.app.token, keys = data.app.keys, account = data.app.account)\n"
            ),
        );
    };
    let said = |arguments: &[&str]| {
        let output = host.stead(arguments);
        for canary in [TOKEN, LISTED, NESTED] {
            assert!(!output.stdout.contains(canary) && !output.stderr.contains(canary), "{canary} in {arguments:?}\n{output}");
        }
        output
    };
    source("echo $TOKEN $KEY >&2; exit 1");
    let project = "/root/project";
    for arguments in [
        &["check", project][..],
        &["plan", project],
        &["plan", project, "--json"],
        &["plan", project, "--markdown"],
        &["plan", project, "-o", "/root/saved.plan"],
        &["catalog", project, "--json"],
        &["graph", project],
        &["why", "file[\"/etc/app.token\"].content", project],
        &["apply", project, "--yes", "--json"],
        &["apply", project, "--yes"],
    ] {
        said(arguments);
    }
    source("test -n $TOKEN");
    let _ = said(&["apply", project, "--yes", "--json"]).expect_code(0);
    assert_eq!(host.read("/etc/app.token"), Some(format!("token = {TOKEN}\n")));
    assert_eq!(host.read("/srv/file").as_deref(), Some("content\n"));
    host.must("echo stolen > /etc/app.token; sed -i s/canary/kanarie/ /etc/app.conf /etc/app.ini");
    for arguments in [
        &["drift", project][..],
        &["drift", project, "--json"],
        &["plan", project],
        &["apply", project, "--yes"],
        &["history"],
        &["history", "--json"],
        &["show", "2"],
        &["show", "4", "--json"],
        &["undo", "4"],
        &["undo", "4", "--yes"],
        &["undo", "3", "--yes", "--json"],
    ] {
        said(arguments);
    }
    let _ = said(&["apply", project, "--yes", "--json"]).expect_code(0);
    let expected: BTreeSet<&str> =
        ["/etc/app.conf", "/etc/app.ini", "/etc/app.token", "/root/project/data/common.yaml", "/var/spool/cron/crontabs/root"]
            .into();
    for canary in [TOKEN, LISTED, NESTED] {
        let files = host.must(&format!(
            "grep -rlaF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -e '{canary}' / 2>/dev/null || true"
        ));
        let stray: Vec<&str> = files.lines().filter(|file| !expected.contains(file)).collect();
        assert_eq!(stray, [""; 0], "{canary} is kept");
        assert!(!files.is_empty(), "{canary} did arrive");
    }
    let log = host.must("journalctl --no-pager -q 2>/dev/null || true");
    assert!(![TOKEN, LISTED, NESTED].iter().any(|canary| log.contains(canary)), "in the system's journal");
}

/// Looks at the command line and the environment of every process of a host, as fast as can be.
struct Sampler {
    stop: Arc<AtomicBool>,
    samples: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<BTreeSet<String>>,
}

impl Sampler {
    fn start(host: u32) -> Self {
        let (stop, samples) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (stop.clone(), samples.clone());
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(&host.to_string());
        let thread = std::thread::spawn(move || {
            let mut found = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let pid = entry.file_name().to_string_lossy().into_owned();
                    if !pid.bytes().all(|byte| byte.is_ascii_digit()) || namespace(&pid) != own {
                        continue;
                    }
                    counted.fetch_add(1, Ordering::Relaxed);
                    for file in ["cmdline", "environ"] {
                        let text = fs::read(entry.path().join(file)).unwrap_or_default();
                        let text = String::from_utf8_lossy(&text);
                        // What a command is given in its environment is there: that is what was asked for.
                        let shown = |canary: &&&str| text.contains(**canary) && !(file == "environ" && **canary == ENVIRONMENT);
                        found.extend(CANARIES.iter().filter(shown).map(|canary| format!("{canary} in {file}: {text}")));
                    }
                }
            }
            found
        });
        Self { stop, samples, thread }
    }

    fn finish(self) -> (u64, BTreeSet<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let found = self.thread.join().expect("the sampler does not panic");
        (self.samples.load(Ordering::Relaxed), found)
    }
}
