//! What a machine cannot honour and files that are damaged: told with the resource, the file and its line and a way out, nothing half
//! done, and an undo of what came before still possible.

use crate::site::Site;

/// Plans and applies one resource that cannot be applied, beside one that can, and takes that back.
#[track_caller]
fn assert_told(site: &Site, id: &str, source: &str, code: &str, words: &[&str]) {
    let host = &site.host;
    site.source(&format!("{source}\nfile \"/etc/beside\" {{ content = \"x\\n\" }}\n"));
    let before = host.snapshot();
    let document = site.stead("plan", &["--json"]);
    assert!(!document.stderr.contains("panicked"), "{document}");
    let plan = document.plan();
    let planned = plan.iter().find(|resource| resource.id == id).unwrap_or_else(|| panic!("{id}\n{document}"));
    assert_eq!(planned.raw["error"]["code"], code, "{id}: {}", planned.raw);
    assert!(planned.raw["source"]["file"].as_str().is_some_and(|file| file.ends_with("site.stead")), "{}", planned.raw);
    let text = site.stead("plan", &[]);
    let text = format!("{}{}", text.stdout, text.stderr);
    for word in words.iter().chain(&[id, code]) {
        assert!(text.contains(word), "`{word}` is not in what a user sees\n{text}");
    }
    assert!(text.contains("hint:"), "a way out\n{text}");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");

    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome(id), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/beside\"]"), "changed", "the others go on\n{output}");
    assert_eq!(before.changes(&host.snapshot()), ["+ /etc/beside"], "nothing half done\n{output}");
    let runs = host.stead(&["history", "--json"]).expect_code(0).json();
    let run = runs["runs"][0]["run"].to_string();
    let _ = host.stead(&["undo", run.trim_matches('"'), "--yes"]).expect_code(0);
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "the run is undone all the same");
}

#[test]
fn what_a_machine_does_not_have_is_told() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    assert_told(
        &site,
        "package[\"demo-multi\"]",
        "package \"demo-multi\" { version = \"9.*\" }",
        "unknown-version",
        &["demo-multi", "9.*", "2.0"],
    );
    assert_told(&site, "package[\"no-such-package\"]", "package \"no-such-package\" {}", "unknown-package", &["repository"]);
    assert_told(
        &site,
        "user[\"deploy\"]",
        "user \"deploy\" { shell = \"/usr/bin/zsh\" }",
        "unknown-shell",
        &["/usr/bin/zsh", "/etc/shells"],
    );
    assert_told(&site, "user[\"deploy\"]", "user \"deploy\" { groups = [\"nobodys\"] }", "unknown-group", &["nobodys"]);
    assert_told(&site, "service[\"nothing\"]", "service \"nothing\" { state = running }", "missing-unit", &["nothing.service"]);
    // An account that has such a shell already is its owner's business.
    host.must("useradd -s /usr/bin/gone legacy 2>/dev/null");
    site.source("user \"legacy\" { shell = \"/usr/bin/gone\", comment = \"of old\" }\n");
    site.converge();
}

#[test]
fn a_machine_of_another_init_system_has_no_units() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    // Only what tells the two apart is moved: PID 1 of the host itself goes on.
    host.must(
        "mkdir -p /run/openrc /run/away /etc/beside.d && mount --bind /run/away /run/systemd && mkdir -p /mnt/none && \
         mount --bind /mnt/none /usr/lib/systemd",
    );
    let unit = "unit \"app.service\" { content = \"[Service]\\nExecStart=/bin/true\\n\" }";
    assert_told(&site, "unit[\"app.service\"]", unit, "no-systemd", &["OpenRC", "/etc/init.d"]);
    let timer = "timer \"app\" { on_calendar = \"daily\", command = \"/bin/true\" }";
    assert_told(&site, "timer[\"app\"]", timer, "no-systemd", &["OpenRC", "cron job instead of a timer"]);
    let service = "service \"cron\" { state = running }";
    assert_told(&site, "service[\"cron\"]", service, "service-unavailable", &["systemd", "--except service"]);
}

#[test]
fn damaged_files_are_told_with_their_line() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    let damaged = [
        (
            "cron[\"backup\"]",
            "cron \"backup\" { at = \"@daily\", command = \"backup\" }",
            "/var/spool/cron/crontabs/root",
            "# mine\n0 1 * * * good\n61 * * broken\n",
            3,
        ),
        (
            "cron[\"backup\"]",
            "cron \"backup\" { at = \"@daily\", command = \"backup\", user = \"games\", file = \"backup\" }",
            "/etc/cron.d/backup",
            "0 1 * * *\n",
            1,
        ),
        (
            "mount[\"/mnt\"]",
            "mount \"/mnt\" { device = \"tmpfs\", fstype = \"tmpfs\" }",
            "/etc/fstab",
            "# disks\ntmpfs /tmp tmpfs\n\n/dev/sda1\n",
            4,
        ),
        (
            "ini[\"/etc/app.ini\"]",
            "ini \"/etc/app.ini\" { section = \"main\", settings = { port = 80 } }",
            "/etc/app.ini",
            "[main]\nport = 1\n[broken\n",
            3,
        ),
        (
            "json[\"/etc/app.json\"]",
            "json \"/etc/app.json\" { settings = { port = 80 } }",
            "/etc/app.json",
            "{\n  \"port\": 1,\n  \"x\": tru\n}\n",
            3,
        ),
        (
            "yaml[\"/etc/app.yaml\"]",
            "yaml \"/etc/app.yaml\" { settings = { port = 80 } }",
            "/etc/app.yaml",
            "port: 1\nx: [1,\ny: 2\n",
            3,
        ),
        (
            "toml[\"/etc/app.toml\"]",
            "toml \"/etc/app.toml\" { settings = { port = 80 } }",
            "/etc/app.toml",
            "port = 1\nx = = 2\n",
            2,
        ),
        ("user[\"deploy\"]", "user \"deploy\" {}", "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbroken:x:12\n", 2),
    ];
    for (id, source, path, content, line) in damaged {
        host.must(&format!("cp -a {path} /root/kept 2>/dev/null || rm -f /root/kept"));
        host.write(path, content);
        let mode = if path.starts_with("/var/spool") { "chown root:crontab" } else { "chown root:root" };
        host.must(&format!("{mode} {path}"));
        assert_told(&site, id, source, "malformed-file", &[&format!("{path}:{line}")]);
        assert_eq!(host.read(path).as_deref(), Some(content));
        host.must(&format!("rm -f {path}; [ ! -e /root/kept ] || cp -a /root/kept {path}"));
    }
}

#[test]
fn unsafe_archives_are_told_by_their_entry() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must(
        "mkdir -p /srv/w && cd /srv/w && echo x > good && echo evil > evil && ln -s /etc out && ln -s ../../../etc up \
         && tar -cf /srv/dots.tar --transform 's,^evil,../../etc/evil,' -P good evil \
         && tar -cf /srv/absolute.tar --transform 's,^evil,/etc/evil,' -P good evil \
         && tar -cf /srv/behind.tar good out && mkdir d && echo evil > d/evil && tar -rf /srv/behind.tar --transform 's,^d/,out/,' d/evil \
         && tar -cf /srv/link.tar good up && head -c 700 /srv/dots.tar > /srv/cut.tar && echo nothing > /srv/no.tar",
    );
    for (name, code, entry) in [
        ("dots", "unsafe-archive", "../../etc/evil"),
        ("absolute", "unsafe-archive", "/etc/evil"),
        ("behind", "unsafe-archive", "out"),
        ("link", "unsafe-archive", "up"),
        ("cut", "damaged-archive", "cut.tar"),
        ("no", "damaged-archive", "no.tar"),
    ] {
        let source = format!("archive \"/opt/x\" {{ from = \"/srv/{name}.tar\" }}");
        assert_told(&site, "archive[\"/opt/x\"]", &source, code, &[&format!("/srv/{name}.tar"), entry]);
    }
}
