//! The hosts themselves: what every other test here stands on.

use std::time::Duration;

use stead_tests::host::Host;

#[test]
fn a_host_is_a_machine_of_its_own() {
    let Some(host) = Host::boot() else { return };
    assert_eq!(host.must("hostname").trim(), host.name());
    assert_eq!(host.must("cat /proc/1/comm").trim(), "systemd");
    assert_eq!(host.must("systemctl is-active dbus ssh").lines().collect::<Vec<_>>(), ["active", "active"]);
    assert_eq!(host.run("exit 7").code, 7);
    assert!(host.must("apt-cache policy demo-web").contains("Candidate: 2.1"));
    host.must("apt-get install -q -y demo-web");
    assert!(host.services().iter().any(|(unit, pid)| unit == "demo-web.service" && *pid > 1));
}

#[test]
fn a_snapshot_is_quiet_on_an_idle_host_and_tells_each_kind_of_change() {
    let Some(host) = Host::boot() else { return };
    host.write("/srv/a", "one\n");
    let before = host.snapshot();
    assert!(before.0.len() > 5000, "the whole root is in it");
    assert_eq!(before.changes(&host.snapshot()), [""; 0]);
    host.must("chmod 600 /srv/a; touch /srv/b; rm /etc/issue; echo x >> /etc/motd; chown 7 /srv");
    assert_eq!(
        before.changes(&host.snapshot()),
        [
            "- /etc/issue",
            "~ /etc/motd: content",
            "~ /srv: owner (0, 0) is now (7, 0)",
            "~ /srv/a: mode 0644 is now 0600",
            "+ /srv/b",
        ]
    );
}

#[test]
fn a_power_cut_ends_every_process_and_keeps_the_disk() {
    let Some(mut host) = Host::boot_with_disk() else {
        return;
    };
    host.must("echo kept > /root/kept; systemd-run --quiet sleep 1000");
    host.power_cycle();
    assert_eq!(host.read("/root/kept").as_deref(), Some("kept\n"));
    assert_ne!(host.run("pgrep -x sleep").code, 0);
}

#[test]
fn a_process_on_a_host_can_be_killed() {
    let Some(host) = Host::boot() else { return };
    let process = host.spawn(&["sh", "-c", "sleep 1000; true"]);
    host.wait_for("sleep to run", Duration::from_secs(5), |host| host.run("pgrep -x sleep").code == 0);
    assert!(process.kill(true));
    assert_eq!(process.wait().code, 128 + 9);
    host.wait_for("sleep to end", Duration::from_secs(5), |host| host.run("pgrep -x sleep").code != 0);
}
