//! SIGKILL at any moment of an apply that does everything at once: files, parts of files, users, groups, units, packages, commands.
//!
//! `STEAD_TEST_KILLS` is how many; 1,000 take an hour.

use std::time::{Duration, Instant};

use stead_tests::host::{Host, STEAD};

use super::random::{Random, times};
use crate::site::Site;
use crate::spy::Spy;

const SOURCE: &str = r##"
package "demo-web" {}
package "demo-chain-a" {}
file "/etc/demo-web/demo.conf" { content = "listen = 127.0.0.1:8080\n", mode = 0640, require = [package["demo-web"]] }
service "demo-web" { state = running, enabled = true, watch = [file["/etc/demo-web/demo.conf"]] }
group "killed" { gid = 3300 }
user "killed" { uid = 3300, group = "killed", home = "/home/killed", create_home = true, shell = "/bin/bash" }
file "/home/killed/token" { content = secret("secret: 77aa\n"), owner = "killed", group = "killed", mode = 0600 }
for i in 1..=12 { file "/srv/mixed/f${i}" { content = "new ${i}\n" , mode = 0640, owner = "games" } }
line "/etc/mixed.conf" { path = "/etc/mixed.conf", match = r"^setting =", line = "setting = new" }
symlink "/srv/mixed/link" { target = "/srv/mixed/f1" }
exec "seen" { command = "cp /etc/mixed.conf /srv/mixed/seen", refresh_only = true, watch = [line["/etc/mixed.conf"]] }
"##;

fn reset(host: &Host) {
    host.must(
        "systemctl stop -q demo-web 2>/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -q -y purge 'demo-*' >/dev/null 2>&1; \
         rm -rf /etc/demo-web /srv/mixed /home/killed; userdel killed 2>/dev/null; groupdel killed 2>/dev/null; \
         mkdir -p /srv/mixed; for i in 1 2 3 4 5 6; do echo old $i > /srv/mixed/f$i; chmod 604 /srv/mixed/f$i; done; \
         printf 'first\\nsetting = old\\nlast\\n' > /etc/mixed.conf; chmod 640 /etc/mixed.conf; true",
    );
}

fn assert_whole(host: &Host, moment: &str) {
    for index in 1..=12 {
        let path = format!("/srv/mixed/f{index}");
        let found = host.read(&path).zip(host.stat(&path).map(|(mode, ..)| mode));
        let before = (index <= 6).then(|| (format!("old {index}\n"), 0o604));
        assert!(found == before || found == Some((format!("new {index}\n"), 0o640)), "{path} {moment}: {found:?}");
    }
    let line = host.read("/etc/mixed.conf").zip(host.stat("/etc/mixed.conf").map(|(mode, ..)| mode));
    let of = |word: &str| Some((format!("first\nsetting = {word}\nlast\n"), 0o640));
    assert!(line == of("old") || line == of("new"), "{moment}: {line:?}");
    // passwd and its kin are whole: every line has its fields.
    host.must("pwck -r >/dev/null || [ $? -eq 2 ]; grpck -r >/dev/null; awk -F: 'NF != 7 { exit 1 }' /etc/passwd; awk -F: 'NF != 9 { exit 1 }' /etc/shadow");
}

#[test]
fn a_kill_at_any_moment_of_everything_at_once_is_mended_by_the_next_apply() {
    let Some(site) = Site::new(SOURCE) else { return };
    let host = &site.host;
    reset(host);
    let start = Instant::now();
    let _ = site.apply().expect_code(0);
    let whole = start.elapsed();
    site.nothing_is_left();
    host.must("mkdir -p /home/killed /srv/mixed");
    let spy = Spy::on(host, &["/home/killed", "/srv/mixed", "/etc"]);
    let mut random = Random::from_environment();
    let (rounds, mut killed) = (times("STEAD_TEST_KILLS", 12), 0);
    for round in 0..rounds {
        reset(host);
        let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
        process.await_exec("stead");
        let after = Duration::from_micros(random.below(u64::try_from(whole.as_micros()).unwrap_or(u64::MAX)));
        let moment = format!("after a kill {after:?} into round {round}");
        std::thread::sleep(after);
        // With everything it has started, as a power cut has it, or alone, so that dpkg and useradd go on without it.
        killed += u32::from(process.kill(round % 2 == 0));
        drop(process);
        assert_whole(host, &moment);
        // A second kill soon after, at times: what clears up may be killed as well.
        if random.below(3) == 0 {
            let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
            process.await_exec("stead");
            std::thread::sleep(Duration::from_millis(random.below(300)));
            process.kill(true);
            drop(process);
            assert_whole(host, &moment);
        }
        let next = site.apply();
        assert_eq!(next.code, 0, "the apply {moment}\n{next}");
        site.nothing_is_left();
        assert_eq!(host.must("dpkg --audit"), "", "{moment}");
        assert_eq!(
            host.read("/srv/mixed/seen").as_deref(),
            Some("first\nsetting = new\nlast\n"),
            "the reaction was still due {moment}"
        );
        let strays = host.must("ls -A /srv/mixed | grep -v -E '^(f[0-9]+|link|seen)$' || true");
        assert_eq!(strays, "", "{moment}");
        let locks = host.must("ls /etc/passwd.lock /etc/group.lock /etc/shadow.lock 2>/dev/null || true");
        assert_eq!(locks, "", "{moment}");
    }
    let (looks, found) = spy.finish();
    assert_eq!(found, [""; 0], "a secret was readable by another user");
    assert!(looks > 1000, "the spy looked {looks} times");
    assert!(killed * 2 > rounds, "{killed} of {rounds} kills came before the end");
}
