//! `--root DIR`: a tree that is not the machine, and links that would lead out of it or are not to be trusted.

use crate::site::Site;

#[test]
fn a_tree_is_filled_and_the_machine_left_alone() {
    let Some(site) = Site::new(
        "directory \"/etc/app\" { mode = 0750 }\nfile \"/etc/app/x\" { content = \"x\\n\", mode = 0640 }\nsymlink \"/etc/app/y\" { target = \"x\" }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must("mkdir -p /srv/tree/etc");
    let before = host.snapshot();
    let _ = site.stead("apply", &["--yes", "--root", "/srv/tree"]).expect_code(0);
    let changes = before.changes(&host.snapshot());
    let outside: Vec<_> = changes.iter().filter(|line| !line[2..].starts_with("/srv/tree")).collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert_eq!(host.read("/srv/tree/etc/app/x").as_deref(), Some("x\n"));
    assert_eq!(host.stat("/srv/tree/etc/app/x"), Some((0o640, 0, 0)));
    let again = site.stead("plan", &["--json", "--root", "/srv/tree"]).expect_code(0).plan();
    assert_eq!(stead_tests::output::pending(&again), [""; 0]);
}

#[test]
fn no_link_leads_out_of_a_tree() {
    let Some(site) = Site::new(
        "file \"/etc/x\" { content = \"x\\n\" }\n\
         file \"/opt/x\" { content = \"x\\n\" }\n\
         directory \"/lib/a/b\" {}\n\
         file \"/usr/x\" { content = \"x\\n\", mode = 0600 }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must(
        "mkdir -p /srv/tree /srv/outside; cd /srv/tree; \
         ln -s /srv/outside etc; ln -s ../../../../srv/outside opt; ln -s ../outside lib; \
         mkdir usr; echo kept > /srv/outside/kept; ln -s /srv/outside/kept usr/x",
    );
    let before = host.snapshot();
    let output = site.stead("apply", &["--yes", "--json", "--root", "/srv/tree"]);
    let changes = before.changes(&host.snapshot());
    let outside: Vec<_> = changes.iter().filter(|line| !line[2..].starts_with("/srv/tree")).collect();
    assert!(outside.is_empty(), "{outside:?}\n{output}");
    assert_eq!(host.must("ls -A /srv/outside"), "kept\n");
}

#[test]
fn a_link_that_another_user_planted_is_not_followed() {
    let Some(site) = Site::new("") else { return };
    let host = &site.host;
    host.must(
        "useradd -m mallory; install -d -o mallory /srv/app; setpriv --reuid mallory --clear-groups ln -s /etc /srv/app/conf",
    );
    host.must("setpriv --reuid mallory --clear-groups ln -s /etc/passwd /srv/app/own; install -d /srv/other; ln -s /srv/other /srv/trusted");
    site.source(
        "file \"/srv/app/conf/planted\" { content = \"x\\n\" }\n\
         file \"/srv/app/own\" { content = \"y\\n\", mode = 0600 }\n\
         file \"/srv/trusted/x\" { content = \"z\\n\" }\n",
    );
    let passwd = host.read("/etc/passwd");
    let output = site.apply();
    assert_eq!(host.read("/etc/planted"), None, "root does not write where mallory points\n{output}");
    assert_eq!(host.read("/etc/passwd"), passwd);
    assert_eq!(host.stat("/etc/passwd").map(|(mode, ..)| mode), Some(0o644));
    assert_eq!(output.code, 1, "{output}");
    assert_eq!(output.outcome("file[\"/srv/app/conf/planted\"]"), "failed", "{output}");
    assert!(output.stdout.contains("/srv/app/conf"), "the link is named\n{output}");
    assert_eq!(host.read("/srv/other/x").as_deref(), Some("z\n"), "a link of root's own is followed\n{output}");
}
