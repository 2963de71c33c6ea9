//! The page of an overview in a real browser: it shows what it should, nothing in it runs that was not meant to, and keys, search,
//! filters and both themes work. With `STEAD_SHOTS=DIR` it leaves pictures there to be looked at.

mod browser;

use std::path::{Path, PathBuf};

use browser::Browser;
use stead_catalog::{Action, Cause, Change, EdgeKind, Plan, PlannedResource, ResourceId, Shown, SourceLocation, Value};
use stead_report::{HtmlPage, NodeChanges, Overview, OverviewKind, overview_html};

const HOSTILE: &str = "</script><script>window.hacked = 1</script><img src=x onerror=\"window.hacked = 2\">\u{202e}`x` @somebody";

fn resource(type_name: &str, name: &str, action: Action, line: u32, changes: Vec<Change>) -> PlannedResource {
    PlannedResource {
        id: ResourceId::new(type_name, name),
        action,
        because: Vec::new(),
        source: SourceLocation { file: "site.stead".into(), start: line, end: line + 1, line, column: 1 },
        changes,
        unknown: None,
        held: None,
        error: None,
        digest: None,
        orphan: false,
    }
}

fn text(text: &str) -> Shown {
    Shown::Text(text.into())
}

fn node(number: u32) -> Plan {
    let before = format!(
        "# managed on web-{number:02}\n\n\n\nuser www-data;\nworker_processes 2;\n\nevents {{\n  worker_connections 512;\n}}\n\nhttp {{\n  sendfile on;\n  gzip on;\n}}\n"
    );
    let workers = if number == 7 { "processes 8" } else { "processes 4" };
    let after = before.replace("processes 2", workers).replace("  gzip on;\n", "");
    let mut restart = resource("service", "nginx", Action::Restart, 20, vec![]);
    restart.because = vec![Cause { kind: EdgeKind::Watch, resource: ResourceId::new("file", "/etc/nginx/nginx.conf") }];
    let mut resources = vec![
        resource(
            "file",
            "/etc/nginx/nginx.conf",
            Action::Update,
            5,
            vec![
                Change::value("mode", Shown::Value(Value::Mode(0o644)), Shown::Value(Value::Mode(0o640))),
                Change::value("content", text(&before), text(&after)),
            ],
        ),
        restart,
        resource(
            "package",
            "curl",
            Action::Create,
            2,
            vec![Change::value("version", Shown::Absent, Shown::Value(Value::string("8.5")))],
        ),
    ];
    if number == 3 {
        resources.push(resource(
            "file",
            "/etc/old.conf",
            Action::Delete,
            31,
            vec![Change::value("content", text("old\n"), Shown::Absent)],
        ));
        resources.push(resource("exec", HOSTILE, Action::Run, 40, vec![Change::value(HOSTILE, text("a\n"), text(HOSTILE))]));
    }
    Plan { node: format!("web-{number:02}").into(), catalog_hash: [3; 32], resources }
}

fn page(title: &str) -> String {
    let mut overview = Overview::new(OverviewKind::Plan);
    for number in 1..=12 {
        overview.add(NodeChanges::of(node(number), |id| if &*id.type_name == "file" { vec!["web".into()] } else { Vec::new() }));
    }
    overview.add(NodeChanges::failed("db-1", "unreachable", "no answer within 10 s"));
    overview_html(&overview, &HtmlPage { title, can_accept: true })
}

fn write(directory: &Path, page: &str) -> PathBuf {
    let file = directory.join("plan & review.html");
    std::fs::write(&file, page).expect("written");
    file
}

fn shot(browser: &mut Browser, name: &str) {
    if let Some(directory) = std::env::var_os("STEAD_SHOTS") {
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), browser.screenshot()).expect("a picture is written");
    }
}

/// One browser for all of it: starting one takes longer than everything else.
#[test]
fn the_page_works_from_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut browser = Browser::start(directory.path());
    browser.open(&write(directory.path(), &page(HOSTILE)));
    let texts = |browser: &mut Browser, selector: &str| {
        browser.text(&format!("[...document.querySelectorAll({selector:?})].map((e) => e.textContent).join('|')"))
    };

    // What is there, in which order: what goes first, then what restarts.
    let ids = texts(&mut browser, "article .id");
    let order = ["file[\"/etc/old.conf\"]", "service[\"nginx\"]"];
    assert!(ids.starts_with(&order.join("|")), "{ids}");
    assert_eq!(ids.split('|').count(), 6, "{ids}");
    assert_eq!(texts(&mut browser, "article .flag"), "differs");
    assert!(texts(&mut browser, "main").contains("1 node without a plan: error[unreachable]: no answer within 10 s"));
    assert_eq!(texts(&mut browser, "#count"), "6 changes");
    assert!(texts(&mut browser, "#summary").starts_with("12 of 13 nodes would change; 1 without a plan"));

    // Keys: two down opens the restart's neighbour, `/` goes to the search.
    browser.keys("jj");
    browser.key("Enter");
    assert_eq!(texts(&mut browser, "article.current .id"), "service[\"nginx\"]");
    assert!(texts(&mut browser, "article.current .body").contains("because file[\"/etc/nginx/nginx.conf\"] changes (watch)"));
    browser.keys("k");
    assert_eq!(texts(&mut browser, "article.current .id"), "file[\"/etc/old.conf\"]");
    browser.keys("e");
    shot(&mut browser, "light-wide");
    assert!(texts(&mut browser, "td.text.removed").contains("worker_processes 2;"), "side by side on a wide window");
    browser.keys("s");
    assert_eq!(texts(&mut browser, "td.text.removed"), "", "inline");
    assert!(texts(&mut browser, "tr.removed mark").contains('2') && texts(&mut browser, "tr.added mark").contains('4'));
    browser.keys("?");
    assert_eq!(browser.text("String(document.getElementById('help').open)"), "true");
    browser.key("Escape");
    browser.keys("/gzip");
    assert_eq!(texts(&mut browser, "#count"), "2 of 6 changes");
    browser.key("Escape");
    assert_ne!(browser.text("document.activeElement.id"), "search");
    browser.evaluate(
        "(() => { const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input')); })()",
    );

    // Filters.
    let set = |browser: &mut Browser, id: &str, value: &str, event: &str| {
        browser.evaluate(&format!(
            "(() => {{ const e = document.getElementById({id:?}); e.value = {value:?}; e.dispatchEvent(new Event({event:?})); }})()"
        ));
    };
    set(&mut browser, "node", "web-07", "input");
    assert_eq!(texts(&mut browser, "#count"), "3 of 6 changes");
    set(&mut browser, "node", "web-0*", "input");
    assert_eq!(texts(&mut browser, "#count"), "6 changes");
    set(&mut browser, "node", "", "input");
    set(&mut browser, "type", "service", "change");
    assert_eq!(texts(&mut browser, "article .id"), "service[\"nginx\"]");
    set(&mut browser, "type", "", "change");
    set(&mut browser, "action", "delete", "change");
    assert_eq!(texts(&mut browser, "article .id"), "file[\"/etc/old.conf\"]");

    // Accepting what is shown, and the file that comes of it.
    browser.evaluate("document.getElementById('accept-all').click()");
    set(&mut browser, "action", "", "change");
    browser.keys("jja");
    assert_eq!(texts(&mut browser, "#accepted"), "2 of 6 changes accepted");
    browser.evaluate("document.getElementById('export').click()");
    let exported = browser.text("document.getElementById('exported-text').value");
    let lines: Vec<&str> = exported.lines().collect();
    assert!(lines[1].strip_prefix("plan ").is_some_and(|hash| hash.len() == 64), "{exported}");
    assert_eq!(lines[2..], ["web-03 file[\"/etc/old.conf\"]", "web-[01-12] service[\"nginx\"]"]);
    assert!(browser.text("document.getElementById('download').href").starts_with("blob:"));
    browser.key("Escape");

    // Dark and light, by the system and by hand; narrow.
    let ground = |browser: &mut Browser| browser.text("getComputedStyle(document.body).backgroundColor");
    assert_eq!(ground(&mut browser), "rgb(255, 255, 255)");
    browser.prefer("dark");
    assert_eq!(ground(&mut browser), "rgb(20, 23, 28)");
    shot(&mut browser, "dark-wide");
    // A headless browser that was just pictured sometimes loses a key.
    for _ in 0..5 {
        browser.keys("t");
        std::thread::sleep(std::time::Duration::from_millis(100));
        if ground(&mut browser) == "rgb(255, 255, 255)" {
            break;
        }
    }
    assert_eq!(ground(&mut browser), "rgb(255, 255, 255)");
    browser.keys("t");
    browser.width(420);
    shot(&mut browser, "dark-narrow");
    assert_eq!(
        browser.text("String(document.documentElement.scrollWidth <= window.innerWidth)"),
        "true",
        "nothing is wider than the window"
    );
    browser.prefer("light");
    browser.keys("t");
    shot(&mut browser, "light-narrow");

    // Nothing ran that is not the page's own, and what was written for people to read is there as text.
    assert_eq!(browser.text("String(window.hacked)"), "undefined");
    assert_eq!(browser.text("String(document.querySelectorAll('main img, main script').length)"), "0");
    assert!(texts(&mut browser, "h1").contains("</script><script>window.hacked = 1</script>"));
    let refused = browser.text("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 3'; document.body.append(s); return String(window.hacked); })()");
    assert_eq!(refused, "undefined", "the policy refuses scripts that are not the page's own");
    assert_eq!(
        browser.complaints().iter().filter(|words| !words.contains("Content Security Policy")).count(),
        0,
        "{:?}",
        browser.complaints()
    );
}

#[test]
fn a_thousand_changes_are_no_burden() {
    let mut overview = Overview::new(OverviewKind::Wanted);
    for number in 0..200 {
        let resources = (0..1000)
            .map(|at| {
                resource(
                    "file",
                    &format!("/srv/{at}"),
                    Action::Create,
                    at,
                    vec![Change::value("mode", Shown::Absent, Shown::Value(Value::Mode(0o644)))],
                )
            })
            .collect();
        overview
            .add(NodeChanges::of(Plan { node: format!("n{number}").into(), catalog_hash: [1; 32], resources }, |_| Vec::new()));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let page = overview_html(&overview, &HtmlPage { title: "many", can_accept: false });
    let mut browser = Browser::start(directory.path());
    browser.open(&write(directory.path(), &page));
    assert_eq!(
        browser.text("document.querySelectorAll('article').length + ' ' + document.getElementById('count').textContent"),
        "200 1000 changes"
    );
    assert_eq!(browser.text("document.querySelector('main > button').textContent"), "Show 800 more");
    assert_eq!(browser.text("String(document.getElementById('accept').hidden)"), "true");
}
