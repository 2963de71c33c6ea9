//! A run is taken back: accounts, packages, services and files of a real server.

use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use stead_tests::host::STEAD;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

/// What a run and its undo leave behind: logs, caches and what the tools themselves keep; the account files are compared by themselves.
pub(crate) fn is_kept(line: &str) -> bool {
    const KEPT: [&str; 18] = [
        " /etc/passwd: content",
        " /etc/group: content",
        " /etc/shadow: content",
        " /etc/gshadow: content",
        " /etc/subuid: content",
        " /etc/subgid: content",
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
         user \"carl\" { state = absent }\n\
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
    host.must("useradd -m -s /bin/bash -G adm ann && useradd -m bob && useradd -m carl && echo keep > /home/bob/note && chmod 640 /home/bob/note");
    let before = host.snapshot();
    // The account that the package's script makes stays, as Debian wants it.
    let local = "cat /etc/passwd /etc/group /etc/subuid /etc/subgid | grep -v ^demo-web: | sort";
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

#[test]
fn versions_come_back_where_a_repository_still_has_them() {
    let Some(site) = Site::new("package \"demo-multi\" { version = \"2.0\" }\nfile \"/etc/mark\" { content = \"x\\n\" }\n")
    else {
        return;
    };
    let host = &site.host;
    host.must("apt-get -q install -y demo-multi=1.0");
    let version = || host.must("dpkg-query -W -f '${Version}' demo-multi");
    site.converge();
    assert_eq!(version(), "2.0");
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!((version().as_str(), host.read("/etc/mark")), ("1.0", None));

    // The repository has moved on: that is told, and the rest goes back.
    site.converge();
    host.must(
        "cd /opt/stead-tests/repo && awk 'BEGIN { RS = \"\"; ORS = \"\\n\\n\" } !/^Package: demo-multi\\nVersion: 1\\.0/' Packages > P && mv P Packages && \
         sed -i '/^SHA256:/,$d' Release && printf 'SHA256:\\n %s %s Packages\\n' \"$(sha256sum < Packages | cut -d' ' -f1)\" \"$(stat -c %s Packages)\" >> Release && \
         apt-get -q update",
    );
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(1);
    assert!(undone.stdout.contains("unknown-version"), "{undone}");
    assert_eq!((version().as_str(), host.read("/etc/mark")), ("2.0", None));
}

#[test]
fn a_part_of_a_run_goes_back_after_later_runs() {
    let Some(site) = Site::new(
        "file \"/etc/a\" { content = \"1\\n\" }\nfile \"/etc/b\" { content = \"1\\n\" }\nsysctl \"net.core.somaxconn\" { value = 200 }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("sysctl -w net.core.somaxconn=100");
    site.converge();
    site.source("file \"/etc/a\" { content = \"2\\n\" }\nuser \"ann\" {}\ncron \"job\" { user = \"ann\", at = \"@daily\", command = \"/bin/true\" }\n");
    site.converge();
    site.source("file \"/etc/c\" { content = \"3\\n\" }\n");
    site.converge();

    let read = |path: &str| host.read(path).unwrap_or_default();
    let _ = host.stead(&["undo", "1", "--only", "file[\"/etc/b\"]", "--yes"]).expect_code(0);
    assert_eq!([read("/etc/a"), read("/etc/b"), read("/etc/c")], ["2\n", "", "3\n"]);
    // What a later run has changed as well is named, and nothing is done.
    let refused = host.stead(&["undo", "1", "--yes"]).expect_code(1);
    assert!(refused.stdout.contains("/etc/a") && refused.stdout.contains("run 2"), "{refused}");
    assert_eq!(host.must("sysctl -n net.core.somaxconn").trim(), "200");
    let _ = host.stead(&["undo", "2", "--yes"]).expect_code(0);
    assert_eq!(read("/etc/a"), "1\n");
    assert_eq!(host.run("getent passwd ann; ls /var/spool/cron/crontabs/ann").stdout, "");
    let _ = host.stead(&["undo", "1", "--except", "file[\"/etc/b\"]", "--yes"]).expect_code(0);
    assert_eq!([read("/etc/a"), read("/etc/b"), read("/etc/c")], ["", "", "3\n"]);
    assert_eq!(host.must("sysctl -n net.core.somaxconn").trim(), "100");

    // The journal is cut down to the newest run, which can still be taken back.
    host.must("stead gc --max-size 1B");
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!((read("/etc/a"), host.must("sysctl -n net.core.somaxconn").trim()), ("1\n".to_owned(), "200"));
}

#[test]
fn a_session_that_is_cut_brings_back_what_it_had_changed() {
    let Some(site) = Site::new(
        "file \"/etc/first\" { content = \"x\\n\" }\n\
         service \"ssh\" { state = stopped, require = [file[\"/etc/first\"]] }\n\
         exec \"slow\" { command = \"touch /root/begun; sleep 4\", creates = \"/root/begun\", require = [service[\"ssh\"]] }\n\
         file \"/etc/last\" { content = \"x\\n\", require = [exec[\"slow\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let mut client = Command::new("ssh")
        .args(["-tt", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i"])
        .arg(host.ssh_key())
        .arg(format!("root@{}", host.address()))
        .arg(format!("{STEAD} apply /root/site.stead --yes --confirm-within 2s"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ssh runs");
    host.wait_for("the run to be in the middle", Duration::from_secs(60), |host| host.read("/root/begun").is_some());
    assert_eq!(host.run("systemctl is-active ssh").stdout.trim(), "inactive");
    client.kill().expect("the client is there");
    client.wait().expect("it ends");
    host.wait_for("the machine to be reachable again", Duration::from_secs(120), |host| {
        host.run("systemctl is-active ssh").stdout.trim() == "active" && host.read("/etc/first").is_none()
    });
    assert_eq!(host.read("/etc/last"), None, "nothing more was begun");
    host.wait_for("the undo to end", Duration::from_secs(60), |host| host.stead(&["history"]).stdout.contains("undid run 1"));
    let _ = host.stead(&["plan", "/root/site.stead"]).expect_code(0);
}

#[test]
fn what_is_undone_already_waits_for_no_confirmation() {
    let Some(site) = Site::new("file \"/etc/first\" { content = \"x\\n\" }\nexec \"bad\" { command = \"false\" }\n") else {
        return;
    };
    let host = &site.host;
    let output = site.stead("apply", &["--yes", "--rollback-on-failure", "--confirm-within", "1s"]).expect_code(1);
    assert!(!output.stderr.contains("unless `stead confirm`"), "{output}");
    assert_eq!(host.read("/etc/first"), None);

    // The same by hand, before the guardian looks again.
    let _ = site.stead("apply", &["--yes", "--confirm-within", "4s"]).expect_code(1);
    assert_eq!(host.read("/etc/first").as_deref(), Some("x\n"));
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    host.wait_for("nothing to be confirmed", Duration::from_secs(60), |host| {
        host.stead(&["confirm"]).stderr.contains("error[nothing-to-confirm]")
    });
    host.must("sleep 5");
    assert_eq!(host.read("/etc/first"), None, "an undo is not undone");
    let runs = host.stead(&["history"]).stdout;
    assert_eq!(runs.lines().count(), 4, "two applies and their undos: {runs}");
    let _ = site.stead("apply", &["--yes"]).expect_code(1);
}

#[test]
fn an_undo_that_took_a_package_away_can_be_undone() {
    let Some(site) = Site::new(
        "package \"demo-web\"\n\
         line \"more = 1\" { path = \"/etc/demo-web/demo.conf\", require = [package[\"demo-web\"]] }\n\
         package \"demo-multi\" { version = \"1.0\", hold = true }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let edited = || host.read("/etc/demo-web/demo.conf").is_some_and(|text| text.contains("more = 1"));
    let installed =
        || host.must("dpkg-query -W -f '${Package} ${db:Status-Abbrev};' 'demo-web' 'demo-multi' 2>/dev/null || true");
    site.converge();
    assert!(edited());
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!((installed().as_str(), host.read("/etc/demo-web/demo.conf")), ("", None), "what the run put on hold goes as well");
    // Nobody has touched what the package took along.
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert!(edited(), "{}", installed());
    site.nothing_is_left();
    // What is undone already loses nothing when it is undone again.
    site.source("group \"ops\"\nuser \"deploy\" { group = \"ops\" }\n");
    site.converge();
    let _ = host.stead(&["undo", "4", "--yes"]).expect_code(0);
    let again = host.stead(&["undo", "4", "--yes"]).expect_code(0);
    assert!(again.stdout.contains("nothing to do"), "{again}");
}

#[test]
fn a_service_that_was_reloaded_is_reloaded_again() {
    let Some(site) = Site::new(
        "file \"/etc/motd\" { content = \"hello\\n\" }\nservice \"ssh\" { state = running, reload = true, watch = [file[\"/etc/motd\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    let pid = || host.must("systemctl show -p MainPID --value ssh");
    let before = pid();
    site.converge();
    assert_eq!(pid(), before);
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(pid(), before, "no connection is cut");
}

#[test]
fn what_was_mounted_is_mounted_as_it_was() {
    let Some(site) = Site::new("mount \"/mnt/old\" { state = absent }\n") else { return };
    let host = &site.host;
    host.must("mkdir /mnt/old; mount -t tmpfs -o size=1m,mode=0750 tmpfs /mnt/old");
    let mounted = || host.must("grep -c ' /mnt/' /proc/self/mountinfo || true").trim().to_owned();
    site.converge();
    assert_eq!(mounted(), "0");
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert!(undone.stdout.contains("what was in memory at /mnt/old"), "{undone}");
    assert_eq!(host.stat("/mnt/old").map(|(mode, ..)| mode), Some(0o750), "with the options of the file system itself");

    // A directory that is made for a mount goes with it, whatever is seen there; nothing that Stead has open is in the way.
    host.must("umount /mnt/old; mkdir /srv/from; echo in > /srv/from/inner");
    site.source(
        "mount \"/mnt/new\" { device = \"/srv/from\", options = [\"bind\"], create_directory = true }\n\
         file \"/mnt/new/made\" { content = \"x\\n\" }\n",
    );
    let before = host.snapshot();
    site.converge();
    assert_eq!((mounted().as_str(), host.read("/srv/from/made").as_deref()), ("1", Some("x\n")));
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    let left: Vec<String> = before.changes(&host.snapshot()).into_iter().filter(|line| !is_kept(line)).collect();
    assert_eq!((mounted().as_str(), left), ("0", Vec::new()));
}

#[test]
fn a_timer_that_was_taken_away_runs_again() {
    let Some(site) = Site::new("timer \"tick\" { state = absent }\n") else { return };
    let host = &site.host;
    host.must(
        "cd /etc/systemd/system && printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' > tick.service && \
         printf '[Timer]\\nOnCalendar=yearly\\n\\n[Install]\\nWantedBy=timers.target\\n' > tick.timer && \
         systemctl daemon-reload && systemctl -q enable --now tick.timer",
    );
    let before = host.snapshot();
    site.converge();
    assert_eq!(host.run("systemctl is-active tick.timer").stdout.trim(), "inactive");
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(host.must("systemctl is-active tick.timer; systemctl is-enabled tick.timer"), "active\nenabled\n");
    let left: Vec<String> = before.changes(&host.snapshot()).into_iter().filter(|line| !is_kept(line)).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_a_command_says_it_writes_comes_back_byte_for_byte() {
    let Some(site) = Site::new(
        "exec \"write\" { command = \"echo new >> /srv/known; echo x > /srv/fresh; echo more >> /srv/large; chmod 600 /srv/known\", writes = [\"/srv/known\", \"/srv/fresh\", \"/srv/large\"] }\n\
         file \"/etc/a\" { content = \"1\\n\" }\n\
         exec \"react\" { command = \"cat /etc/a > /srv/reacted\", writes = \"/srv/reacted\", refresh_only = true, watch = [file[\"/etc/a\"]] }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("printf 'a\\000b\\377' > /srv/known; chmod 640 /srv/known; chgrp adm /srv/known; setfattr -n user.note -v kept /srv/known 2>/dev/null || true; truncate -s 65M /srv/large; echo old > /srv/reacted");
    let sum = || host.must("stat -c '%a %G' /srv/known; sha256sum < /srv/known; cat /srv/reacted; ls /srv");
    let before = sum();
    let _ = site.apply().expect_code(0);
    assert_ne!(sum(), before);
    let plan = host.stead(&["undo", "last", "--brief"]);
    assert!(plan.stdout.contains("what /srv/large held was not kept"), "{plan}");
    assert!(plan.stdout.contains("besides what it declares"), "{plan}");
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(sum(), before, "{undone}");
    assert_eq!(host.read("/etc/a"), None);
}

#[test]
fn what_a_command_writes_is_not_kept_where_it_is_secret() {
    const SECRET: &str = "hunter2-9d3e1b";
    let Some(site) = Site::new(&format!(
        "file \"/srv/token\" {{ content = secret(\"{SECRET}\\n\"), mode = 0600 }}\n\
         exec \"copy\" {{ command = \"cat /srv/token >> /srv/copy\", writes = \"/srv/copy\", require = [file[\"/srv/token\"]] }}\n"
    )) else {
        return;
    };
    let host = &site.host;
    let _ = site.apply().expect_code(0);
    // What is there now is the secret.
    let again = site.apply().expect_code(0);
    assert_eq!(again.outcome("exec[\"copy\"]"), "changed", "{again}");
    let undo = host.stead(&["undo", "last", "--yes"]);
    assert!(undo.stdout.contains("what /srv/copy held was not kept, because it may hold secrets"), "{undo}");
    assert!(!undo.stdout.contains(SECRET), "{undo}");
    assert_eq!(host.run(&format!("grep -rlF {SECRET} /var/lib/stead")).stdout, "");
}

#[test]
fn an_undo_of_a_download_with_a_password_tells_it_nowhere() {
    const PASSWORD: &str = "hunter2-5c07aa";
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    server.put("/file", Page { credentials: Some(format!("app:{PASSWORD}")), ..Page::new("new\n") });
    let source = |attributes: &str| {
        format!(
            "download \"/srv/file\" {{ from = \"{}\", username = \"app\", password = secret(\"{PASSWORD}\"), checksum = \"none\"{attributes} }}\n\
             download \"/srv/fresh\" {{ from = \"{}\", username = \"app\", password = secret(\"{PASSWORD}\"), checksum = \"none\" }}\n",
            server.url(host, "/file"),
            server.url(host, "/file")
        )
    };
    site.source(&source(", update = true"));
    host.write("/srv/file", "old\n");
    let mut said = vec![site.stead("plan", &["--json"]), site.converge()];
    assert_eq!(host.read("/srv/file").as_deref(), Some("new\n"));
    assert!(server.take_asked().iter().any(|asked| asked.status == 200 && asked.headers.contains_key("authorization")));
    // Without a word of approval a plan is all there is.
    said.extend([&["undo", "last", "--json"][..], &["undo", "last"]].map(|arguments| host.stead(arguments)));
    said.push(host.stead(&["undo", "last", "--yes", "--json"]).expect_code(0));
    assert_eq!((host.read("/srv/file").as_deref(), host.read("/srv/fresh")), (Some("old\n"), None));
    // The undo is undone: what was fetched comes from the journal, and the server is not asked.
    server.take_asked();
    said.push(host.stead(&["undo", "last", "--yes"]).expect_code(0));
    assert_eq!((host.read("/srv/file").as_deref(), host.read("/srv/fresh").as_deref()), (Some("new\n"), Some("new\n")));
    assert_eq!(server.take_asked().len(), 0);
    site.nothing_is_left();
    for run in ["1", "2", "3"] {
        said.push(host.stead(&["show", run]).expect_code(0));
        said.push(host.stead(&["show", run, "--json"]).expect_code(0));
    }
    said.push(host.stead(&["history", "--json"]).expect_code(0));
    for output in &said {
        assert!(!format!("{}{}", output.stdout, output.stderr).contains(PASSWORD), "{output}");
    }
    // As it is written, and as it is sent.
    let sent = base64::engine::general_purpose::STANDARD.encode(format!("app:{PASSWORD}"));
    let found = host.run(&format!("grep -rlF -e {PASSWORD} -e {sent} /var/lib/stead /var/log /run /tmp /srv 2>/dev/null"));
    assert_eq!(found.stdout, "", "it is kept");
}
