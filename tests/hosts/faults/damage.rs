//! Databases that are damaged, locks that others hold, services that are gone: a clear word, and nothing half done.

use std::time::{Duration, Instant};

use stead_tests::transcript::assert_shown;

use crate::site::Site;

/// Holds the lock of the package database as apt does, for ten seconds. Perl is on every Debian; flock(1) takes another kind of lock.
const HOLD: &str = "use Fcntl; open(F, '+>>', '/var/lib/dpkg/lock-frontend') or die; \
                    my $l = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $l) or die $!; \
                    open(G, '>', '/srv/held'); close G; sleep 10";

/// Plans and applies on a host with a damaged file: the failure names file and line, and nothing is changed.
#[track_caller]
fn assert_told(site: &Site, id: &str, place: &str) {
    let host = &site.host;
    let before = host.snapshot();
    let plan = site.stead("plan", &["--json"]);
    assert!(!plan.stderr.contains("panicked"), "{plan}");
    let planned = plan.plan().into_iter().find(|resource| resource.id == id).unwrap_or_else(|| panic!("{id}\n{plan}"));
    assert!(
        planned.raw["error"]["code"] == "malformed-file" && planned.raw.to_string().contains(place),
        "{place}: {}",
        planned.raw
    );
    assert!(
        planned.raw["error"].to_string().contains("mend") || planned.raw.to_string().contains("status-old"),
        "a way out: {}",
        planned.raw
    );
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome(id), "failed", "{output}");
    assert!(output.stdout.contains(place), "{output}");
    let changed: Vec<String> =
        before.changes(&host.snapshot()).into_iter().filter(|path| !path.contains("/var/lib/stead")).collect();
    assert_eq!(changed, [""; 0], "nothing is changed\n{output}");
}

#[test]
fn a_damaged_database_is_told_with_its_line() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must("cp -a /etc/passwd /root/passwd; cp -a /etc/group /root/group; cp -a /var/lib/dpkg/status /root/status");
    let lines = |path: &str| host.read(path).unwrap_or_default().lines().count();

    site.source("user \"deploy\" {}\n");
    host.must("echo 'broken:x:12' >> /etc/passwd");
    assert_told(&site, "user[\"deploy\"]", &format!("/etc/passwd:{}", lines("/etc/passwd")));
    host.must("cp -a /root/passwd /etc/passwd; printf 'cut:x:1' >> /etc/passwd");
    assert_told(&site, "user[\"deploy\"]", &format!("/etc/passwd:{}", lines("/etc/passwd")));
    host.must("cp -a /root/passwd /etc/passwd; sed -i '2i\\ ghost:x:many:' /etc/group");
    assert_told(&site, "user[\"deploy\"]", "/etc/group:2");
    host.must("cp -a /root/group /etc/group; head -c 512 /dev/zero >> /etc/passwd");
    assert_told(&site, "user[\"deploy\"]", &format!("/etc/passwd:{}", lines("/etc/passwd")));
    host.must("cp -a /root/passwd /etc/passwd");

    site.source("package \"demo-lib\" {}\n");
    // The end is cut off, as a full disk leaves it; a block of zeros, as a power cut of an old file system does.
    host.must(
        "head -c -1200 /root/status > /var/lib/dpkg/status; printf '\\n\\nPackage: cut\\nStatus: insta' >> /var/lib/dpkg/status",
    );
    assert_told(&site, "package[\"demo-lib\"]", "/var/lib/dpkg/status:");
    host.must("cp -a /root/status /var/lib/dpkg/status; printf '\\n' >> /var/lib/dpkg/status; head -c 4096 /dev/zero >> /var/lib/dpkg/status");
    assert_told(&site, "package[\"demo-lib\"]", &format!("/var/lib/dpkg/status:{}", lines("/root/status") + 2));
    host.must("cp -a /root/status /var/lib/dpkg/status");
    site.converge();
}

#[test]
fn a_package_manager_at_work_is_waited_for() {
    let Some(site) = Site::new("package \"demo-lib\" {}\n") else { return };
    let host = &site.host;
    let holder = host.spawn(&["perl", "-e", &HOLD.replace("sleep 10", "sleep 4")]);
    host.wait_for("the lock is held", Duration::from_secs(10), |host| host.path("/srv/held").exists());
    let start = Instant::now();
    let output = site.apply().expect_code(0);
    assert!(start.elapsed() > Duration::from_secs(2), "it waited\n{output}");
    assert_eq!(output.outcome("package[\"demo-lib\"]"), "changed", "{output}");
    let _ = holder.wait();
    site.nothing_is_left();
}

#[test]
fn a_package_manager_that_never_ends_is_named() {
    let Some(site) = Site::new("package \"demo-lib\" {}\n") else { return };
    let host = &site.host;
    // Stead waits for the lock before it starts apt. Here another takes it in between, and the real apt waits for a second only.
    host.write("/srv/hold.pl", HOLD);
    host.must("mv /usr/bin/apt-get /usr/bin/apt-get.real");
    host.write(
        "/usr/bin/apt-get",
        "#!/bin/bash\n\
         case \"$*\" in *Timeout=120*) perl /srv/hold.pl > /dev/null 2>&1 & until test -e /srv/held; do sleep 0.05; done;; esac\n\
         exec /usr/bin/apt-get.real \"${@/Timeout=120/Timeout=1}\"\n",
    );
    host.must("chmod 755 /usr/bin/apt-get");
    let output = site.stead("apply", &["--yes", "--brief"]).expect_code(1);
    assert_shown(include_str!("../../../stdlib/errors/packages-locked.md"), &output.stdout);
    host.must("mv /usr/bin/apt-get.real /usr/bin/apt-get; pkill perl");
    site.converge();
}

#[test]
fn what_an_interrupted_dpkg_left_is_finished_first() {
    let Some(site) = Site::new("package \"demo-web\" {}\npackage \"demo-lib\" {}\n") else { return };
    let host = &site.host;
    host.must("cd /srv; apt-get -q download demo-lib >/dev/null 2>&1; dpkg --unpack demo-lib*.deb");
    assert!(host.must("dpkg-query -W -f '${db:Status-Status}' demo-lib") == "unpacked", "the stage is set");
    site.converge();
    assert_eq!(host.must("dpkg-query -W -f '${db:Status-Status}' demo-lib"), "installed");
    assert_eq!(host.must("dpkg --audit"), "");
}

#[test]
fn a_bus_that_is_gone_fails_services_only() {
    let Some(site) = Site::new("service \"cron\" { state = stopped }\nfile \"/etc/beside\" { content = \"x\\n\" }\n") else {
        return;
    };
    let host = &site.host;
    host.must("mv /run/dbus/system_bus_socket /run/dbus/away");
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("service[\"cron\"]"), "failed", "{output}");
    assert!(output.stdout.contains("service-unavailable"), "{output}");
    assert_eq!(output.outcome("file[\"/etc/beside\"]"), "changed", "{output}");
    host.must("mv /run/dbus/away /run/dbus/system_bus_socket");
    site.converge();
    assert_eq!(host.run("systemctl is-active -q cron").code, 3);
}

#[test]
fn a_command_that_hangs_is_ended_with_everything_it_started() {
    let Some(site) = Site::new(
        "exec \"deaf\" { command = \"trap '' TERM INT HUP; (trap '' TERM; sleep 1001) & sleep 1002; sleep 1003\", timeout = 1s }\n\
         file \"/etc/validated\" { content = \"x\\n\", validate = \"sleep 1004 # %s\", timeout = 1s }\n\
         file \"/etc/beside\" { content = \"x\\n\" }\n",
    ) else {
        return;
    };
    let start = Instant::now();
    let output = site.apply().expect_code(1);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}\n{output}", start.elapsed());
    for id in ["exec[\"deaf\"]", "file[\"/etc/validated\"]"] {
        assert_eq!(output.outcome(id), "failed", "{output}");
    }
    assert!(output.stdout.contains("\"timed-out\"") && output.stdout.contains("it took too long"), "{output}");
    assert_eq!(output.outcome("file[\"/etc/beside\"]"), "changed", "{output}");
    assert_eq!(site.host.read("/etc/validated"), None);
    assert_eq!(site.host.must("ls -A /etc | grep -c validated || true").trim(), "0", "no temporary file is left");
    assert_eq!(site.host.must("pgrep -c -x sleep || true").trim(), "0", "nothing runs on");
}
