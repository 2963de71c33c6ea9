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
