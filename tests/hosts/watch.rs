//! `apply --watch`: what somebody else changes is put right as it happens, and nothing is done while nothing happens.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use stead_tests::process::HostProcess;

use crate::site::Site;

/// Where the watch writes what it tells.
const LOG: &str = "/root/watch.log";

/// The longest a correction may take on a busy machine; the figure is that of `a_quiet_machine_costs_nothing`.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watching run on a host of its own.
struct Watched {
    site: Site,
    process: HostProcess,
}

impl Watched {
    fn start(source: &str) -> Option<Self> {
        Self::start_with(Site::new(source)?)
    }

    fn start_with(site: Site) -> Option<Self> {
        let command = format!("exec stead apply /root/site.stead --yes --json --watch > {LOG} 2> {LOG}.err");
        let process = site.host.spawn(&["sh", "-c", &command]);
        let watched = Self { site, process };
        watched.wait_long("the watch begins", Duration::from_secs(120), |watched| watched.has("watch_started", |_| true));
        Some(watched)
    }

    fn events(&self) -> Vec<Value> {
        let log = self.site.host.read(LOG).unwrap_or_default();
        // The last line may be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn has(&self, event: &str, fits: impl Fn(&Value) -> bool) -> bool {
        self.events().iter().any(|found| found["event"] == event && fits(found))
    }

    /// How often a resource was put right.
    fn corrections(&self, id: &str) -> usize {
        let events = self.events();
        let begun = events.iter().position(|event| event["event"] == "watch_started").unwrap_or(0);
        let is_correction =
            |event: &&Value| event["event"] == "resource_finished" && event["id"] == id && event["outcome"] == "changed";
        events[begun..].iter().filter(is_correction).count()
    }

    #[track_caller]
    fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait_long(what, PATIENCE, condition);
    }

    #[track_caller]
    fn wait_long(&self, what: &str, patience: Duration, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            let log = || self.site.host.run(&format!("cat {LOG} {LOG}.err")).stdout;
            assert!(start.elapsed() < patience, "waited {patience:?} for: {what}\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Changes something on the host and waits until `right` succeeds there.
    #[track_caller]
    fn mends(&self, change: &str, right: &str) {
        self.site.host.must(change);
        self.wait_for(right, |watched| watched.site.host.run(right).code == 0);
    }

    /// Ends the watch, which must be a clean end, and finds nothing left to do.
    #[track_caller]
    fn end(self) -> Site {
        assert!(self.process.signal(Signal::TERM), "the watch still runs");
        let output = self.process.wait();
        let log = self.site.host.run(&format!("cat {LOG} {LOG}.err")).stdout;
        assert_eq!(output.code, 0, "the watch ends cleanly\n{log}");
        assert!(log.contains("\"watch_ended\""), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.site
    }
}

#[test]
fn files_that_somebody_changes_are_put_right() {
    let Some(watched) = Watched::start(
        "directory \"/srv/app\" { mode = 0750 }\n\
         for i in 1..=20 { file \"/srv/app/f${i}\" { content = \"file ${i}\\n\", mode = 0640, owner = \"root\" } }\n\
         symlink \"/srv/current\" { target = \"/srv/app\" }\n\
         file \"/var/run/through-a-link\" { content = \"x\\n\" }\n\
         directory \"/srv/purged\" { purge = true }\n\
         file \"/srv/purged/kept\" { content = \"kept\\n\" }\n",
    ) else {
        return;
    };
    watched.mends("echo edited > /srv/app/f1", "[ \"$(cat /srv/app/f1)\" = 'file 1' ]");
    watched.mends("printf more >> /srv/app/f2", "[ \"$(cat /srv/app/f2)\" = 'file 2' ]");
    watched.mends("chmod 666 /srv/app/f3", "[ $(stat -c %a /srv/app/f3) = 640 ]");
    watched.mends("chown games /srv/app/f4", "[ $(stat -c %U /srv/app/f4) = root ]");
    watched.mends("rm /srv/app/f5", "[ -e /srv/app/f5 ]");
    watched.mends("echo other > /srv/new; mv /srv/new /srv/app/f6", "[ \"$(cat /srv/app/f6)\" = 'file 6' ]");
    watched.mends("chmod 777 /srv/app", "[ $(stat -c %a /srv/app) = 750 ]");
    watched.mends("ln -sfn /tmp /srv/current", "[ $(readlink /srv/current) = /srv/app ]");
    watched.mends("echo y > /run/through-a-link", "[ \"$(cat /run/through-a-link)\" = x ]");
    watched.mends("touch /srv/purged/stray", "[ ! -e /srv/purged/stray ]");
    watched.mends("mv /srv/app /srv/away", "[ $(ls /srv/app | wc -l) = 20 ]");
    // What was made anew is watched anew.
    watched.mends("echo edited > /srv/app/f7", "[ \"$(cat /srv/app/f7)\" = 'file 7' ]");
    watched.mends("rm -r /srv/app /srv/away", "[ $(ls /srv/app | wc -l) = 20 ]");
    watched.mends("echo edited > /srv/app/f8", "[ \"$(cat /srv/app/f8)\" = 'file 8' ]");
    assert_eq!(watched.corrections("file[\"/srv/app/f20\"]"), 2, "only what was changed is put right");
    assert_eq!(watched.corrections("file[\"/srv/purged/kept\"]"), 0);
    let site = watched.end();
    site.nothing_is_left();
    let runs = site.host.stead(&["history", "--json"]).expect_code(0).json();
    let runs = runs["runs"].as_array().map_or(0, Vec::len);
    assert!(runs > 12, "each correction is a run in the journal: {runs}");
}

#[test]
fn services_accounts_and_packages_are_put_right() {
    let Some(watched) = Watched::start(
        "package \"demo-web\" {}\n\
         package \"demo-chain-a\" {}\n\
         file \"/etc/demo-web/demo.conf\" { content = \"listen = 127.0.0.1:8080\\n\", mode = 0640, require = [package[\"demo-web\"]] }\n\
         service \"demo-web\" { state = running, enabled = true, watch = [file[\"/etc/demo-web/demo.conf\"]] }\n\
         group \"ops\" {}\n\
         user \"deploy\" { shell = \"/bin/bash\", groups = [\"ops\"] }\n\
         exec \"tell\" { command = \"echo told >> /srv/told\", refresh_only = true, watch = [file[\"/etc/demo-web/demo.conf\"]] }\n\
         exec \"always\" { command = \"echo ran >> /srv/ran\" }\n",
    ) else {
        return;
    };
    let active = "systemctl is-active -q demo-web";
    watched.mends("systemctl stop demo-web", active);
    watched.mends("systemctl kill -s KILL demo-web; sleep 0.1", active);
    watched.mends("systemctl disable -q demo-web", "systemctl is-enabled -q demo-web");
    watched.mends("usermod -s /bin/sh deploy", "getent passwd deploy | grep -q :/bin/bash");
    watched.mends("gpasswd -d deploy ops", "id -nG deploy | grep -qw ops");
    watched.mends("userdel deploy", "id deploy");
    watched.mends("dpkg --remove demo-chain-a", "dpkg-query -W -f '${db:Status-Abbrev}' demo-chain-a | grep -q '^ii'");

    let before = watched.site.host.main_pid("demo-web");
    watched.mends("echo 'listen = 127.0.0.1:9' > /etc/demo-web/demo.conf", "grep -q 8080 /etc/demo-web/demo.conf");
    watched.wait_for("what watches the file restarts", |watched| {
        let pid = watched.site.host.main_pid("demo-web");
        pid != 0 && pid != before
    });
    watched.wait_for("what watches the file runs", |watched| {
        watched.site.host.read("/srv/told").is_some_and(|told| told.lines().count() == 2)
    });
    // A purge takes the configuration and the service along: everything comes back, whichever is noticed first.
    watched.mends(
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y purge demo-web",
        "grep -q 8080 /etc/demo-web/demo.conf && systemctl is-active -q demo-web",
    );
    assert_eq!(
        watched.site.host.read("/srv/ran").as_deref(),
        Some("ran\n"),
        "a command that drift has nothing to do with runs once"
    );
    let left = |watched: &Watched| stead_tests::output::pending(&watched.site.plan()).join(" ");
    watched.wait_for("nothing more is left", |watched| left(watched) == "exec[\"always\"]");
    watched.end();
}

#[test]
fn drift_can_be_reported_and_left() {
    let Some(watched) = Watched::start(
        "file \"/etc/reported\" { content = \"x\\n\", on_drift = report }\n\
         file \"/etc/fixed\" { content = \"x\\n\" }\n",
    ) else {
        return;
    };
    let host = &watched.site.host;
    let reported = |event: &Value| event["id"] == "file[\"/etc/reported\"]";
    host.must("echo y > /etc/reported");
    watched.wait_for("the drift is reported", |watched| {
        watched
            .has("drift_found", |event| reported(event) && event["policy"] == "report" && event["changes"][0]["before"] == "y\n")
    });
    watched.mends("echo y > /etc/fixed", "grep -q x /etc/fixed");
    assert_eq!(host.read("/etc/reported").as_deref(), Some("y\n"), "it is left");
    host.must("touch /etc/reported");
    host.must("echo x > /etc/reported");
    watched.wait_for("it is told to be right again", |watched| watched.has("drift_cleared", reported));
    let told = watched.events().into_iter().filter(|event| event["event"] == "drift_found" && reported(event)).count();
    assert_eq!(told, 1, "the same drift is told once");
    assert_eq!(watched.corrections("file[\"/etc/reported\"]"), 0);
    watched.end();
}

#[test]
fn a_writer_that_fights_is_given_up_loudly_and_tried_again() {
    let Some(watched) =
        Watched::start("file \"/etc/fought\" { content = \"mine\\n\" }\nfile \"/etc/calm\" { content = \"x\\n\" }\n")
    else {
        return;
    };
    let host = &watched.site.host;
    let fighter =
        host.spawn(&["sh", "-c", "while :; do grep -q yours /etc/fought || echo yours > /etc/fought; sleep 0.05; done"]);
    let id = "file[\"/etc/fought\"]";
    watched.wait_for("it is given up", |watched| watched.has("warning", |event| event["code"] == "drift-fought"));
    assert_eq!(watched.corrections(id), 5);
    assert!(watched.has("drift_found", |event| event["id"] == id && event["policy"] == "pause" && event["pause_ms"] == 30_000));
    watched.mends("echo y > /etc/calm", "grep -q x /etc/calm");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(watched.corrections(id), 5, "it is left alone");
    assert_eq!(host.read("/etc/fought").as_deref(), Some("yours\n"));
    fighter.kill(true);
    // Nobody fights any more, and nothing changes the file: the pause's end alone brings it back.
    host.wait_for("it is tried again", Duration::from_secs(45), |host| host.read("/etc/fought").as_deref() == Some("mine\n"));
    watched.end().nothing_is_left();
}

#[test]
fn a_watch_shares_the_machine_with_other_applies() {
    let Some(watched) = Watched::start("file \"/etc/shared\" { content = \"x\\n\" }\n") else { return };
    let host = &watched.site.host;
    host.write("/root/other.stead", "exec \"slow\" { command = \"touch /srv/begun; sleep 3\" }\n");
    let other = host.spawn(&["stead", "apply", "/root/other.stead", "--yes"]);
    host.wait_for("the other apply runs", PATIENCE, |host| host.path("/srv/begun").exists());
    host.must("echo y > /etc/shared");
    watched.wait_for("it says who is in the way", |watched| watched.has("warning", |event| event["code"] == "apply-running"));
    assert_eq!(host.read("/etc/shared").as_deref(), Some("y\n"), "nothing is changed beside another apply");
    let output = other.wait();
    assert_eq!(output.code, 0, "the lock is held only while something is put right\n{output}");
    watched.wait_for("it is put right afterwards", |watched| watched.site.host.read("/etc/shared").as_deref() == Some("x\n"));
    let warnings = watched.events().into_iter().filter(|event| event["event"] == "warning").count();
    assert_eq!(warnings, 1, "it is told once");
    watched.end();
}

#[test]
fn what_cannot_be_put_right_is_tried_again() {
    let Some(site) = Site::new("directory \"/mnt/small\" {}\nfile \"/mnt/small/config\" { content = \"0123456789\\n\" }\n")
    else {
        return;
    };
    site.host.must("mkdir -p /mnt/small; mount -t tmpfs -o size=64k tmpfs /mnt/small");
    let Some(watched) = Watched::start_with(site) else { return };
    let host = &watched.site.host;
    host.must(
        "head -c 65536 /dev/zero > /mnt/small/fill; rm /mnt/small/config; head -c 65536 /dev/zero >> /mnt/small/fill; true",
    );
    let id = "file[\"/mnt/small/config\"]";
    watched.wait_for("the failure is told", |watched| {
        watched.has("resource_finished", |event| {
            event["id"] == id && event["outcome"] == "failed" && event["error"]["code"] == "disk-full"
        })
    });
    // Removing the filler changes nothing that is watched: time brings it back.
    watched.mends("rm /mnt/small/fill", "grep -q 0123456789 /mnt/small/config");
    watched.end().nothing_is_left();
}

#[test]
fn a_burst_that_the_kernel_cannot_tell_is_found_by_a_look_at_everything() {
    let Some(site) =
        Site::new("directory \"/srv/many\" {}\nfor i in 1..=200 { file \"/srv/many/f${i}\" { content = \"file ${i}\\n\" } }\n")
    else {
        return;
    };
    let Some(watched) = Watched::start_with(site) else { return };
    let host = &watched.site.host;
    // Stopped, it cannot keep up with anything: more events than the queue holds, and the drift is in the lost part.
    watched.process.signal(Signal::STOP);
    let queue: u32 = host.must("cat /proc/sys/fs/inotify/max_queued_events").trim().parse().expect("a number");
    host.must(&format!("for i in $(seq {}); do : > /srv/many/a; : > /srv/many/b; done; rm /srv/many/a /srv/many/b", queue / 2));
    host.must("echo edited > /srv/many/f200");
    watched.process.signal(Signal::CONT);
    watched
        .wait_for("the lost drift is found", |watched| watched.site.host.read("/srv/many/f200").as_deref() == Some("file 200\n"));
    assert!(watched.has("warning", |event| event["code"] == "watch-overflow"));
    watched.end().nothing_is_left();
}

#[test]
fn a_quiet_machine_costs_nothing() {
    let Some(watched) = Watched::start(
        "directory \"/srv/many\" {}\n\
         for i in 1..=2000 { file \"/srv/many/f${i}\" { content = \"file ${i}\\n\" } }\n\
         service \"cron\" { state = running }\nuser \"games\" {}\npackage \"cron\" {}\n",
    ) else {
        return;
    };
    let spent = |watched: &Watched| -> u64 {
        let pid = watched.process.inner_pid().expect("the watch runs").as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process has a stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // utime and stime, in ticks of 10 ms.
        fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
    };
    // What its own run has stirred is looked at first.
    std::thread::sleep(Duration::from_secs(2));
    let before = spent(&watched);
    std::thread::sleep(Duration::from_secs(10));
    assert!(spent(&watched) - before <= 1, "ticks of 10 ms in 10 s: {}", spent(&watched) - before);
    let mut took: Vec<Duration> = (0..9)
        .map(|round| {
            std::thread::sleep(Duration::from_millis(400));
            let path = watched.site.host.path(&format!("/srv/many/f{}", round * 111 + 1));
            let right = std::fs::read(&path).expect("a file");
            std::fs::write(&path, "edited\n").expect("a file is edited");
            let start = Instant::now();
            while std::fs::read(&path).is_ok_and(|found| found != right) {
                assert!(start.elapsed() < PATIENCE, "round {round}");
                std::thread::yield_now();
            }
            start.elapsed()
        })
        .collect();
    took.sort();
    // How long it takes is a figure of the machine as well: it is told, and measured where nothing else runs.
    println!("put right after {:?} (median of {took:?})", took[took.len() / 2]);
    // An edit is seen once or, where the file was empty for a moment, twice; what the watch itself writes is no drift.
    let corrections: usize = (0..9).map(|round| watched.corrections(&format!("file[\"/srv/many/f{}\"]", round * 111 + 1))).sum();
    assert!((9..=18).contains(&corrections), "{corrections} corrections of 9 edits");
    watched.end().nothing_is_left();
}

#[test]
fn mounts_the_hostname_and_links_of_alternatives_are_put_right() {
    let Some(watched) = Watched::start(
        "mount \"/srv/cache\" { device = \"tmpfs\", fstype = \"tmpfs\", options = \"size=8m\", create_directory = true }\n\
         hostname \"web-1\" {}\n\
         file \"/opt/pager\" { content = \"#!/bin/sh\\n\", mode = 0755 }\n\
         alternatives \"pager\" { path = \"/opt/pager\", link = \"/usr/bin/pager\", priority = 1 }\n",
    ) else {
        return;
    };
    watched.mends("umount /srv/cache", "findmnt /srv/cache");
    watched.mends("umount /srv/cache; touch /srv/cache/below", "findmnt /srv/cache");
    watched.mends("hostname other", "[ $(hostname) = web-1 ]");
    watched.mends("rm /usr/bin/pager", "[ $(readlink /usr/bin/pager) = /etc/alternatives/pager ]");
    watched.mends("ln -sfn /bin/true /usr/bin/pager", "[ $(readlink /usr/bin/pager) = /etc/alternatives/pager ]");
    // What is mounted elsewhere is looked at, and no reason to do anything.
    watched.site.host.must("mkdir /srv/other; mount -t tmpfs tmpfs /srv/other");
    watched.mends("umount /srv/cache", "findmnt /srv/cache");
    assert_eq!(watched.corrections("mount[\"/srv/cache\"]"), 3);
    let site = watched.end();
    site.nothing_is_left();
}
