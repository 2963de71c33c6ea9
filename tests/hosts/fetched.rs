//! What comes from elsewhere: archives, downloads, repositories, working trees.

use stead_tests::host::Host;

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
