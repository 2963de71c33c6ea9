//! Downloads: versions that servers name, checksums that stand in files, and transfers that break off.

use std::time::Duration;

use stead_tests::host::{Host, STEAD};
use stead_tests::output::Output;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

const ID: &str = "download[\"/srv/file\"]";

fn content(seed: u32, length: u32) -> Vec<u8> {
    (0..length).map(|number| (number.wrapping_mul(seed) % 251) as u8).collect()
}

/// What is kept between runs, by the endings of the names.
fn kept(host: &Host) -> String {
    host.must("ls /var/lib/stead/downloads 2>/dev/null | sed 's/^[0-9a-f]*//' | sort | tr '\\n' ' '")
}

fn sha256(host: &Host, bytes: &[u8]) -> String {
    host.write("/srv/summed", bytes);
    host.must("sha256sum /srv/summed | cut -d' ' -f1; rm /srv/summed").trim().to_owned()
}

#[track_caller]
fn assert_failed(output: &Output, code: &str) {
    assert_eq!(output.outcome(ID), "failed", "{output}");
    assert!(output.stdout.contains(&format!("\"{code}\"")), "{code}\n{output}");
}

#[test]
fn a_server_that_names_versions_is_not_asked_for_the_file_again() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let url = server.url(host, "/feed");
    let dated = |content: &str, date: &str| Page { modified: Some(date.into()), ..Page::new(content) };
    let pages = [
        (Page::new("one\n").tagged("1"), Page::new("two\n").tagged("2")),
        (dated("one\n", "Thu, 01 Jan 2026 00:00:00 GMT"), dated("two\n", "Fri, 02 Jan 2026 00:00:00 GMT")),
        // Nothing tells the versions apart but their bytes.
        (Page::new("one\n"), Page::new("two\n")),
    ];
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"none\", update = true }}\n"));
    for (round, (first, second)) in pages.into_iter().enumerate() {
        let names_versions = round < 2;
        server.put("/feed", first);
        site.converge();
        assert_eq!(host.read("/srv/file").as_deref(), Some("one\n"));
        server.take_asked();
        site.nothing_is_left();
        let sent: usize = server.take_asked().iter().map(|asked| asked.sent).sum();
        assert_eq!(sent == 0, names_versions, "round {round}: {sent} bytes");
        // The file is changed here, and the version there is the same.
        host.write("/srv/file", "ONE\n");
        assert_eq!(planned(&site.plan(), ID).action, "update", "round {round}");
        site.converge();
        assert_eq!(host.read("/srv/file").as_deref(), Some("one\n"));

        server.put("/feed", second);
        let plan = site.plan();
        assert_eq!(planned(&plan, ID).action, "update", "round {round}: a changed source is seen");
        site.converge();
        assert_eq!(host.read("/srv/file").as_deref(), Some("two\n"));
    }
    // A lost memory costs a transfer and nothing else.
    host.must("rm -r /var/lib/stead/downloads");
    site.nothing_is_left();
}

#[test]
fn what_breaks_off_is_taken_up_by_the_next_run() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let bytes = content(7, 200_000);
    let sum = sha256(host, &bytes);
    host.write("/srv/expected", &bytes);
    server.put("/file", Page::new(bytes.clone()).tagged("v1"));
    // Redirects are followed with the range that is asked for.
    server.put("/moved", Page { moved: Some("/file".into()), ..Page::default() });
    let url = server.url(host, "/moved");
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"sha256:{sum}\", resumes = 0 }}\n"));

    server.break_off_after(Some(90_000));
    let output = site.apply().expect_code(1);
    assert_failed(&output, "fetch-failed");
    assert!(output.stdout.contains("are kept, and the next run goes on from there"), "{output}");
    assert_eq!(host.read("/srv/file"), None, "nothing half done");
    assert_eq!(host.must("ls -A /srv"), "expected\n");
    assert_eq!(kept(host), ".part .part.json ");
    host.must("test $(stat -c %a /var/lib/stead/downloads) = 700; test $(stat -c %a /var/lib/stead/downloads/*.part) = 600");
    server.take_asked();

    server.break_off_after(None);
    site.converge();
    let asked = server.take_asked();
    let sent: usize = asked.iter().map(|asked| asked.sent).sum();
    assert!(sent < 120_000 && asked.iter().any(|asked| asked.status == 206), "only the rest was fetched: {asked:?}");
    host.must("cmp /srv/file /srv/expected");
    assert_eq!(kept(host), ".fetched ");
    let _ = host.stead(&["undo", "2", "--yes"]).expect_code(0);
    assert_eq!(host.read("/srv/file"), None, "the run that went on is undone like any other");
}

#[test]
fn a_part_of_another_version_is_of_no_use() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let (old, new) = (content(7, 100_000), content(11, 100_000));
    let url = server.url(host, "/file");
    let source =
        |sum: &str| site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"{sum}\", resumes = 0 }}\n"));
    let begin = |tag: &str| {
        host.must("rm -f /srv/file");
        server.put("/file", Page::new(old.clone()).tagged(tag));
        server.break_off_after(Some(60_000));
        source("none");
        assert_failed(&site.apply().expect_code(1), "fetch-failed");
        assert_eq!(kept(host), ".part .part.json ");
        server.break_off_after(None);
    };
    host.write("/srv/expected", &new);

    begin("v1");
    server.put("/file", Page::new(new.clone()).tagged("v2"));
    site.converge();
    host.must("cmp /srv/file /srv/expected; rm -r /var/lib/stead/downloads");

    // A server that keeps its tag and changes the file: the checksum tells, and all of it is fetched before anybody is blamed.
    begin("v1");
    server.put("/file", Page::new(new.clone()).tagged("v1"));
    source(&format!("sha256:{}", sha256(host, &new)));
    site.converge();
    host.must("cmp /srv/file /srv/expected; rm -r /var/lib/stead/downloads");

    // The file became shorter than what is there of it.
    begin("v1");
    server.put("/file", Page::new(&new[..10_000]).tagged("v1"));
    source("none");
    site.converge();
    host.must("cmp -n 10000 /srv/file /srv/expected && test $(stat -c %s /srv/file) = 10000");

    // A wrong one is not kept.
    source(&format!("sha256:{}", "0".repeat(64)));
    let output = site.apply().expect_code(1);
    assert_failed(&output, "wrong-checksum");
    assert!(!kept(host).contains("part"), "{}", kept(host));
    host.must("test $(stat -c %s /srv/file) = 10000");
}

#[test]
fn a_transfer_that_is_killed_is_taken_up() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let bytes = content(13, 600_000);
    host.write("/srv/expected", &bytes);
    server.put("/file", Page::new(bytes.clone()).tagged("v1"));
    let url = server.url(host, "/file");
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"none\" }}\n"));
    server.slow_down(Some(Duration::from_millis(10)));
    let process = host.spawn(&[STEAD, "apply", "/root/site.stead", "--yes"]);
    let come = "test $(stat -c %s /var/lib/stead/downloads/*.part 2>/dev/null || echo 0) -gt 100000";
    host.wait_for("a part of it", Duration::from_secs(20), |host| host.run(come).code == 0);
    process.kill(true);
    drop(process);
    assert_eq!(host.read("/srv/file"), None);
    server.slow_down(None);
    server.take_asked();
    site.converge();
    let sent: usize = server.take_asked().iter().map(|asked| asked.sent).sum();
    assert!(sent < 520_000, "{sent} bytes were fetched again");
    host.must("cmp /srv/file /srv/expected");
    assert_eq!(host.must("ls -A /srv"), "expected\nfile\n");
}

#[test]
fn no_room_for_a_part_is_no_reason_to_fail() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    let bytes = content(17, 3 << 20);
    host.write("/srv/expected", &bytes);
    server.put("/file", Page::new(bytes).tagged("v1"));
    let url = server.url(host, "/file");
    site.source(&format!("download \"/srv/file\" {{ from = \"{url}\", checksum = \"none\" }}\n"));
    host.must("mkdir -p /var/lib/stead/downloads; mount -t tmpfs -o size=1m,mode=700 tmpfs /var/lib/stead/downloads");
    site.converge();
    host.must("cmp /srv/file /srv/expected");
    assert_eq!(host.must("ls /var/lib/stead/downloads/*.part 2>/dev/null | wc -l"), "0\n");
}

#[test]
fn checksums_are_looked_up_and_their_server_gets_no_secret() {
    let Some(site) = Site::new("") else { return };
    let (host, server, other) = (&site.host, WebServer::start(), WebServer::start());
    let (one, two) = ("one\n", "two\n");
    let credentials = Some("deploy:hunter2".to_owned());
    server.put("/v1/app.bin", Page { credentials: credentials.clone(), ..Page::new(one) });
    server.put("/v2/app.bin", Page { credentials, ..Page::new(two) });
    let sums = format!("{}  v1/app.bin\n{}  v2/app.bin\n", sha256(host, one.as_bytes()), sha256(host, two.as_bytes()));
    other.put("/SUMS", Page::new(sums));
    let source = |more: &str| {
        site.source(&format!(
            "download \"/srv/file\" {{\n  from = \"{}\", checksum = \"sha256:{}\", username = \"deploy\", password = secret(\"hunter2\")\n{more}\n}}\n",
            server.url(host, "/v1/app.bin"),
            other.url(host, "/SUMS")
        ));
    };
    source("");
    let output = site.apply().expect_code(1);
    assert_failed(&output, "unlisted-checksum");
    assert!(output.stdout.contains("checksum_name"), "a way out\n{output}");
    source("  checksum_name = \"v2/app.bin\"");
    assert_failed(&site.apply().expect_code(1), "wrong-checksum");
    assert_eq!(host.read("/srv/file"), None);
    source("  checksum_name = \"v1/app.bin\"");
    site.converge();
    assert_eq!(host.read("/srv/file").as_deref(), Some(one));
    let told = other.take_asked();
    assert!(!told.is_empty() && told.iter().all(|asked| !asked.headers.contains_key("authorization")), "{told:?}");
    // The file of checksums moves on: so does the plan.
    other.put("/SUMS", Page::new(format!("{}  v1/app.bin\n", "0".repeat(64))));
    assert_eq!(planned(&site.plan(), ID).action, "update");
}
