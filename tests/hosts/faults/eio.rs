//! A disk that fails once: every call of the apply that changes something, and of those that look, is answered with EIO in turn.
//!
//! Of the calls that look every seventh is, and each with `STEAD_TEST_FAULTS=all`: there are many, and they come the same way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use stead_tests::faulty::{self, Fault, Kind};
use stead_tests::host::{Host, STEAD, hosts_are_wanted};
use stead_tests::output::Output;

const SOURCE: &str = r##"
user "worn" { uid = 3200, home = "/srv/eio/home", create_home = true, shell = "/bin/sh" }
directory "/srv/eio/made" { mode = 0750, owner = "games" }
file "/srv/eio/made/a" { content = "new a\n", mode = 0640, owner = "games" }
file "/srv/eio/b" { content = "new b\n", mode = 0640 }
file "/srv/eio/gone" { state = absent }
symlink "/srv/eio/link" { target = "/srv/eio/b" }
line "setting = new" { path = "/srv/eio/conf", match = r"^setting =" }
exec "react" { command = "echo reacted >> /srv/reacted", refresh_only = true, watch = [file["/srv/eio/b"]] }
"##;

/// Where a disk may fail: what is managed, and the journal.
const BELOW: [&str; 3] = ["/srv/eio", "/etc", "/var/lib/stead"];

/// Hosts at a time.
const AT_ONCE: usize = 2;

const STRIDE: u64 = 7;

fn reset(host: &Host) {
    host.must(
        "userdel worn 2>/dev/null; rm -rf /srv/eio /srv/reacted /var/lib/stead; mkdir -p /srv/eio; cd /srv/eio; \
         echo old b > b; chmod 604 b; echo old > gone; ln -s /nowhere link; printf 'first\\nsetting = old\\n' > conf; chmod 640 conf",
    );
}

fn apply(host: &Host, kind: Kind, nth: u64) -> (Output, u64) {
    let command = host.command(&["env", "-C", "/root", STEAD, "apply", "/root/site.stead", "--yes", "--json"]);
    faulty::run(command, "stead", Fault { kind, nth, below: &BELOW })
}

/// Whatever failed, nothing is torn, and nothing is told to be done that is not.
fn assert_whole(host: &Host, moment: &str, output: &Output) {
    let found = |path: &str| host.read(path).zip(host.stat(path).map(|(mode, ..)| mode));
    let is = |path: &str, states: &[Option<(&str, u32)>]| {
        let found = found(path);
        let fits = states.iter().any(|state| found == state.map(|(text, mode)| (text.to_owned(), mode)));
        assert!(fits, "{moment}: {path} is torn: {found:?}\n{output}");
    };
    is("/srv/eio/made/a", &[None, Some(("new a\n", 0o640))]);
    is("/srv/eio/b", &[Some(("old b\n", 0o604)), Some(("new b\n", 0o640))]);
    is("/srv/eio/gone", &[None, Some(("old\n", 0o644))]);
    is("/srv/eio/conf", &[Some(("first\nsetting = old\n", 0o640)), Some(("first\nsetting = new\n", 0o640))]);
    let link = host.must("readlink /srv/eio/link || echo none");
    assert!(["/nowhere\n", "/srv/eio/b\n", "none\n"].contains(&&*link), "{moment}: {link}\n{output}");
    host.must("pwck -r >/dev/null || [ $? -eq 2 ]; grpck -r >/dev/null");
    for (id, path, new) in
        [("file[\"/srv/eio/b\"]", "/srv/eio/b", "new b\n"), ("file[\"/srv/eio/made/a\"]", "/srv/eio/made/a", "new a\n")]
    {
        let is_told = output.stdout.lines().any(|line| {
            line.contains(&id.replace('"', "\\\"")) && line.contains("resource_finished") && line.contains("\"changed\"")
        });
        assert!(!is_told || host.read(path).as_deref() == Some(new), "{moment}: {id} was told to be changed\n{output}");
    }
}

/// What failed is told: with a code, and where, and by whom.
fn assert_told(moment: &str, output: &Output) {
    assert!(!output.stderr.contains("panicked") && !output.stdout.contains("internal error"), "{moment}\n{output}");
    if output.code == 0 {
        return;
    }
    assert_eq!(output.code, 1, "{moment}\n{output}");
    let bad: Vec<_> = output.finished().into_iter().filter(|one| ["failed", "not_converged"].contains(&&*one.outcome)).collect();
    let said = format!("{}{}", output.stdout, output.stderr);
    // The others are in the words of the journal's database.
    let is_reason =
        ["nput/output error", "disk I/O error", "unable to open database file"].iter().any(|words| said.contains(words));
    assert!(is_reason, "{moment}: the reason is told\n{output}");
    for one in &bad {
        let text = one.raw.to_string();
        assert!(text.contains("\"code\":\"") && !one.id.is_empty(), "{moment}: {text}");
        let is_placed = ["/srv/eio", "/etc/", "/var/lib/stead"].iter().any(|place| text.contains(place));
        assert!(is_placed || text.contains("journal"), "{moment}: no path is told: {text}");
    }
    let is_told = said.contains("\"code\"") || said.contains("error[");
    assert!(!bad.is_empty() || is_told, "{moment}: no code is told\n{output}");
}

fn try_one(host: &Host, kind: Kind, nth: u64) -> bool {
    let moment = format!("call {nth} of {kind:?}");
    reset(host);
    let (output, _) = apply(host, kind, nth);
    assert_told(&moment, &output);
    assert_whole(host, &moment, &output);
    let next = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
    assert_eq!(next.code, 0, "{moment}: the next apply\n{output}\n{next}");
    let left = host.stead(&["plan", "/root/site.stead", "--json", "--detailed-exitcode"]);
    assert_eq!(left.code, 0, "{moment}: nothing is left to do\n{output}\n{next}\n{left}");
    let reacted = host.read("/srv/reacted").unwrap_or_default();
    assert!(!reacted.is_empty(), "{moment}: the reaction was forgotten\n{output}\n{next}");
    let strays =
        host.must("ls -A /srv/eio | grep -v -E '^(b|conf|home|link|made)$'; ls -A /srv/eio/made | grep -v '^a$' || true");
    assert_eq!(strays, "", "{moment}: something is left beside\n{output}\n{next}");
    output.code != 0
}

#[test]
fn a_disk_may_fail_at_every_call() {
    if !hosts_are_wanted() {
        return;
    }
    let all = std::env::var("STEAD_TEST_FAULTS").is_ok_and(|word| word == "all");
    let boot = || {
        let host = Host::boot().expect("hosts are wanted");
        host.write("/root/site.stead", SOURCE);
        host
    };
    let first = boot();
    let mut moments = Vec::new();
    for kind in Kind::CHANGING.into_iter().chain(Kind::LOOKING) {
        reset(&first);
        let (output, count) = apply(&first, kind, 0);
        let _ = output.expect_code(0);
        let changes = Kind::CHANGING.contains(&kind);
        assert!(count > 0, "an apply has no call of {kind:?}");
        println!("{kind:?}: {count} calls");
        let stride = if changes || all { 1 } else { STRIDE };
        moments.extend((1..=count).filter(|nth| nth % stride == 0 || *nth == 1).map(|nth| (kind, nth)));
    }
    let (next, failed, ready) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Some(first)));
    let wrong: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let taken = ready.lock().expect("no thread panics while it holds it").take();
                let host = taken.unwrap_or_else(boot);
                while let Some((kind, nth)) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The others are tried as well: what they have in common tells more than one alone.
                    match catch_unwind(AssertUnwindSafe(|| try_one(&host, *kind, *nth))) {
                        Ok(was_felt) => drop(failed.fetch_add(usize::from(was_felt), Ordering::Relaxed)),
                        Err(_) => {
                            wrong.lock().expect("no thread panics while it holds it").push(format!("call {nth} of {kind:?}"))
                        }
                    }
                }
            });
        }
    });
    let (failed, wrong) = (failed.into_inner(), wrong.into_inner().expect("no thread panics while it holds it"));
    assert_eq!(wrong, [""; 0], "told above");
    println!("{} calls failed, {failed} applies with them", moments.len());
    assert!(failed * 4 > moments.len(), "only {failed} of {} faults were felt", moments.len());
}
