//! Signed repositories of packages: keys by content and by URL, packages over http, and signatures that do not fit.

use stead_tests::host::Host;
use stead_tests::output::Output;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

const ID: &str = "repository[\"extra\"]";

/// A host with two keys of `/srv/keys`, and a repository at `/srv/signed` that the first has signed.
fn with_repository() -> Option<Site> {
    let site = Site::with_tools("")?;
    site.host.must(
        "mkdir -m 700 /root/gnupg; mkdir /srv/keys; export GNUPGHOME=/root/gnupg; \
         for name in maker stranger; do \
           gpg --batch --quiet --passphrase '' --quick-generate-key \"$name <$name@example.com>\" ed25519 sign never; \
           gpg --armor --export $name > /srv/keys/$name.asc; gpg --export $name > /srv/keys/$name.gpg; \
           gpg --with-colons --fingerprint $name | awk -F: '$1 == \"fpr\" { print $10; exit }' > /srv/keys/$name.fingerprint; \
         done; \
         cp -r /opt/stead-tests/repo-extra /srv/signed",
    );
    sign(&site.host, "maker");
    Some(site)
}

fn sign(host: &Host, name: &str) {
    host.must(&format!(
        "cd /srv/signed && rm -f InRelease Release.gpg && \
         GNUPGHOME=/root/gnupg gpg --batch --quiet --yes -u {name} --clearsign -o InRelease Release 2>&1"
    ));
}

fn read(host: &Host, path: &str) -> String {
    host.read(path).expect("the file is there").trim().to_owned()
}

/// Plans and applies: refused, with everything that somebody needs to go on, and nothing of it is on the machine.
#[track_caller]
fn assert_refused(site: &Site, code: &str, words: &[&str]) -> Output {
    let host = &site.host;
    let plan = site.stead("plan", &["--json"]).plan();
    let before = host.snapshot();
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome(ID), "failed", "{output}");
    let text = site.stead("apply", &["--yes"]).expect_code(1);
    for said in [output.stdout.clone(), text.stdout + &text.stderr] {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words.iter().chain([&code]) {
            assert!(said.contains(word), "{word} is not told\n{said}\n{output}");
        }
        assert!(said.contains("extra"), "the resource is named\n{said}");
    }
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "nothing half done");
    assert_eq!(host.must("ls /tmp | grep -c stead-apt || true"), "0\n", "nothing is left behind");
    if let Some(package) = plan.iter().find(|resource| resource.id == "package[\"demo-tool\"]") {
        assert_ne!(output.outcome(&package.id), "changed", "{output}");
    }
    output
}

#[test]
fn a_signed_repository_is_made_used_and_taken_away() {
    let Some(site) = with_repository() else { return };
    let host = &site.host;
    let key = read(host, "/srv/keys/maker.asc");
    let repository = format!(
        "repository \"extra\" {{ uris = \"file:///srv/signed\", suites = \"./\", key = \"{}\" }}\npackage \"demo-tool\" {{}}\n",
        key.replace('\n', "\\n")
    );
    site.source(&repository);
    let before = host.snapshot();
    let plan = site.plan();
    assert!(planned(&plan, "package[\"demo-tool\"]").raw.to_string().contains("3.3"), "read from the index: {plan:?}");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!(host.must("demo-tool"), "demo-tool 3.3\n");
    assert_eq!(
        read(host, "/etc/apt/sources.list.d/extra.sources"),
        "Types: deb\nURIs: file:///srv/signed\nSuites: ./\nSigned-By: /etc/apt/keyrings/extra.asc"
    );
    assert_eq!(read(host, "/etc/apt/keyrings/extra.asc"), key);

    // The other way to write it, and a key as it is: the old files go.
    host.must("cp /srv/keys/maker.gpg /root/maker.gpg");
    let other = "repository \"extra\" {\n  uris = \"file:///srv/signed\", suites = \"./\", format = one_line\n  key_file = \"maker.gpg\"\n  priority = 600\n}\n";
    site.source(other);
    let run = site.apply();
    if run.code == 0 {
        site.nothing_is_left();
        assert_eq!(
            host.must("ls /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/preferences.d"),
            "/etc/apt/keyrings:\nextra.gpg\n\n/etc/apt/preferences.d:\nextra\n\n/etc/apt/sources.list.d:\nextra.list\nstead-tests.list\n"
        );
    } else {
        panic!("{run}");
    }
    site.source("repository \"extra\" { state = absent }\npackage \"demo-tool\" { state = purged }\n");
    site.converge();
    // What it made for keys is a directory that others may use by now.
    let left: Vec<String> = before.changes(&host.snapshot()).into_iter().filter(|line| line != "+ /etc/apt/keyrings").collect();
    let ours = |line: &&String| !line.contains("/var/lib/apt") && !line.contains("/var/lib/dpkg") && !line.contains("/root/");
    assert_eq!(left.iter().filter(ours).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn packages_come_over_http_with_the_key_that_the_fingerprint_names() {
    let Some(site) = with_repository() else { return };
    let (host, server) = (&site.host, WebServer::start());
    server.put_tree(&host.path("/srv/signed"), "/debian");
    for name in ["maker", "stranger"] {
        server.put(&format!("/{name}.asc"), Page::new(read(host, &format!("/srv/keys/{name}.asc"))));
    }
    let (maker, stranger) = (read(host, "/srv/keys/maker.fingerprint"), read(host, "/srv/keys/stranger.fingerprint"));
    let source = |key: &str| {
        site.source(&format!(
            "repository \"extra\" {{\n  uris = \"{}\", suites = \"./\", key_url = \"{}\", fingerprint = \"{maker}\"\n}}\npackage \"demo-tool\" {{}}\n",
            server.url(host, "/debian"),
            server.url(host, key)
        ));
    };
    source("/stranger.asc");
    let output = assert_refused(&site, "wrong-key", &[&stranger, &maker]);
    assert!(output.stdout.contains("compare with what its maker publishes"), "a way out\n{output}");

    // apt trusts every key of the file: the wanted one with a stranger's behind it, or before it, armored or not.
    for (name, make) in [
        ("both.asc", "cat maker.asc stranger.asc"),
        ("reversed.asc", "cat stranger.asc maker.asc"),
        ("both.gpg", "cat maker.gpg stranger.gpg"),
        ("mixed.asc", "cat stranger.gpg maker.asc"),
    ] {
        host.must(&format!("cd /srv/keys && {make} > /srv/{name}"));
        server.put(&format!("/{name}"), Page::new(std::fs::read(host.path(&format!("/srv/{name}"))).expect("it was made")));
        source(&format!("/{name}"));
        let words: &[&str] = if name == "mixed.asc" { &["no public key"] } else { &[&stranger, &maker] };
        assert_refused(&site, "wrong-key", words);
    }

    source("/maker.asc");
    site.converge();
    assert_eq!(host.must("demo-tool"), "demo-tool 3.3\n");
    let asked = server.take_asked();
    let has = |line: &str| asked.iter().any(|asked| asked.line.starts_with(line));
    assert!(has("GET /debian/./InRelease") || has("GET /debian/InRelease"), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.line.contains("demo-tool_3.3_all.deb")), "{asked:?}");
    site.nothing_is_left();
    let asked = server.take_asked();
    assert!(asked.is_empty(), "a plan with nothing to do asks nobody: {asked:?}");

    // The key on the machine is no better when somebody adds one to it.
    let key_path = "/etc/apt/keyrings/extra.asc";
    host.must(&format!("cat /srv/keys/stranger.asc >> {key_path}"));
    assert_eq!(planned(&site.plan(), ID).action, "update");
    site.converge();
    assert_eq!(read(host, key_path), read(host, "/srv/keys/maker.asc"));

    // The server goes away, and a package of it is to be installed: told by what cannot be reached.
    host.must("apt-get -q -y purge demo-tool");
    server.put("/debian/demo-tool_3.3_all.deb", Page { moved: Some("/nowhere".into()), ..Page::default() });
    host.must("rm -rf /var/cache/stead /var/cache/apt/archives/*.deb");
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("package[\"demo-tool\"]"), "failed", "{output}");
    assert!(output.stdout.contains("404") || output.stdout.contains("demo-tool_3.3"), "{output}");
    assert_eq!(host.must("dpkg --audit"), "", "nothing half done");
}

#[test]
fn a_signature_that_does_not_fit_is_told_and_nothing_is_written() {
    let Some(site) = with_repository() else { return };
    let host = &site.host;
    let key = read(host, "/srv/keys/maker.asc").replace('\n', "\\n");
    site.source(&format!(
        "repository \"extra\" {{ uris = \"file:///srv/signed\", suites = \"./\", key = \"{key}\" }}\npackage \"demo-tool\" {{}}\n"
    ));
    let way_out = "compare the address, the suite and the signing key";
    sign(host, "stranger");
    assert_refused(&site, "repository-unusable", &["/etc/apt/sources.list.d/extra.sources", "signature", way_out]);
    // Not signed at all.
    host.must("rm /srv/signed/InRelease");
    assert_refused(&site, "repository-unusable", &["not signed", way_out]);
    // Signed, and the list of packages is another one.
    sign(host, "maker");
    host.must("sed -i 's/^Version: 3.3/Version: 6.6/' /srv/signed/Packages");
    assert_refused(&site, "repository-unusable", &["extra.sources", way_out]);
    // Signed a long time ago, and good no longer.
    host.must("cp -a /opt/stead-tests/repo-extra/Packages /srv/signed/Packages; sed -i '/^Date:/a Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC' /srv/signed/Release");
    sign(host, "maker");
    assert_refused(&site, "repository-unusable", &["expired", way_out]);
    // What a failed run did is nothing: an undo of it says so and does nothing.
    let _ = host.stead(&["undo", "1", "--yes"]).expect_code(0);
    host.must("cp -a /opt/stead-tests/repo-extra/Release /srv/signed/Release");
    sign(host, "maker");
    site.converge();
    assert_eq!(host.must("demo-tool"), "demo-tool 3.3\n");
}

#[test]
fn a_repository_that_cannot_be_reached_once_is_used_once_it_can() {
    let Some(site) = with_repository() else { return };
    let host = &site.host;
    let address = "http://127.0.0.1:8764/debian";
    let key = read(host, "/srv/keys/maker.asc").replace('\n', "\\n");
    site.source(&format!(
        "repository \"extra\" {{ uris = \"{address}\", suites = \"./\", key = \"{key}\" }}\npackage \"demo-tool\" {{}}\n"
    ));
    assert_refused(&site, "repository-unusable", &["apt cannot reach", "extra.sources", "`refresh = false`"]);

    host.must("mkdir /srv/http; ln -s /srv/signed /srv/http/debian");
    host.must("systemd-run --quiet --unit=packages-server python3 -m http.server -d /srv/http --bind 127.0.0.1 8764");
    host.must("for i in $(seq 50); do python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8764))' 2>/dev/null && break; sleep 0.1; done");
    site.converge();
    assert_eq!(host.must("demo-tool"), "demo-tool 3.3\n");

    // A run was cut short between its source and its index.
    host.must("apt-get -q -y purge demo-tool; rm /var/lib/apt/lists/127.0.0.1:8764*; touch /var/lib/apt/lists");
    let plan = site.plan();
    let repository = planned(&plan, ID);
    assert_eq!(repository.action, "update", "{plan:?}");
    assert!(repository.raw.to_string().contains("fetched"), "{plan:?}");
    assert!(planned(&plan, "package[\"demo-tool\"]").raw.to_string().contains("3.3"), "read from the index: {plan:?}");
    site.converge();
    assert_eq!(host.must("demo-tool"), "demo-tool 3.3\n");

    // The same, and the server is away: nothing changes, and the next plan has it again.
    host.must("rm /var/lib/apt/lists/127.0.0.1:8764*; touch /var/lib/apt/lists; systemctl stop packages-server");
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome(ID), "failed", "{output}");
    assert_eq!(planned(&site.plan(), ID).action, "update");
}
