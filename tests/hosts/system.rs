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

    // The same with services of them that are to start with the machine.
    let services: String = (0..8)
        .map(|index| {
            format!(
                "unit \"more-{index}\" {{ content = \"[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n\" }}\n\
                 service \"more-{index}\" {{ state = running, enabled = true }}\n"
            )
        })
        .collect();
    site.source(&services);
    let before = reloads();
    site.converge();
    let count = reloads() - before;
    assert!(count <= 4, "{count} reloads for eight services");
    assert!(host.must("systemctl show -p Wants --value multi-user.target").contains("more-7.service"), "systemd knows it");
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

#[test]
fn file_systems_are_mounted_in_their_order_and_unmounted() {
    let source = |options: &str| {
        format!(
            "file \"/srv/cache/x\" {{ content = \"x\\n\" }}\n\
             mount \"/srv/cache\" {{ device = \"tmpfs\", fstype = \"tmpfs\", options = \"{options}\" }}\n\
             directory \"/srv/cache\" {{}}\n\
             mount \"/srv/shown\" {{ device = \"/srv/cache\", options = [\"bind\"], create_directory = true }}\n"
        )
    };
    let Some(site) = Site::new(&source("size=8m,mode=0755,nodev")) else { return };
    let host = &site.host;
    let before = host.snapshot();
    site.plan();
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!(host.must("findmnt -no FSTYPE /srv/cache").trim(), "tmpfs");
    assert_eq!(
        host.read("/srv/shown/x").as_deref(),
        Some("x\n"),
        "the file is in the mounted file system, and shown by the bind"
    );
    assert!(
        host.read("/etc/fstab").is_some_and(|table| table.contains("tmpfs\t/srv/cache\ttmpfs\tsize=8m,mode=0755,nodev\t0 0\n"))
    );
    assert_eq!(host.must("systemctl show -p LoadState --value srv-cache.mount").trim(), "loaded", "systemd has read the table");

    // Options are put into force in place.
    site.source(&source("size=16m,mode=0755,nodev,noexec"));
    assert_eq!(planned(&site.plan(), "mount[\"/srv/cache\"]").action, "update");
    site.converge();
    assert!(host.must("findmnt -no OPTIONS /srv/cache").contains("noexec"));
    assert_eq!(host.read("/srv/cache/x").as_deref(), Some("x\n"), "nothing was unmounted");

    // A file system in use is not unmounted, and the table is kept.
    let busy = host.spawn(&["sh", "-c", "cd /srv/cache && sleep 1000"]);
    host.wait_for("a process to sit there", std::time::Duration::from_secs(5), |host| {
        host.run("ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q /srv/cache").code == 0
    });
    site.source("mount \"/srv/shown\" { state = absent }\nmount \"/srv/cache\" { state = absent }\n");
    let failed = site.apply().expect_code(1);
    assert_eq!(failed.outcome("mount[\"/srv/cache\"]"), "failed", "{failed}");
    assert!(host.read("/etc/fstab").is_some_and(|table| table.contains("/srv/cache")));
    assert!(busy.kill(true));
    site.converge();
    assert_eq!(host.run("findmnt /srv/cache").code, 1);
    assert_eq!(host.read("/srv/cache/x"), None);
    assert!(host.read("/etc/fstab").is_none_or(|table| !table.contains("/srv/")));
}

#[test]
fn swap_is_refused_where_the_kernel_cannot_swap() {
    let Some(site) = Site::new("swap \"/swapfile\" { size = 1MiB }\n") else { return };
    let failed = site.apply().expect_code(1);
    assert!(failed.stdout.contains("unfit-for-swap"), "{failed}");
    assert_eq!(site.host.run("test -e /swapfile").code, 1);
    assert!(site.host.read("/etc/fstab").is_none_or(|table| !table.contains("swap")));
}

#[test]
fn a_program_is_chosen_among_alternatives() {
    let Some(site) = Site::new(
        "file \"/opt/more/pager\" { content = \"#!/bin/sh\\ncat\\n\", mode = 0755, require = [directory[\"/opt/more\"]] }\n\
         directory \"/opt/more\" {}\n\
         alternatives \"pager\" { path = \"/opt/more/pager\", link = \"/usr/bin/pager\", priority = 1 }\n\
         alternatives \"greeter\" { path = \"/opt/more/pager\", link = \"/usr/bin/greeter\", priority = 5, slaves = { \"greeter.conf\" = \
           { link = \"/etc/greeter.conf\", path = \"/etc/hostname\" } } }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let before = host.must("readlink /etc/alternatives/pager");
    assert_ne!(before.trim(), "/opt/more/pager");
    site.converge();
    assert_eq!(host.must("readlink -f /usr/bin/pager").trim(), "/opt/more/pager");
    assert_eq!(host.must("readlink -f /usr/bin/greeter").trim(), "/opt/more/pager");
    assert_eq!(host.must("readlink -f /etc/greeter.conf").trim(), "/etc/hostname");
    assert!(host.must("update-alternatives --query pager").contains("Status: manual"));

    // The links themselves are looked at.
    host.must("rm /usr/bin/pager; ln -sf /bin/true /usr/bin/greeter");
    let plan = site.plan();
    for id in ["alternatives[\"pager\"]", "alternatives[\"greeter\"]"] {
        assert_eq!(planned(&plan, id).action, "update", "{plan:?}");
    }
    site.converge();
    assert_eq!(host.must("readlink /usr/bin/pager /usr/bin/greeter"), "/etc/alternatives/pager\n/etc/alternatives/greeter\n");

    site.source("alternatives \"pager\" { auto = true }\nalternatives \"greeter\" { state = absent }\n");
    site.converge();
    assert_eq!(host.must("readlink /etc/alternatives/pager"), before);
    assert_eq!(host.run("test -e /usr/bin/greeter -o -e /etc/alternatives/greeter").code, 1);
}

#[test]
fn a_module_that_is_not_there_is_an_error_of_the_plan() {
    let Some(site) = Site::new("kernel_module \"no-such-module\" { options = { a = 1 } }\n") else { return };
    let failed = site.apply().expect_code(1);
    assert!(failed.stdout.contains("unknown-module"), "{failed}");
    assert_eq!(site.host.run("test -e /etc/modprobe.d/no-such-module.conf").code, 1);
}

#[test]
fn what_is_no_file_is_undone_as_well() {
    let Some(site) = Site::new(
        "sysctl \"net.core.somaxconn\" { value = 2048 }\n\
         hostname \"web-1\" {}\n\
         timezone \"Europe/Berlin\" {}\n\
         mount \"/srv/cache\" { device = \"tmpfs\", fstype = \"tmpfs\", create_directory = true }\n\
         timer \"demo-night\" { on_calendar = \"daily\", command = \"/bin/true\" }\n\
         file \"/opt/pager\" { content = \"#!/bin/sh\\n\", mode = 0755 }\n\
         alternatives \"pager\" { path = \"/opt/pager\", link = \"/usr/bin/pager\", priority = 1 }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("sysctl -w net.core.somaxconn=100");
    let (before, name) = (host.snapshot(), host.must("hostname"));
    site.converge();
    assert_eq!(host.must("findmnt -no FSTYPE /srv/cache").trim(), "tmpfs");
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    // systemd removes a folder of links when it takes the last one out of it.
    let left: Vec<String> =
        before.changes(&host.snapshot()).into_iter().filter(|line| !line.ends_with(".target.wants")).collect();
    assert_eq!(left, [""; 0], "every file is what it was");
    assert_eq!(host.must("cat /proc/sys/net/core/somaxconn").trim(), "100");
    assert_eq!(host.must("hostname"), name);
    assert_eq!(host.run("findmnt /srv/cache").code, 1);
    assert_eq!(host.run("systemctl is-active demo-night.timer").code, 3);
}
