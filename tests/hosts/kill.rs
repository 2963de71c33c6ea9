//! SIGKILL at random moments of an apply: never half a file, a lost mode, a secret readable for a moment or a stuck
//! lock, and the next apply converges.
//!
//! `STEAD_TEST_SEED` and `STEAD_TEST_KILLS` repeat a run or make it longer.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::{Duration, Instant};

use stead_tests::host::{Host, STEAD};
use stead_tests::output::pending;

use crate::site::Site;
use crate::spy::Spy;

/// Files that each apply rewrites, and files that it makes.
const REWRITTEN: usize = 24;
const CREATED: usize = 8;
const OLD_SECRET: &str = "old secret: 4f1c\n";
const NEW_SECRET: &str = "new secret: 9ae2\n";

/// Numbers that look random and are the same again with the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn from_environment() -> Self {
        let seed = std::env::var("STEAD_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed);
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn kills(default: u32) -> u32 {
    std::env::var("STEAD_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(default)
}

fn old_text(index: usize) -> String {
    format!("old {index}\n").repeat(400)
}

fn new_text(index: usize) -> String {
    format!("new {index}\n").repeat(500)
}

/// Permission bits before and after: neither is what a new file gets by itself.
fn modes(index: usize) -> (u32, u32) {
    [(0o640, 0o604), (0o600, 0o755), (0o4750, 0o640), (0o666, 0o440)][index % 4]
}

fn source() -> String {
    let mut source = String::from("directory \"/srv/kill\" { mode = 0755 }\ndirectory \"/srv/kill/new\" { mode = 0755 }\n");
    for index in 0..REWRITTEN {
        let line = format!("new {index}\\n").repeat(500);
        source +=
            &format!("file \"/srv/kill/f{index}\" {{ content = \"{line}\", mode = 0{:o}, owner = \"games\" }}\n", modes(index).1);
    }
    for index in 0..CREATED {
        let line = format!("new {index}\\n").repeat(500);
        source += &format!("file \"/srv/kill/new/c{index}\" {{ content = \"{line}\", mode = 0640 }}\n");
    }
    source += &format!("file \"/srv/kill/secret\" {{ content = secret({NEW_SECRET:?}), mode = 0600 }}\n");
    source += &format!("file \"/srv/kill/new/secret\" {{ content = secret({NEW_SECRET:?}), mode = 0600 }}\n");
    source +=
        "exec \"seen\" { command = \"cp /srv/kill/f0 /srv/seen\", refresh_only = true, watch = [file[\"/srv/kill/f0\"]] }\n";
    source
}

/// Puts everything back to where the apply starts from.
fn reset(host: &Host) {
    let _ = fs::remove_dir_all(host.path("/srv/kill/new"));
    let _ = fs::remove_file(host.path("/srv/seen"));
    for index in 0..REWRITTEN {
        put(host, &format!("/srv/kill/f{index}"), &old_text(index), modes(index).0, 1);
    }
    put(host, "/srv/kill/secret", OLD_SECRET, 0o600, 0);
}

fn put(host: &Host, path: &str, text: &str, mode: u32, owner: u32) {
    let outside = host.path(path);
    let aside = outside.with_extension("put");
    fs::write(&aside, "").and_then(|()| fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))).expect("a file is made");
    fs::write(&aside, text).and_then(|()| chown(&aside, Some(owner), Some(owner))).expect("a file is written");
    fs::set_permissions(&aside, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&aside, &outside))
        .expect("a file is placed");
}

/// Every file is wholly as it was or wholly as it shall be: content, mode and owner.
fn assert_whole(host: &Host, games: u32, moment: &str) {
    let check = |path: String, old: Option<(String, u32, u32)>, new: (String, u32, u32)| {
        let found = host.read(&path).zip(host.stat(&path)).map(|(text, (mode, owner, _))| (text, mode, owner));
        let name = |state: &Option<(String, u32, u32)>| {
            state.as_ref().map(|(text, mode, owner)| {
                format!("{} bytes ({:?}…), mode {mode:04o}, owner {owner}", text.len(), &text[..text.len().min(12)])
            })
        };
        let is_whole = found == old || found.as_ref() == Some(&new);
        assert!(
            is_whole,
            "{path} is {:?} after a kill {moment}; it was {:?} and shall be {:?}",
            name(&found),
            name(&old),
            name(&Some(new))
        );
    };
    for index in 0..REWRITTEN {
        let (before, after) = modes(index);
        check(format!("/srv/kill/f{index}"), Some((old_text(index), before, 1)), (new_text(index), after, games));
    }
    for index in 0..CREATED {
        check(format!("/srv/kill/new/c{index}"), None, (new_text(index), 0o640, 0));
    }
    check("/srv/kill/secret".to_owned(), Some((OLD_SECRET.to_owned(), 0o600, 0)), (NEW_SECRET.to_owned(), 0o600, 0));
    check("/srv/kill/new/secret".to_owned(), None, (NEW_SECRET.to_owned(), 0o600, 0));
}

#[test]
fn a_hundred_kills_leave_every_file_whole() {
    let Some(site) = Site::new(&source()) else { return };
    let host = &site.host;
    host.must("mkdir -p /srv/kill");
    let games: u32 = host.must("id -u games").trim().parse().expect("id prints a number");

    reset(host);
    let start = Instant::now();
    let _ = site.apply().expect_code(0);
    let whole = start.elapsed();
    let tidy = names(host);

    let spy = Spy::on(host, &["/srv/kill", "/srv/kill/new"]);
    let mut random = Random::from_environment();
    let (mut killed, rounds) = (0, kills(100));
    for round in 0..rounds {
        reset(host);
        let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
        process.await_exec("stead");
        let after = Duration::from_micros(random.below(u64::try_from(whole.as_micros()).unwrap_or(u64::MAX).max(1)));
        let moment = format!("{after:?} into round {round}");
        let start = Instant::now();
        while start.elapsed() < after {
            std::hint::spin_loop();
        }
        killed += u32::from(process.kill(true));
        let _ = process.wait();
        assert_whole(host, games, &moment);

        let next = site.apply();
        assert_eq!(next.code, 0, "the apply after a kill {moment} converges\n{next}");
        assert_eq!(names(host), tidy, "nothing is left over from a kill {moment}");
        assert_eq!(host.read("/srv/seen"), Some(new_text(0)), "the reaction that a kill {moment} prevented was still due");
        if round % 10 == 0 {
            site.nothing_is_left();
        }
    }
    site.nothing_is_left();
    let (looks, found) = spy.finish();
    assert_eq!(found, [""; 0], "a secret was readable by another user");
    assert!(looks > 10_000, "the spy looked {looks} times");
    assert!(killed * 2 > rounds, "{killed} of {rounds} kills came before the end");
    journal_is_whole(host);
}

/// Every name below the directory that the runs work in.
fn names(host: &Host) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for directory in ["/srv/kill", "/srv/kill/new"] {
        let entries = fs::read_dir(host.path(directory)).expect("the directory is there");
        names.extend(entries.flatten().map(|entry| format!("{directory}/{}", entry.file_name().to_string_lossy())));
    }
    names.sort();
    names
}

/// The journal's database, with what of it is still in the write-ahead log, passes SQLite's own check.
fn journal_is_whole(host: &Host) {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(host.path("/var/lib/stead")).expect("there is a journal").flatten() {
        if entry.file_name().to_string_lossy().starts_with("journal.db") {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("the journal is copied");
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("journal.db")).expect("the journal opens");
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("the journal is read");
    assert_eq!(verdict, "ok");
}

#[test]
fn a_kill_while_packages_are_installed_is_mended_by_the_next_apply() {
    let Some(site) = Site::new(
        "package [\"demo-slow\", \"demo-chain-a\", \"demo-web\"]\n\
         file \"/etc/demo-web/demo.conf\" { content = \"listen = 127.0.0.1:81\\n\", mode = 0640, require = [package[\"demo-web\"]] }\n\
         service \"demo-web\" { state = running, enabled = true, watch = [file[\"/etc/demo-web/demo.conf\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let mut random = Random::from_environment();
    let rounds = kills(100).div_ceil(20);
    for round in 0..rounds {
        let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
        process.await_exec("stead");
        std::thread::sleep(Duration::from_millis(200 + random.below(2800)));
        // With its children, as a power cut has it, or alone, so that dpkg goes on without it.
        process.kill(round % 2 == 0);
        drop(process);
        let next = site.apply();
        assert_eq!(next.code, 0, "round {round}\n{next}");
        site.nothing_is_left();
        assert_eq!(host.must("dpkg --audit"), "", "round {round}");
        host.must("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge 'demo-*' && rm -rf /etc/demo-web");
    }
}

#[test]
fn a_power_cut_is_told_and_mended() {
    let Some(mut host) = Host::boot_with_disk() else { return };
    let source = "file \"/etc/a\" { content = \"a\\n\", mode = 0640 }\n\
         exec \"long\" { command = \"touch /srv/begun; sleep 5; touch /srv/done\", creates = \"/srv/done\", require = [file[\"/etc/a\"]] }\n\
         file \"/etc/z\" { content = \"z\\n\", require = [exec[\"long\"]] }\n";
    host.write("/root/site.stead", source.replace("sleep 5", "sleep 30"));
    let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes"]);
    host.wait_for("the long command", Duration::from_secs(10), |host| host.path("/srv/begun").exists());
    host.power_cycle();
    drop(process);
    assert_eq!(host.read("/etc/a").as_deref(), Some("a\n"), "what was done is there");
    assert_eq!(host.read("/etc/z"), None);

    host.write("/root/site.stead", source.replace("sleep 5", "true"));
    let next = host.stead(&["apply", "/root/site.stead", "--yes"]).expect_code(0);
    let said = format!("{}{}", next.stdout, next.stderr).to_lowercase();
    assert!(
        said.contains("interrupted") || said.contains("killed") || said.contains("did not finish"),
        "the next run says what became of the last\n{next}"
    );
    assert_eq!(host.read("/etc/z").as_deref(), Some("z\n"));
    let plan = host.stead(&["plan", "/root/site.stead", "--json"]).expect_code(0).plan();
    assert_eq!(pending(&plan), [""; 0]);
}
