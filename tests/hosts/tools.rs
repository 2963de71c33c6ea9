//! What is built on programs that not every machine has: git, Python's environments, and checks of what was started.

use std::time::Duration;

use stead_tests::host::Host;
use stead_tests::output::pending;
use stead_tests::web::{Page, WebServer};

use crate::site::{Site, planned};

/// A bare repository at `/srv/app.git` with a working tree beside it to push from.
const REPOSITORY: &str = "export HOME=/root; git config --global user.email t@example.com; git config --global user.name t; \
     git config --global init.defaultBranch main; git config --global protocol.file.allow always; \
     git init -q --bare /srv/app.git; git clone -q /srv/app.git /srv/w 2>/dev/null; cd /srv/w; \
     printf '#!/bin/sh\\necho 1\\n' > run; chmod 755 run; git add run; git commit -q -m one; git tag v1; git push -q origin main v1";

/// Commits and pushes another version.
fn commit(host: &Host, word: &str) {
    host.must(&format!(
        "cd /srv/w && printf '#!/bin/sh\\necho {word}\\n' > run && git commit -q -a -m {word} && git push -q origin main"
    ));
}

#[test]
fn a_working_tree_is_cloned_followed_put_right_and_taken_away() {
    let Some(site) = Site::with_tools("git \"/opt/app\" { url = \"/srv/app.git\", update = true }\n") else { return };
    let host = &site.host;
    host.must(REPOSITORY);
    let before = host.snapshot();
    let plan = site.plan();
    assert_eq!(planned(&plan, "git[\"/opt/app\"]").action, "create");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    assert_eq!(host.must("/opt/app/run"), "1\n");

    commit(host, "2");
    let plan = site.plan();
    assert_eq!(planned(&plan, "git[\"/opt/app\"]").action, "update");
    let head = host.must("git -C /srv/w rev-parse HEAD");
    assert!(planned(&plan, "git[\"/opt/app\"]").raw.to_string().contains(head.trim()), "the commit is told: {plan:?}");
    site.converge();
    assert_eq!(host.must("/opt/app/run"), "2\n");

    // By tag, and back in history.
    site.source("git \"/opt/app\" { url = \"/srv/app.git\", rev = \"v1\" }\n");
    site.converge();
    assert_eq!(host.must("/opt/app/run"), "1\n");

    // Local changes are nothing to be thrown away unasked.
    host.must("echo mine >> /opt/app/run");
    site.source("git \"/opt/app\" { url = \"/srv/app.git\", rev = \"main\" }\n");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("local-changes") && output.stdout.contains("force"), "{output}");
    assert!(host.read("/opt/app/run").is_some_and(|text| text.contains("mine")));
    site.source("git \"/opt/app\" { url = \"/srv/app.git\", rev = \"main\", force = true }\n");
    site.converge();
    assert_eq!(host.must("/opt/app/run"), "2\n");

    site.source("git \"/opt/app\" { url = \"/srv/app.git\", rev = \"no-such\" }\n");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("git-failed") && output.stdout.contains("no-such"), "{output}");
    assert_eq!(host.must("/opt/app/run"), "2\n", "what is there stays");
    site.source("git \"/opt/app\" { url = \"/srv/nowhere.git\" }\ngit \"/opt/new\" { url = \"/srv/nowhere.git\" }\n");
    let _ = site.apply().expect_code(1);
    assert_eq!(host.must("ls -A /opt"), "app\nstead-tests\n", "nothing half done");

    site.source("git \"/opt/app\" { state = absent }\n");
    site.converge();
    assert_eq!(host.read("/opt/app/run"), None);
}

#[test]
fn a_working_tree_belongs_to_its_user_and_a_clone_is_undone() {
    let Some(site) = Site::with_tools(
        "user \"app\" { uid = 3100, home = \"/srv/home\" }\n\
         directory \"/opt/tree\" { owner = \"app\" }\n\
         git \"/opt/tree/app\" { url = \"/srv/app.git\", rev = \"v1\", user = \"app\", depth = 1 }\n\
         git \"/opt/bare.git\" { url = \"/srv/app.git\", bare = true }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must(REPOSITORY);
    host.must("git config --system safe.directory '*'");
    let before = host.snapshot();
    site.converge();
    assert_eq!(host.must("/opt/tree/app/run"), "1\n");
    assert_eq!(host.must("find /opt/tree ! -user app"), "");
    assert_eq!(host.must("git -C /opt/bare.git rev-parse --is-bare-repository"), "true\n");
    let _ = host.stead(&["undo", "1", "--yes"]).expect_code(0);
    let left: Vec<String> = before.changes(&host.snapshot());
    let left: Vec<&String> = left.iter().filter(|line| line.contains("/opt") || line.contains("/srv")).collect();
    assert_eq!(left, Vec::<&String>::new(), "an undone clone leaves nothing");
}

#[test]
fn an_undo_of_git_brings_back_what_was_checked_out() {
    let Some(site) = Site::with_tools(
        "git \"/opt/app\" { url = \"/srv/app.git\", rev = \"main\", update = true, remote = \"up\" }\ngit \"/opt/bare.git\" { url = \"/srv/app.git\", bare = true, rev = \"main\", update = true }\n",
    ) else {
        return;
    };
    let host = &site.host;
    host.must(REPOSITORY);
    site.converge();
    let state = "git -C /opt/app rev-parse --symbolic-full-name HEAD; git -C /opt/app for-each-ref refs/heads refs/tags; \
                 git -C /opt/app remote -v; git -C /opt/app status --porcelain; cat /opt/app/run; \
                 git -C /opt/bare.git for-each-ref; git -C /opt/bare.git symbolic-ref HEAD";
    let before = host.must(state);
    commit(host, "2");
    host.must("cd /srv/w && git tag v2 && git push -q origin v2 && git branch side && git push -q origin side");
    site.converge();
    assert_ne!(host.must(state), before);
    // The repository is not to be reached any more: what is there is enough.
    host.must("mv /srv/app.git /srv/away.git");
    let undone = host.stead(&["undo", "2", "--yes"]).expect_code(0);
    assert_eq!(host.must(state), before, "the branch, not only its commit\n{undone}");
    assert!(!undone.stdout.contains("cannot be undone"), "{undone}");
    // And the undo is undone.
    let _ = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(host.must("/opt/app/run"), "2\n");
    host.must("mv /srv/away.git /srv/app.git");

    // Another branch and thrown away changes: the branch comes back, and the loss is told.
    host.must("echo mine >> /opt/app/run");
    site.source("git \"/opt/app\" { url = \"/srv/app.git\", rev = \"side\", remote = \"up\", force = true }\n");
    site.converge();
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert_eq!(
        host.must("git -C /opt/app symbolic-ref HEAD; git -C /opt/app branch --list side; git -C /opt/app config --get-regexp 'branch.side' || true; cat /opt/app/run | tail -1"),
        "refs/heads/main\necho 2\n"
    );
    assert!(undone.stdout.contains("local changes of 1 file"), "{undone}");
}

#[test]
fn programs_of_another_users_repository_are_not_run() {
    let tree = |more: &str| format!("git \"/opt/tree\" {{ url = \"/srv/app.git\", rev = \"main\", force = true{more} }}\n");
    let Some(site) = Site::with_tools(&tree("")) else { return };
    let host = &site.host;
    host.must(REPOSITORY);
    // The administrator trusts all of them, as many do who were told to by git.
    host.must("git config --system safe.directory '*'");
    site.converge();
    host.must(
        "useradd -m mallory; cd /opt/tree && echo '* filter=x' > .git/info/attributes && printf '#!/bin/sh\\nid -un >> /tmp/ran; cat\\n' > /tmp/filter && sed s,/tmp/ran,/tmp/other-ran, /tmp/filter > /tmp/other && chmod 755 /tmp/filter /tmp/other && \
         git config filter.x.clean /tmp/filter && git config filter.x.smudge /tmp/filter && git config core.fsmonitor /tmp/other && \
         git config core.askPass /tmp/other && git config core.alternateRefsCommand /tmp/other && \
         printf '#!/bin/sh\\n/tmp/other </dev/null\\n' > .git/hooks/post-checkout && chmod 755 .git/hooks/post-checkout && \
         chown -R mallory: . && touch run && echo 3 >> run",
    );
    let refused = || {
        let plan = site.stead("plan", &["--json"]).expect_code(1);
        assert!(plan.stdout.contains("foreign-repository") && plan.stdout.contains("mallory"), "{plan}");
        let output = site.apply().expect_code(1);
        assert!(output.stdout.contains("foreign-repository"), "{output}");
        site.source("git \"/opt/tree\" { state = absent }\n");
        assert!(site.apply().expect_code(1).stdout.contains("foreign-repository"));
        site.source(&tree(""));
        assert_eq!(host.read("/tmp/ran"), None, "nothing of it has run");
    };
    refused();
    // Only what decides is theirs.
    host.must("chown root: /opt/tree /opt/tree/.git");
    refused();
    // As themselves they may; what is no filter is not run for them either.
    host.must("chown mallory: /opt/tree /opt/tree/.git");
    site.source(&tree(", user = \"mallory\""));
    site.converge();
    assert_eq!(host.must("sort -u /tmp/ran"), "mallory\n");
    assert_eq!(host.read("/tmp/other-ran"), None);
}

/// Makes wheels in a directory: `demo` 1.0 and 2.0, where the second needs `helper`.
pub(crate) const WHEELS: &str = r#"
import pathlib, sys, zipfile
path = pathlib.Path(sys.argv[1]); path.mkdir()
for name, version, needs in [('demo', '1.0', []), ('demo', '2.0', ['helper>=1']), ('helper', '1.5', [])]:
    info = f'{name}-{version}.dist-info'
    with zipfile.ZipFile(path / f'{name}-{version}-py3-none-any.whl', 'w') as z:
        z.writestr(f'{name}/__init__.py', f'version = "{version}"\n')
        z.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n' + ''.join(f'Requires-Dist: {need}\n' for need in needs))
        z.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        z.writestr(f'{info}/RECORD', '')
"#;

#[test]
fn an_environment_is_made_and_packages_come_from_a_directory_of_wheels() {
    let from = "find_links = \"/srv/wheels\", no_index = true";
    let source = |version: &str| {
        format!("virtualenv \"/opt/venv\" {{}}\npip \"demo\" {{ venv = \"/opt/venv\", version = \"{version}\", {from} }}\n")
    };
    let Some(site) = Site::with_tools(&source("1.0")) else { return };
    let host = &site.host;
    host.write("/root/wheels.py", WHEELS);
    host.must("python3 /root/wheels.py /srv/wheels");
    let before = host.snapshot();
    let plan = site.plan();
    assert_eq!(pending(&plan), ["virtualenv[\"/opt/venv\"]", "pip[\"demo\"]"]);
    assert_eq!(planned(&plan, "pip[\"demo\"]").action, "create");
    assert_eq!(before.changes(&host.snapshot()), [""; 0], "a plan changes nothing");
    site.converge();
    let version = || host.must("/opt/venv/bin/python -c 'import demo; print(demo.version)'");
    assert_eq!(version(), "1.0\n");

    site.source(&source(">=2,<3"));
    site.converge();
    assert_eq!(version(), "2.0\n");
    assert_eq!(host.must("/opt/venv/bin/pip list 2>/dev/null | grep -c -e '^helper *1.5'"), "1\n");
    // The version that was there comes from where it came from then, and what 2.0 brought along goes again.
    let undone = host.stead(&["undo", "2", "--yes"]).expect_code(0);
    assert_eq!(version(), "1.0\n", "{undone}");
    assert_eq!(host.must("/opt/venv/bin/pip list 2>/dev/null | grep -c helper || true"), "0\n", "{undone}");
    assert!(undone.stdout.contains("helper") && !undone.stdout.contains("cannot be undone"), "{undone}");

    site.source(&source("9.9"));
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("pip[\"demo\"]"), "failed", "{output}");
    assert!(output.stdout.contains("pip-failed") && output.stdout.contains("9.9"), "{output}");
    assert_eq!(version(), "1.0\n", "what is there stays");

    host.write("/srv/requirements.txt", "demo==1.0\nhelper>=1\n");
    site.source(&format!(
        "virtualenv \"/opt/venv\" {{}}\npip \"all\" {{ venv = \"/opt/venv\", requirements = \"/srv/requirements.txt\", {from} }}\n"
    ));
    site.converge();
    assert_eq!(version(), "1.0\n");

    // The distribution's own Python is left to the distribution.
    site.source(&format!("pip \"demo\" {{ {from} }}\n"));
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("externally-managed") && output.stdout.contains("venv"), "{output}");

    site.source(&format!("pip \"demo\" {{ venv = \"/opt/venv\", state = absent, {from} }}\n"));
    site.converge();
    assert_eq!(host.run("/opt/venv/bin/python -c 'import demo'").code, 1);
    site.source("virtualenv \"/opt/venv\" { state = absent }\n");
    site.converge();
    assert_eq!(host.must("ls -A /opt"), "stead-tests\n");
}

#[test]
fn an_undo_of_pip_works_as_the_same_user_with_any_interpreter() {
    let from = "find_links = \"/srv/wheels\", no_index = true";
    let source = |version: &str| {
        format!(
            "user \"app\" {{ uid = 3100, home = \"/srv/home\" }}\n\
             virtualenv \"/srv/home/venv\" {{ user = \"app\" }}\n\
             pip \"demo\" {{ python = \"/srv/home/venv/bin/python3\", user = \"app\", version = \"{version}\", {from}, require = [virtualenv[\"/srv/home/venv\"]] }}\n"
        )
    };
    let Some(site) = Site::with_tools(&source("1.0")) else { return };
    let host = &site.host;
    host.write("/root/wheels.py", WHEELS);
    host.must("python3 /root/wheels.py /srv/wheels");
    site.converge();
    site.source(&source("2.0"));
    site.converge();
    let undone = host.stead(&["undo", "2", "--yes"]).expect_code(0);
    assert_eq!(host.must("/srv/home/venv/bin/python -c 'import demo; print(demo.version)'"), "1.0\n", "{undone}");
    assert_eq!(host.run("/srv/home/venv/bin/python -c 'import helper'").code, 1, "{undone}");
    assert_eq!(host.must("find /srv/home ! -user app"), "", "all of it is still the user's");
    // The interpreter of another environment is not taken for the distribution's.
    let undone = host.stead(&["undo", "1", "--yes"]).expect_code(0);
    assert_eq!(host.must("ls -A /srv"), "wheels\n", "{undone}");

    // Where the index is a secret, it is not kept: what does not need it is undone, and the rest is told.
    let secret = |version: &str| {
        format!(
            "virtualenv \"/opt/venv\" {{}}\n\
             pip \"demo\" {{ venv = \"/opt/venv\", version = \"{version}\", find_links = \"/srv/wheels\", index_url = secret(\"http://u:hunter2@127.0.0.1:9/\"), wait = 1s, options = [\"--retries=0\"] }}\n"
        )
    };
    site.source(&secret("1.0"));
    site.converge();
    site.source(&secret("2.0"));
    site.converge();
    let undo = host.stead(&["undo", "last", "--yes"]).expect_code(1);
    let said = format!("{}{}", undo.stdout, undo.stderr);
    assert!(said.contains("demo==1.0") && said.contains("was not kept") && !said.contains("hunter2"), "{undo}");
    assert_eq!(host.must("/opt/venv/bin/python -c 'import demo; print(demo.version)'"), "2.0\n");
}

#[test]
fn pip_runs_nothing_of_somebody_else() {
    let source = |user: &str| {
        format!("pip \"demo\" {{ venv = \"/srv/home/venv\", find_links = \"/srv/wheels\", no_index = true{user} }}\n")
    };
    let Some(site) = Site::with_tools(&source("")) else { return };
    let host = &site.host;
    host.write("/root/wheels.py", WHEELS);
    host.must(
        "python3 /root/wheels.py /srv/wheels; useradd -m -d /srv/home app; runuser -u app -- python3 -m venv /srv/home/venv",
    );
    // What app has put there would be run by root.
    host.must("cd /srv/home/venv/lib/python3*/site-packages; echo 'open(\"/root/owned\", \"w\").close()' > sitecustomize.py; chown app: sitecustomize.py");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("foreign-environment") && output.stdout.contains("user = \\\"app\\\""), "{output}");
    assert_eq!(host.read("/root/owned"), None);

    site.source(&source(", user = \"app\""));
    site.converge();
    assert_eq!(host.must("find /srv/home ! -user app"), "");
    assert_eq!(host.read("/root/owned"), None);
}

#[test]
fn a_broken_environment_is_made_anew() {
    let Some(site) = Site::with_tools("virtualenv \"/opt/venv\" { with_pip = false, prompt = \"app\" }\n") else { return };
    let host = &site.host;
    site.converge();
    host.must("rm /opt/venv/bin/python3; ln -s /usr/bin/python9.9 /opt/venv/bin/python3");
    assert_ne!(planned(&site.plan(), "virtualenv[\"/opt/venv\"]").action, "none");
    site.converge();
    host.must("/opt/venv/bin/python3 -c 1");
    let _ = host.stead(&["undo", "1", "--yes", "--force"]).expect_code(0);
    assert_eq!(host.must("ls -A /opt"), "stead-tests\n", "what a run made goes as a whole");
    site.source("virtualenv \"/opt/other\" { python = \"/usr/bin/python9.9\" }\n");
    let output = site.apply().expect_code(1);
    assert!(output.stdout.contains("missing-interpreter") && output.stdout.contains("python9.9"), "{output}");
    assert_eq!(host.read("/opt/other/pyvenv.cfg"), None);
}

#[test]
fn a_web_server_is_waited_for_and_judged_by_its_answer() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    server.put("/health", Page::new("status: starting\n"));
    server.put("/private", Page { credentials: Some("probe:hunter2".into()), ..Page::new("ok\n") });
    server.put("/moved", Page { moved: Some("/health".into()), ..Page::default() });
    let url = |path: &str| server.url(host, path);
    site.source(&format!(
        "file \"/etc/app.conf\" {{ content = \"x\\n\" }}\n\
         http_check \"app\" {{\n  url = \"{}\", body = \"status: ok\", within = 20s, interval = 100ms, watch = [file[\"/etc/app.conf\"]]\n}}\n\
         http_check \"private\" {{ url = \"{}\", username = \"probe\", password = secret(\"hunter2\") }}\n\
         http_check \"refused\" {{ url = \"{}\", status = 401 }}\n\
         http_check \"gone\" {{ url = \"{}\", within = 1s, interval = 100ms, status = [200, 204] }}\n\
         file \"/etc/after\" {{ content = \"x\\n\", require = [http_check[\"app\"]] }}\n\
         file \"/etc/held\" {{ content = \"x\\n\", require = [http_check[\"gone\"]] }}\n",
        url("/moved"),
        url("/private"),
        url("/private"),
        url("/no-such")
    ));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(3));
            server.put("/health", Page::new("status: ok\n"));
        });
        let output = site.apply().expect_code(1);
        for (id, outcome) in [
            ("http_check[\"private\"]", "unchanged"),
            ("http_check[\"refused\"]", "unchanged"),
            ("http_check[\"gone\"]", "failed"),
            ("file[\"/etc/after\"]", "changed"),
            ("file[\"/etc/held\"]", "skipped"),
        ] {
            assert_eq!(output.outcome(id), outcome, "{id}\n{output}");
        }
        assert_ne!(output.outcome("http_check[\"app\"]"), "failed", "{output}");
        assert!(output.stdout.contains("not-healthy") && output.stdout.contains("404"), "{output}");
        assert!(!output.stdout.contains("hunter2"), "{output}");
    });
    assert_eq!(host.read("/etc/held"), None);
}

#[test]
fn what_may_change_a_server_is_sent_by_an_apply_only() {
    let Some(site) = Site::new("") else { return };
    let (host, server) = (&site.host, WebServer::start());
    server.put("/jobs", Page::new("ok\n"));
    site.source(&format!(
        "http_check \"jobs\" {{ url = \"{}\", method = \"POST\", content = \"go\", body = \"ok\" }}\n",
        server.url(host, "/jobs")
    ));
    let asked = || server.take_asked().into_iter().map(|asked| asked.line).collect::<Vec<_>>();
    let plan = site.plan();
    let jobs = planned(&plan, "http_check[\"jobs\"]");
    assert_eq!(jobs.action, "run");
    assert!(jobs.raw.to_string().contains("only an apply"), "why it is not known is told: {plan:?}");
    assert_eq!(asked(), [""; 0]);
    let _ = site.apply().expect_code(0);
    assert_eq!(asked(), ["POST /jobs"]);
    let drift = site.stead("drift", &[]).expect_code(0);
    assert!(drift.stdout.contains("nothing has drifted"), "{drift}");
    let _ = site.plan();
    assert_eq!(asked(), [""; 0]);
    server.put("/jobs", Page::new("no\n"));
    site.source(&format!(
        "http_check \"jobs\" {{ url = \"{}\", method = \"POST\", body = \"ok\", within = 1s, interval = 400ms }}\n",
        server.url(host, "/jobs")
    ));
    let output = site.apply().expect_code(1);
    assert_eq!(output.outcome("http_check[\"jobs\"]"), "failed", "{output}");
    assert!(!asked().is_empty());
}

#[test]
fn a_clone_that_failed_leaves_nothing_to_be_undone() {
    let Some(site) =
        Site::with_tools("file \"/etc/first\" { content = \"x\\n\" }\ngit \"/opt/app\" { url = \"file:///nowhere\" }\n")
    else {
        return;
    };
    let host = &site.host;
    let _ = site.stead("apply", &["--yes"]).expect_code(1);
    assert_eq!((host.stat("/opt/app"), host.read("/etc/first").as_deref()), (None, Some("x\n")));
    let undone = host.stead(&["undo", "last", "--yes"]).expect_code(0);
    assert!(!undone.stdout.contains(".git"), "{undone}");
    assert_eq!((host.stat("/opt/app"), host.read("/etc/first")), (None, None));
}
