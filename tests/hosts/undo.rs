//! A run is taken back: accounts, packages, services and files of a real server.

use crate::site::{Site, planned};

/// What a run and its undo leave behind: logs, caches and what the tools themselves keep; the account files are compared by themselves.
pub(crate) fn is_kept(line: &str) -> bool {
    const KEPT: [&str; 16] = [
        " /etc/passwd: content",
        " /etc/group: content",
        " /etc/shadow: content",
        " /etc/gshadow: content",
        " /var/log",
        " /var/cache",
        " /var/lib/stead",
        " /var/lib/dpkg",
        " /var/lib/apt",
        " /var/lib/systemd",
        " /etc/passwd-",
        " /etc/group-",
        " /etc/shadow-",
        " /etc/gshadow-",
        " /etc/subuid-",
        " /etc/subgid-",
    ];
    // systemd takes empty directories of links away with the last link of any.
    let is_empty_folder = line.starts_with("- /etc/systemd/system/") && line.ends_with(".wants");
    is_empty_folder || KEPT.iter().any(|kept| line.contains(kept))
}

#[test]
fn a_server_is_what_it_was() {
    let Some(site) = Site::new(
        "group \"ops\" {}\n\
         user \"deploy\" { group = \"ops\", shell = \"/bin/bash\" }\n\
         user \"ann\" { shell = \"/bin/sh\", groups = [\"ops\"], exclusive_groups = true }\n\
         user \"bob\" { state = absent, remove_home = true }\n\
         let web = package \"demo-web\" {}\n\
         file \"/etc/demo-web.d/site.conf\" { content = \"x\\n\", mode = 0644, owner = \"deploy\", group = \"ops\", require = [directory[\"/etc/demo-web.d\"]] }\n\
         directory \"/etc/demo-web.d\" { mode = 0750 }\n\
         file \"/etc/motd\" { content = \"hello\\n\" }\n\
         file \"/etc/issue\" { state = absent }\n\
         service \"ssh\" { state = running, watch = [file[\"/etc/motd\"]] }\n\
         service \"cron\" { state = stopped, enabled = false }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("useradd -m -s /bin/bash -G adm ann && useradd -m bob && echo keep > /home/bob/note && chmod 640 /home/bob/note");
    let before = host.snapshot();
    // The account that the package's script makes stays, as Debian wants it.
    let local = "cat /etc/passwd /etc/group | grep -v ^demo-web: | sort";
    let accounts = host.must(local);
    let cron = host.must("systemctl is-active cron; systemctl is-enabled cron || true");
    site.converge();
    assert!(!before.changes(&host.snapshot()).is_empty());
    let ssh = host.must("systemctl show -p MainPID --value ssh");

    let plan = host.stead(&["undo", "last", "--json"]).expect_code(0).plan();
    let restart = planned(&plan, "service[\"ssh.service\"]");
    assert_eq!(restart.action, "restart", "what the run restarted is restarted again: {}", restart.raw);
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(host.must(local), accounts);
    assert_eq!(host.must("systemctl is-active cron; systemctl is-enabled cron || true"), cron);
    assert_ne!(host.must("systemctl show -p MainPID --value ssh"), ssh);
    assert_eq!(host.read("/home/bob/note").as_deref(), Some("keep\n"));
    let left: Vec<String> = before.changes(&host.snapshot()).into_iter().filter(|line| !is_kept(line)).collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(host.must("dpkg-query -W -f '${Status}' demo-web 2>/dev/null || true"), "");

    // And there again.
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    site.nothing_is_left();
}
