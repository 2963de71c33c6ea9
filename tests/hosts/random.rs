//! Random catalogs on real hosts: the plan is the change, resource by resource and byte by byte; a second plan is empty; and an undo brings
//! the host back to what it was.
//!
//! A catalog is made from its seed alone: users and groups, files and links below their homes and elsewhere, packages of the local
//! repositories with their configuration, units and services, lines, blocks and settings, crontabs, keys, commands with declared
//! effects, settings of formats, units and timers, alternatives, archives, mounts, package sources, working trees of git, Python's
//! environments with packages from wheels, files from a web server of this machine, and what a machine has one of;
//! with things that are there before, as they are wanted or otherwise. What fails is made smaller by leaving resources out.
//!
//! Swap space and modules of the kernel are there in their files only: a host has the kernel of the machine that the tests run on, where
//! they would be put to use. Left out is what is asked of servers elsewhere.
//!
//! `STEAD_RANDOM_CATALOGS=500` runs so many (25 when it is not set), `STEAD_RANDOM_SEED=7` that one alone, `STEAD_RANDOM_FIRST=1000` others; on
//! `STEAD_RANDOM_HOSTS=5` hosts at a time.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use stead_tests::host::{Host, hosts_are_wanted};
use stead_tests::output::{Finished, Planned, pending};
use stead_tests::web::{Page, WebServer};

use crate::fidelity::announced::{Announced, changed, owned_by_packages};
use crate::undo::is_kept;

mod catalog;
mod system;
mod tools;

use catalog::{Catalog, WEB};

/// Hosts at a time.
const AT_ONCE: usize = 3;

/// Catalogs that one host runs before another is booted.
const PER_HOST: u64 = 20;

/// A way in which the plan was not the change.
struct Fault {
    /// What kind it is: a smaller catalog has to fail in the same way.
    kind: &'static str,
    text: String,
}

fn fault(kind: &'static str, text: impl Into<String>) -> Fault {
    Fault { kind, text: text.into() }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn random_catalogs_are_planned_applied_and_undone() {
    if !hosts_are_wanted() {
        return;
    }
    let first = number("STEAD_RANDOM_SEED").or_else(|| number("STEAD_RANDOM_FIRST")).unwrap_or(1);
    let count = if number("STEAD_RANDOM_SEED").is_some() { 1 } else { number("STEAD_RANDOM_CATALOGS").unwrap_or(25) };
    let (next, resources) = (AtomicU64::new(first), AtomicU64::new(0));
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let threads = number("STEAD_RANDOM_HOSTS")
        .and_then(|hosts| usize::try_from(hosts).ok())
        .unwrap_or(AT_ONCE)
        .min(usize::try_from(count).unwrap_or(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut host = None;
                let mut run = 0;
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    if run % PER_HOST == 0 {
                        host = None;
                    }
                    run += 1;
                    let on = host.get_or_insert_with(|| Host::boot_with_tools().expect("hosts are wanted"));
                    let catalog = Catalog::of(seed);
                    resources.fetch_add(catalog.len() as u64, Ordering::Relaxed);
                    if let Err(found) = try_one(on, &catalog) {
                        // What is left on this host is nobody's.
                        host = None;
                        run = 0;
                        let text = report(seed, catalog, found);
                        eprintln!("{text}");
                        failed.lock().expect("no thread panics while it holds it").push((seed, text));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no thread panics while it holds it");
    failed.sort();
    println!("{count} random catalogs of {} resources: {} failed", resources.into_inner(), failed.len());
    assert!(failed.is_empty(), "{}", failed.into_iter().fold(String::new(), |all, (_, text)| all + &text + "\n"));
}

/// Makes a failing catalog as small as it goes and tells how to run it again. With `STEAD_RANDOM_WHOLE=1` it is left as it is.
fn report(seed: u64, mut catalog: Catalog, mut found: Fault) -> String {
    let kind = found.kind;
    let mut position = if number("STEAD_RANDOM_WHOLE").is_some() { 0 } else { catalog.len() };
    while position > 0 {
        position -= 1;
        let Some(smaller) = catalog.without(position) else { continue };
        let host = Host::boot_with_tools().expect("hosts are wanted");
        if let Err(again) = try_one(&host, &smaller)
            && again.kind == kind
        {
            (catalog, found) = (smaller, again);
        }
    }
    format!(
        "seed {seed}: {}: {}\n-- before --\n{}\n-- site.stead --\n{}\nagain: STEAD_RANDOM_SEED={seed} cargo test -p stead-tests --test hosts random",
        found.kind,
        found.text,
        catalog.setup(),
        catalog.source()
    )
}

/// What accounts there are, but for those that packages make and leave.
fn accounts(host: &Host) -> String {
    host.must("cat /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid | grep -v '^demo-web:' | sort")
}

/// What repositories of git point to.
fn references(host: &Host) -> String {
    host.must(tools::REFERENCES)
}

/// The web server of all hosts.
fn server() -> &'static WebServer {
    static SERVER: OnceLock<WebServer> = OnceLock::new();
    SERVER.get_or_init(WebServer::start)
}

fn try_one(host: &Host, catalog: &Catalog) -> Result<(), Fault> {
    host.must("dpkg-query -W -f '${Package}\\n' 'demo-*' 2>/dev/null | xargs -r apt-get -q purge -y >/dev/null 2>&1; true");
    let setup = host.run(&catalog.setup());
    assert!(setup.code == 0, "the host is prepared\n{setup}\n{}", catalog.setup());
    host.write("/root/site.stead", catalog.source().replace(WEB, &server().url(host, "")));
    for (path, content) in catalog.pages() {
        server().put(path, Page::new(content.as_str()));
    }
    let live = system::live();
    let (before, people, ran) = (host.snapshot(), accounts(host), host.must(&live));
    let pointed = references(host);
    let shipped = owned_by_packages(host);

    let dry = host.stead(&["plan", "/root/site.stead", "--json"]);
    if dry.code != 0 {
        return Err(fault("plan", format!("it fails\n{dry}")));
    }
    let plan = dry.plan();
    if let Some(change) = before.changes(&host.snapshot()).first() {
        return Err(fault("plan", format!("it changed the host: {change}")));
    }
    let applied = host.stead(&["apply", "/root/site.stead", "--yes", "--json"]);
    if applied.code != 0 {
        return Err(fault("apply", format!("it fails\n{applied}\nplan: {}", dry.stdout)));
    }
    compare(&plan, &applied.finished())?;
    let after = host.snapshot();
    let announced = Announced::of(&plan, &catalog.touches(), host, &shipped);
    let surprises: Vec<String> =
        changed(&before, &after).into_iter().filter(|(path, _)| !announced.covers(path)).map(|(_, line)| line).collect();
    if !surprises.is_empty() {
        return Err(fault("announced", format!("not in the plan: {surprises:?}\nplan: {}", dry.stdout)));
    }
    let again = host.stead(&["plan", "/root/site.stead", "--json", "--detailed-exitcode"]);
    if again.code != 0 || !pending(&again.plan()).is_empty() {
        return Err(fault("second plan", format!("it is not empty\n{again}")));
    }
    if pending(&plan).is_empty() {
        return Ok(());
    }
    let undone = host.stead(&["undo", "last", "--yes"]);
    if undone.code != 0 {
        return Err(fault("undo", format!("it fails\n{undone}")));
    }
    let mut left: Vec<String> =
        before.changes(&host.snapshot()).into_iter().filter(|line| !is_kept(line) && !tools::is_gits(line)).collect();
    if accounts(host) != people {
        left.push(format!("accounts:\n{people}\nare now\n{}", accounts(host)));
    }
    if references(host) != pointed {
        left.push(format!("references:\n{pointed}\nare now\n{}", references(host)));
    }
    let runs = host.must(&live);
    if runs != ran {
        left.push(format!("what runs:\n{ran}\nis now\n{runs}"));
    }
    if left.is_empty() { Ok(()) } else { Err(fault("undo", format!("the host is not what it was: {left:#?}\n{undone}"))) }
}

/// Every status and every change record of the plan is that of the apply.
fn compare(plan: &[Planned], finished: &[Finished]) -> Result<(), Fault> {
    let mut faults = String::new();
    for resource in plan {
        let Some(real) = finished.iter().find(|finished| finished.id == resource.id) else {
            let _ = writeln!(faults, "{}: the apply says nothing of it", resource.id);
            continue;
        };
        let is_idle = real.outcome == "unchanged" || (real.outcome == "skipped" && real.raw["error"].is_null());
        let is_as_said = if resource.action == "none" { is_idle } else { real.outcome == "changed" };
        if !is_as_said {
            let _ = writeln!(faults, "{}: planned as {}, really {}: {}", resource.id, resource.action, real.outcome, real.raw);
        } else if real.outcome == "changed" && real.changes != resource.changes {
            let (said, did) = (serde_json::json!(resource.changes), serde_json::json!(real.changes));
            let _ = writeln!(faults, "{}: the plan says {said}\n  and the apply {did}", resource.id);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(fault("plan and apply", faults)) }
}
