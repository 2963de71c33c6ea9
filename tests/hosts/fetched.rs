//! What comes from elsewhere: archives, downloads, repositories, working trees.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpListener;

use stead_tests::host::Host;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

/// A host with a tar of a small application at `/srv/app.tar.gz`.
fn with_archive(source: &str) -> Option<Site> {
    let site = Site::new(source)?;
    site.host.must(
        "mkdir -p /srv/w/app-1/bin /srv/w/app-1/etc && cd /srv/w \
         && printf '#!/bin/sh\\necho 1\\n' > app-1/bin/app && chmod 755 app-1/bin/app && ln -s bin/app app-1/run \
         && echo 'level = debug' > app-1/etc/app.conf && chmod 640 app-1/etc/app.conf && ln app-1/etc/app.conf app-1/etc/same.conf \
         && tar -czf /srv/app.tar.gz --owner=33 --group=33 app-1 && rm -r /srv/w",
    );
    Some(site)
}

#[test]
fn an_archive_is_unpacked_compared_put_right_and_taken_away() {
    let Some(site) = with_archive("archive \"/opt/app\" { from = \"/srv/app.tar.gz\" }\n") else { return };
    let host = &site.host;
    let before = host.snapshot();
    site.plan();
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!(host.must("/opt/app/app-1/run"), "1\n");
    let listed = host.must("cd /opt && find app -printf '%p %m %U:%G %y\\n' | sort");
    assert_eq!(
        listed,
        "app 755 0:0 d\napp/app-1 755 0:0 d\napp/app-1/bin 755 0:0 d\napp/app-1/bin/app 755 0:0 f\napp/app-1/etc 755 0:0 d\n\
         app/app-1/etc/app.conf 640 0:0 f\napp/app-1/etc/same.conf 640 0:0 f\napp/app-1/run 777 0:0 l\n"
    );

    host.must("echo other > /opt/app/app-1/etc/app.conf; chmod 600 /opt/app/app-1/bin/app; rm /opt/app/app-1/run; rm -r /opt/app/app-1/etc/same.conf");
    let plan = site.plan();
    let changed = planned(&plan, "archive[\"/opt/app\"]");
    assert_eq!(changed.action, "update");
    assert!(changed.raw.to_string().contains("content of app-1/etc/app.conf"), "{}", changed.raw);
    site.converge();
    assert_eq!(
        host.must("cat /opt/app/app-1/etc/app.conf /opt/app/app-1/etc/same.conf; /opt/app/app-1/run"),
        "level = debug\nlevel = debug\n1\n"
    );

    site.source("archive \"/opt/app\" { from = \"/srv/app.tar.gz\", state = absent }\n");
    host.must("touch /opt/app/app-1/etc/mine");
    site.converge();
    assert_eq!(host.must("find /opt/app -type f -o -type l"), "/opt/app/app-1/etc/mine\n");
}

#[test]
fn an_archive_belongs_to_whom_it_is_said() {
    let Some(site) = with_archive(
        "user \"app\" { uid = 3001 }\n\
         archive \"app\" {\n  from = \"/srv/app.tar.gz\", destination = \"/opt/app\", strip = 1, owner = \"app\", group = \"app\"\n\
         directory_mode = 0750, exclude = \"**/same.conf\"\n}\n\
         file \"/opt/app/etc/app.conf\" { content = \"level = warn\\n\", owner = \"app\", group = \"app\", mode = 0640 }\n",
    ) else {
        return;
    };
    let plan = site.plan();
    let diff = planned(&plan, "file[\"/opt/app/etc/app.conf\"]").diff("content");
    assert!(diff.contains("-level = debug") && diff.contains("+level = warn"), "{diff}");
    site.converge();
    let listed = site.host.must("cd /opt && find app -printf '%p %m %u:%g\\n' | sort");
    assert_eq!(
        listed,
        "app 750 app:app\napp/bin 750 app:app\napp/bin/app 755 app:app\napp/etc 750 app:app\napp/etc/app.conf 640 app:app\n\
         app/run 777 app:app\n"
    );
}

#[test]
fn unsafe_archives_are_refused_and_nothing_is_made() {
    let Some(host) = Host::boot() else { return };
    host.must(
        "mkdir -p /srv/w && cd /srv/w && echo x > good && echo evil > evil && ln -s /etc out && mknod dev c 1 3 \
         && tar -cf /srv/dots.tar --transform 's,^evil,../../etc/evil,' -P good evil \
         && tar -cf /srv/absolute.tar --transform 's,^evil,/etc/evil,' -P good evil \
         && tar -cf /srv/behind.tar good out && mkdir d && echo evil > d/evil && tar -rf /srv/behind.tar --transform 's,^d/,out/,' d/evil \
         && tar -cf /srv/device.tar good dev && head -c 700 /srv/dots.tar > /srv/cut.tar",
    );
    for (name, code) in [
        ("dots", "unsafe-archive"),
        ("absolute", "unsafe-archive"),
        ("behind", "unsafe-archive"),
        ("device", "unsafe-archive"),
        ("cut", "damaged-archive"),
    ] {
        host.write("/root/site.stead", format!("archive \"/opt/x\" {{ from = \"/srv/{name}.tar\" }}\n"));
        let before = host.snapshot();
        let output = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]).expect_code(1);
        assert!(output.stdout.contains(code), "{name}: {output}");
        let changes: Vec<String> =
            before.changes(&host.snapshot()).into_iter().filter(|change| !change.contains("/var/lib/stead")).collect();
        assert_eq!(changes, [""; 0], "{name}");
    }
}

#[test]
fn an_unpacking_that_is_killed_leaves_nothing_half_done() {
    let Some(site) = Site::new("archive \"/opt/big\" { from = \"/srv/big.tar\", creates = \"/opt/big\" }\n") else { return };
    let host = &site.host;
    host.must("mkdir -p /srv/big && cd /srv/big && seq 3000 | split -l 1 -a 4 - f && tar -C /srv -cf /srv/big.tar big && rm -r /srv/big");
    for delay in ["0.02", "0.1", "0.2", "0.3"] {
        host.run(&format!("timeout -s KILL {delay} stead apply /root/site.stead --yes"));
        if host.run("test -e /opt/big").code == 0 {
            assert_eq!(host.must("ls /opt/big/big | wc -l"), "3000\n", "it is there as a whole or not at all");
            host.must("rm -r /opt/big");
        }
    }
    site.converge();
    assert_eq!(
        host.must("ls -A /opt | grep -v stead-tests; ls /opt/big/big | wc -l"),
        "big\n3000\n",
        "what the killed runs left is swept"
    );
}

#[test]
fn a_repository_that_apt_refuses_is_never_written() {
    let source = |trusted: &str| {
        format!(
            "repository \"extra\" {{ uris = \"file:///opt/stead-tests/repo-extra\", suites = \"./\"{trusted} }}\npackage \"demo-tool\" {{}}\n"
        )
    };
    let Some(site) = Site::new(&source("")) else { return };
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("repository-unusable"), "{output}");
    assert_eq!(site.host.read("/etc/apt/sources.list.d/extra.sources"), None);
    assert_eq!(site.host.must("ls /tmp | grep -c stead-apt || true"), "0\n", "nothing is left behind");

    site.source(&source(", trusted = true, priority = 700"));
    let plan = site.plan();
    let raw = planned(&plan, "package[\"demo-tool\"]").raw.to_string();
    assert!(raw.contains("3.3"), "the version comes from the repository's own index: {raw}");
    site.converge();
    assert_eq!(site.host.must("demo-tool"), "demo-tool 3.3\n");

    site.source("repository \"extra\" { state = absent }\n");
    site.converge();
    assert_eq!(
        site.host.must("ls /etc/apt/sources.list.d /etc/apt/preferences.d"),
        "/etc/apt/preferences.d:\n\n/etc/apt/sources.list.d:\nstead-tests.list\n"
    );
}

/// Serves a file from this machine to a host. Each connection gets at most `most` bytes of it.
fn serve(content: Vec<u8>, most: usize) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
            let from =
                request.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
            let rest = &content[from.unwrap_or(0)..];
            let mut head = String::from(if from.is_some() { "HTTP/1.1 206 Partial Content\r\n" } else { "HTTP/1.1 200 OK\r\n" });
            if let Some(from) = from {
                let _ = write!(head, "content-range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len());
            }
            let _ = write!(head, "etag: \"v1\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
            let _ = stream.write_all(head.as_bytes());
            if !request.starts_with("head") {
                let _ = stream.write_all(&rest[..rest.len().min(most)]);
            }
        }
    });
    port
}

#[test]
fn a_download_that_breaks_off_is_taken_up_and_a_wrong_one_is_not_taken() {
    let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    let gateway = format!("{}.1", host.address().rsplit_once('.').expect("an address").0);
    host.write("/srv/expected", &content);
    let sum = host.must("sha256sum /srv/expected | cut -d' ' -f1").trim().to_owned();
    let url = format!("http://{gateway}:{}/file", serve(content, 60_000));
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"sha256:{sum}\", mode = 0750 }}\n"));
    site.converge();
    host.must("cmp /srv/file /srv/expected && test $(stat -c %a /srv/file) = 750");

    let other = sum.chars().rev().collect::<String>();
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"sha256:{other}\" }}\n"));
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("wrong-checksum"), "{output}");
    host.must("cmp /srv/file /srv/expected");
    assert_eq!(host.must("ls -A /srv | grep -c '^[.]stead' || true"), "0\n");

    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"none\", resumes = 0, update = true }}\n"));
    host.must("echo other > /srv/file");
    let output = site.apply();
    assert!(output.stdout.contains("fetch-failed") || output.stderr.contains("fetch-failed"), "{output}");
    assert_eq!(host.read("/srv/file").as_deref(), Some("other\n"), "what broke off does not replace what is there");
}

#[test]
fn an_archive_comes_from_a_server_that_asks_who_wants_it() {
    let Some(site) = with_archive("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let bytes = std::fs::read(host.path("/srv/app.tar.gz")).expect("it was made");
    server.put("/app.tar.gz", Page { credentials: Some("deploy:hunter2".into()), ..Page::new(bytes) });
    let source = |more: &str| {
        let url = server.url(host, "/app.tar.gz");
        site.source(&format!(
            "archive \"/opt/app\" {{ from = \"{url}\", checksum = \"none\", creates = \"/opt/app/app-1\", wait = 5s{more} }}\n"
        ));
    };
    source("");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("fetch-failed") && output.stdout.contains("401"), "{output}");
    source(", username = \"deploy\", password = secret(\"hunter2\"), headers = { Accept = \"application/gzip\" }");
    let output = site.converge();
    assert!(!output.stdout.contains("hunter2"), "{output}");
    assert_eq!(host.must("/opt/app/app-1/run"), "1\n");

    // What is said to come of it does not.
    site.source(&format!(
        "archive \"/opt/other\" {{ from = \"{}\", checksum = \"none\", creates = \"/opt/other/app-2\", username = \"deploy\", password = secret(\"hunter2\") }}\n",
        server.url(host, "/app.tar.gz")
    ));
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("the archive was unpacked, and /opt/other/app-2 is not there"), "{output}");
    assert!(output.stdout.contains("correct `creates`"), "{output}");
    assert!(
        server.take_asked().iter().any(|asked| asked.headers.get("accept").is_some_and(|accept| accept == "application/gzip"))
    );
}

#[test]
fn a_check_waits_for_what_was_started_and_holds_what_needs_it() {
    let Some(site) = Site::new(
        "let sshd = service \"ssh\" { state = running }\n\
         let answers = port_check \"ssh\" { port = 22, within = 20s, interval = 100ms, watch = [sshd] }\n\
         let silent = port_check \"nobody\" { port = 9, within = 1s, interval = 100ms }\n\
         file \"/etc/after\" { content = \"x\\n\", require = [silent] }\n",
    ) else {
        return;
    };
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("port_check[\"ssh\"]"), "unchanged", "{output}");
    assert_eq!(output.outcome("port_check[\"nobody\"]"), "failed", "{output}");
    assert_eq!(output.outcome("file[\"/etc/after\"]"), "skipped", "{output}");
    assert!(output.stdout.contains("not-healthy"), "{output}");
}
