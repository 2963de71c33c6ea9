//! The live system for real: settings of the kernel, units, names and times. What a host cannot have of its own, for it shares the kernel
//! with the machine it is on (modules, swap), is left to the plan cases of the types' pages.

use crate::site::{Site, planned};

#[test]
fn a_setting_of_the_kernel_is_set_and_kept() {
    let Some(site) = Site::new(
        "sysctl \"net.core.somaxconn\" { value = 2048, file = \"/etc/sysctl.d/60-demo.conf\" }\n\
         sysctl \"net.ipv4.ip_forward\" { value = true, file = \"/etc/sysctl.d/60-demo.conf\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("sysctl -w net.core.somaxconn=100 net.ipv4.ip_forward=0");
    let before = host.snapshot();
    let plan = site.plan();
    assert_eq!(planned(&plan, "sysctl[\"net.core.somaxconn\"]").action, "update");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    assert_eq!(host.must("cat /proc/sys/net/core/somaxconn").trim(), "100");
    site.converge();
    assert_eq!(host.must("cat /proc/sys/net/core/somaxconn").trim(), "2048");
    assert_eq!(host.must("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    let mut kept: Vec<String> = host.read("/etc/sysctl.d/60-demo.conf").unwrap_or_default().lines().map(str::to_owned).collect();
    kept.sort();
    assert_eq!(kept, ["net.core.somaxconn = 2048", "net.ipv4.ip_forward = 1"], "two edits of one file do not lose each other");

    host.must("sysctl -w net.core.somaxconn=7");
    assert_eq!(planned(&site.plan(), "sysctl[\"net.core.somaxconn\"]").changes.len(), 1, "only the kernel has drifted");
    site.converge();

    // What the kernel refuses is not kept in the file.
    site.source("sysctl \"net.core.somaxconn\" { value = \"many\", file = \"/etc/sysctl.d/60-demo.conf\" }\n");
    let failed = site.apply().expect_code(1);
    assert!(failed.stdout.contains("write-failed"), "{failed}");
    assert!(host.read("/etc/sysctl.d/60-demo.conf").is_some_and(|kept| kept.contains("somaxconn = 2048")));
}

#[test]
fn a_unit_a_drop_in_and_a_service_that_counts_on_them() {
    let source = |limit: u32| {
        format!(
            "file \"/usr/local/bin/demo-beat\" {{ content = \"#!/bin/sh\\nwhile :; do sleep 60; done\\n\", mode = 0755 }}\n\
             unit \"demo-beat\" {{ sections = {{ Unit = {{ Description = \"Heartbeat\" }}, Service = {{ ExecStart = \"/usr/local/bin/demo-beat\", \
             Restart = \"on-failure\" }}, Install = {{ WantedBy = \"multi-user.target\" }} }} }}\n\
             unit \"limits\" {{ name = \"demo-beat\", drop_in = \"10-limits\", sections = {{ Service = {{ LimitNOFILE = {limit} }} }} }}\n\
             service \"demo-beat\" {{ state = running, enabled = true, watch = [unit[\"demo-beat\"], unit[\"limits\"]] }}\n"
        )
    };
    let Some(site) = Site::new(&source(4096)) else { return };
    let host = &site.host;
    let limit = |host: &stead_tests::host::Host| host.must("systemctl show -p LimitNOFILE --value demo-beat").trim().to_owned();
    site.converge();
    assert_eq!(host.must("systemctl is-active demo-beat").trim(), "active");
    assert_eq!(host.must("systemctl is-enabled demo-beat").trim(), "enabled");
    assert_eq!(limit(host), "4096");

    // systemd has read the drop-in, and the service is restarted with it.
    site.source(&source(8192));
    let plan = site.plan();
    assert_eq!(planned(&plan, "unit[\"limits\"]").action, "update");
    assert_eq!(planned(&plan, "service[\"demo-beat\"]").action, "restart");
    site.converge();
    assert_eq!(limit(host), "8192");
    assert_eq!(host.must("systemctl show -p NeedDaemonReload --value demo-beat").trim(), "no");

    // Without any service: read all the same. One that is gone is forgotten.
    site.source("unit \"demo-beat\" { state = absent }\nservice \"demo-beat\" { state = stopped, enabled = false }\n");
    site.converge();
    assert_eq!(host.run("systemctl cat demo-beat").code, 1);
    assert_eq!(
        host.read("/etc/systemd/system/demo-beat.service.d/10-limits.conf").as_deref(),
        Some("[Service]\nLimitNOFILE=8192\n")
    );
}

#[test]
fn systemd_reads_the_units_of_an_apply_once() {
    let units: String = (0..20)
        .map(|index| format!("unit \"demo-{index}\" {{ content = \"[Service]\\nExecStart=/bin/true\\nType=oneshot\\n\" }}\n"))
        .collect();
    let Some(site) = Site::new(&units) else { return };
    let host = &site.host;
    let reloads = || -> usize {
        let log = host.must("journalctl -q -b --no-pager -o cat _PID=1 | grep -c '^Reloading' || true");
        log.trim().parse().expect("a number")
    };
    host.must("systemctl cat demo-0 2>/dev/null || true");
    let before = reloads();
    site.converge();
    let after = reloads();
    assert!(after - before <= 2, "{} reloads for twenty units", after - before);
    assert_eq!(host.must("systemctl show -p LoadState --value demo-7").trim(), "loaded");
}

#[test]
fn a_timer_runs_its_command() {
    let Some(site) = Site::new(
        "user \"batch\" { home = \"/var/lib/batch\", create_home = true }\n\
         timer \"demo-tick\" { on_active = 1s, accuracy = 1s, user = \"batch\", environment = { WHAT = \"50 % of $it\" },\n\
           command = \"echo \\\"$WHAT by $(id -un)\\\" > $HOME/tick\" }\n\
         timer \"demo-night\" { on_calendar = [\"Mon..Fri 03:30\", \"*-*-01 04:00\"], persistent = true, command = [\"/bin/true\", \"a b\"] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    site.converge();
    host.wait_for("the timer to elapse", std::time::Duration::from_secs(20), |host| host.read("/var/lib/batch/tick").is_some());
    assert_eq!(host.read("/var/lib/batch/tick").as_deref(), Some("50 % of $it by batch\n"));
    assert_eq!(host.must("systemctl is-enabled demo-night.timer").trim(), "enabled");
    assert!(host.must("systemctl list-timers --all --no-pager").contains("demo-night.timer"));
    assert_eq!(host.must("systemd-analyze verify /etc/systemd/system/demo-night.timer 2>&1").trim(), "");

    site.source("timer \"demo-night\" { state = absent }\ntimer \"demo-tick\" { state = absent }\n");
    site.converge();
    assert_eq!(host.run("systemctl is-active demo-night.timer").code, 3);
    assert_eq!(host.read("/etc/systemd/system/demo-night.service"), None);
}

#[test]
fn a_name_a_zone_and_a_language() {
    let Some(site) = Site::new(
        "hostname \"web-1.example.com\" { hosts = true, pretty = \"Web server no. 1\", chassis = vm, location = \"\" }\n\
         timezone \"Europe/Berlin\" { hardware_clock = utc }\n\
         locale \"C.UTF-8\" { default = true, variables = { LC_TIME = \"POSIX\" } }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let before = host.snapshot();
    let plan = site.plan();
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    assert_eq!(planned(&plan, "timezone[\"Europe/Berlin\"]").action, "update");
    site.converge();
    assert_eq!(host.must("hostname").trim(), "web-1.example.com");
    assert_eq!(
        host.must("getent hosts web-1").split_whitespace().collect::<Vec<_>>(),
        ["127.0.1.1", "web-1.example.com", "web-1"]
    );
    assert_eq!(host.must("date -d @0 +%Z").trim(), "CET");
    assert_eq!(host.read("/etc/timezone").as_deref(), Some("Europe/Berlin\n"));
    assert_eq!(host.read("/etc/default/locale").as_deref(), Some("LANG=C.UTF-8\nLC_TIME=POSIX\n"));
    let changes: Vec<String> = before.changes(&host.snapshot());
    let expected = ["/etc/default/locale", "/etc/hostname", "/etc/hosts", "/etc/localtime", "/etc/machine-info", "/etc/timezone"];
    assert!(changes.iter().all(|change| expected.iter().any(|path| change.contains(path))), "{changes:?}");
    assert_eq!(changes.len(), expected.len(), "{changes:?}");
}
