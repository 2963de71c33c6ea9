//! A part of a plan of many hosts: what is accepted is changed, and nothing else.

use stead_tests::fleet::Fleet;

use super::{outcomes, pairs};

const SITE: &str = r#"
node "*" {
  file "/srv/a" { content = "a\n" }
  file "/srv/b" { content = "b\n", require = [file["/srv/a"]] }
  file "/srv/c" { content = "c\n" }
}
"#;

#[test]
fn what_is_accepted_is_changed_on_each_host_and_nothing_else() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    let (all, [first, second]) = (fleet.all(), [&fleet.hosts[0], &fleet.hosts[1]]);
    let changed = pairs(&[(names[0].as_str(), "changed"), (&names[1], "changed")]);
    fleet.write("site.stead", SITE);
    let plan = fleet.stead("plan", &["--on", &all, "--html", "/root/plan.html", "-o", "/root/many.plan"]).expect_code(0);
    let accept = |lines: &str| fleet.operator.write("/root/accepted", lines);

    // A change without what it needs is refused before anything is begun.
    accept(&format!("* file[\"/srv/c\"]\n{} file[\"/srv/b\"]\n", names[1]));
    for what in [&["/root/many.plan"][..], &["/root/site", "--on", &all, "--yes"]] {
        let output = fleet.operator.stead(&[&["apply", "--accept", "/root/accepted"], what].concat()).expect_code(1);
        assert!(output.stderr.contains("error[acceptance-not-closed]") && output.stderr.contains(&names[1]), "{output}");
    }
    accept(&format!("plan {}\n* file[\"/srv/c\"]\n", "0".repeat(64)));
    let output = fleet.operator.stead(&["apply", "/root/many.plan", "--accept", "/root/accepted"]).expect_code(1);
    assert!(output.stderr.contains("error[acceptance-stale]"), "{output}");
    assert_eq!((first.read("/srv/a"), first.read("/srv/c"), second.read("/srv/c")), (None, None, None), "{plan}");

    // The page is of that very plan, and says so in what it writes.
    let page = fleet.operator.read("/root/plan.html").expect("a page");
    let at = page.find("\"hash\":\"").expect("the plan's hash") + 8;
    accept(&format!("plan {}\n{} file[\"/srv/a\"]\n* file[\"/srv/c\"]\n", &page[at..at + 64], names[0]));
    let output = fleet.operator.stead(&["apply", "/root/many.plan", "--accept", "/root/accepted", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), changed, "{output}");
    let files = |host: &stead_tests::host::Host| ["a", "b", "c"].map(|name| host.read(&format!("/srv/{name}")).is_some());
    assert_eq!((files(first), files(second)), ([true, false, true], [false, false, true]));

    // The rest, from a plan that is made now.
    accept("* file[\"/srv/a\"]\n* file[\"/srv/b\"]\n");
    let output = fleet.stead("apply", &["--on", &all, "--accept", "/root/accepted", "--yes", "--json"]).expect_code(0);
    assert_eq!(outcomes(&output), changed, "{output}");
    assert_eq!((files(first), files(second)), ([true; 3], [true; 3]));
}
