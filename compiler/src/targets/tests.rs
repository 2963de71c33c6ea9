//! What targets mean, and laws that hold for all of them.

use proptest::prelude::*;
use stead_catalog::{Group, Value};

use super::*;

fn target(name: &str, tags: &[&str], groups: &[&str], address: Option<&str>) -> Target {
    let words = |words: &[&str]| words.iter().map(|word| Arc::from(*word)).collect();
    Target { tags: words(tags), groups: words(groups), address: address.map(Arc::from), ..Target::named(name) }
}

fn inventory() -> Inventory {
    let group = |name: &str, members: &[&str]| Group {
        name: name.into(),
        members: members.iter().map(|name| Arc::from(*name)).collect(),
        ..Group::default()
    };
    let targets = vec![
        target("web-1", &["canary"], &["web"], Some("10.0.0.1")),
        target("web-2", &[], &["web"], Some("10.0.0.2")),
        target("db-1", &["big"], &["db"], None),
        target("old", &[], &[], None),
    ];
    Inventory::new(targets, vec![group("db", &["db-1"]), group("web", &["web-1", "web-2"])])
}

/// Facts of all but `old`.
fn facts(name: &str) -> Option<Map> {
    let os =
        |id: &str, family: &str| Value::map([("id".into(), Value::string(id)), ("family".into(), Value::Member(family.into()))]);
    let network = |ip: &str| Value::map([("ipv4".into(), Value::list([Value::string(ip)])), ("ipv6".into(), Value::list([]))]);
    let (os, ip, cpus) = match name {
        "web-1" => (os("debian", "debian"), "10.0.0.1", 2),
        "web-2" => (os("ubuntu", "debian"), "10.0.0.2", 4),
        "db-1" => (os("rocky", "redhat"), "10.9.0.1", 64),
        _ => return None,
    };
    let cpu = Value::map([("count".into(), Value::Int(cpus))]);
    Some([("os".into(), os), ("network".into(), network(ip)), ("cpu".into(), cpu)].into_iter().collect())
}

/// Shows what is selected, with a `?` behind what is not known; or the mistake.
fn show(text: &str) -> String {
    let inventory = inventory();
    let selected = Targets::parse(text).and_then(|targets| {
        targets.select(&inventory, &stead_catalog::facts_type(), &facts).map(|selected| {
            let known = selected.targets.iter().map(|target| target.name.to_string());
            known.chain(selected.unknown.iter().map(|target| format!("{}?", target.name))).collect::<Vec<_>>().join(" ")
        })
    });
    match selected {
        Ok(names) => names,
        Err(error) => {
            let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{} @{}..{}: {error}{hint}", error.code, error.span.start, error.span.end)
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(show(text), *expected, "of {text:?}");
    }
}

#[test]
fn words_select_by_name_tag_group_fact_and_network() {
    check(&[
        ("*", "web-1 web-2 db-1 old"),
        ("web-*", "web-1 web-2"),
        ("web-[2-9]", "web-2"),
        ("db-1,old", "db-1 old"),
        ("/(web|db)-1/", "web-1 db-1"),
        ("tag:canary", "web-1"),
        ("group:web", "web-1 web-2"),
        ("os:debian", "web-1 web-2 old?"),
        ("os.id:debian", "web-1 old?"),
        ("cpu.count:64", "db-1 old?"),
        ("net:10.0.0.0/24", "web-1 web-2 old?"),
        ("net:10.9.0.1", "db-1 old?"),
    ]);
}

#[test]
fn words_are_combined() {
    check(&[
        ("web-* and os:debian and not tag:canary", "web-2"),
        ("tag:canary or tag:big", "web-1 db-1"),
        ("not web-* and not db-1", "old"),
        ("not (web-* or db-1)", "old"),
        ("old or db-* and tag:big", "db-1 old"),
        ("(old or db-*) and tag:big", "db-1"),
        ("old and os:debian", "old?"),
        ("not os:debian", "db-1 old?"),
        ("web-1 AND NOT tag:big", "web-1"),
    ]);
}

#[test]
fn the_compound_targets_of_salt_carry_over() {
    check(&[
        ("G@os:Debian", "web-1 web-2 old?"),
        ("G@os_family:RedHat", "db-1 old?"),
        ("G@os:id:rocky", "db-1 old?"),
        ("P@os:(Deb|Roc)", "web-1 web-2 db-1 old?"),
        ("E@web-\\d", "web-1 web-2"),
        ("E@web", "web-1 web-2"),
        ("L@web-1,db-1", "web-1 db-1"),
        ("S@10.9.0.0/16", "db-1 old?"),
        ("N@web and not G@num_cpus:4", "web-1"),
        ("web-* and G@os:Ubuntu or L@old", "web-2 old"),
        (
            "I@role:web",
            "invalid-target @0..10: data does not choose machines: the same data may be meant for any (give the machines a tag or a group: `tag:canary`, `group:web`)",
        ),
        (
            "X@a",
            "invalid-target @0..3: there is no kind of target `X@` (the kinds are G@ fact, P@ fact by pattern, E@ pattern, L@ list, S@ network, N@ group)",
        ),
    ]);
}

#[test]
fn slips_are_told_with_a_way_out() {
    check(&[
        ("wbe-1", "unknown-target @0..5: the inventory has no machine `wbe-1` (did you mean `web-1`?)"),
        ("web", "unknown-target @0..3: the inventory has no machine `web` (a group is written `group:web`)"),
        ("canary", "unknown-target @0..6: the inventory has no machine `canary` (a tag is written `tag:canary`)"),
        (
            "10.0.0.0/24",
            "unknown-target @0..11: the inventory has no machine `10.0.0.0/24` (a network is written `net:10.0.0.0/24`)",
        ),
        ("* and not tag:cannary", "unknown-target @10..21: no machine has the tag `cannary` (did you mean `canary`?)"),
        ("group:wbe", "unknown-target @0..9: there is no group `wbe` (did you mean `web`?)"),
        ("os.familly:debian", "unknown-target @0..17: there is no fact `os.familly` (did you mean `family`?)"),
        ("tags:canary", "unknown-target @0..11: there is no fact `tags` (a tag is written `tag:canary`, a group `group:web`)"),
        (
            "app-*",
            "no-target @0..5: no machine is meant by `app-*`: the inventory has 4 machines (its machines are web-1, web-2, db-1, old)",
        ),
        (
            "web-* and tag:big",
            "no-target @0..17: no machine is meant by `web-* and tag:big`: the inventory has 4 machines (`web-*` fits 2, `tag:big` fits 1)",
        ),
    ]);
}

#[test]
fn what_is_no_target_is_told_with_its_place() {
    check(&[
        ("", "invalid-target @0..0: the target is empty (`*` means every machine of the inventory)"),
        (
            "web-1 web-2",
            "invalid-target @6..11: expected `and` or `or` before `web-2` (a list of names is written with commas: `web-1,web-2`)",
        ),
        ("web-1 and", "invalid-target @9..9: a target is missing at the end"),
        ("and web-1", "invalid-target @0..3: a target is missing before `and`"),
        ("(web-1", "invalid-target @0..1: this `(` is not closed"),
        ("web-1)", "invalid-target @5..6: this `)` closes nothing"),
        ("()", "invalid-target @1..2: a target is missing before `)`"),
        ("tag:", "invalid-target @0..4: `tag:` is followed by nothing"),
        ("a,,b", "invalid-target @0..4: a name is missing beside a comma"),
        ("/a(/", "invalid-target @0..4: the regular expression `a(` is not well formed: unclosed group"),
        ("net:10.0.0.0/33", "invalid-target @0..15: `10.0.0.0/33` is not a network (write `net:10.0.0.0/8`)"),
        ("web-[", "invalid-target @0..5: the pattern `web-[` is not well formed: unclosed character class; missing ']'"),
    ]);
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(Targets::parse(&deep).unwrap_err().message, "nested deeper than 100");
}

fn expressions() -> impl Strategy<Value = String> {
    let words = [
        "*",
        "web-*",
        "web-1",
        "db-1,old",
        "/.*-1/",
        "tag:canary",
        "tag:big",
        "group:web",
        "os:debian",
        "cpu.count:4",
        "net:10.0.0.0/8",
    ];
    let leaf = proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) or ({b})")),
        ]
    })
}

/// The answer for each machine.
fn answers(text: &str) -> Vec<Option<bool>> {
    let targets = Targets::parse(text).unwrap();
    inventory().targets().iter().map(|target| targets.matches(target, facts(&target.name).as_ref())).collect()
}

proptest! {
    #[test]
    fn what_is_written_out_means_the_same(text in expressions()) {
        let written = Targets::parse(&text).unwrap().to_string();
        prop_assert_eq!(answers(&written), answers(&text), "{} became {}", text, written);
    }

    #[test]
    fn the_laws_of_logic_hold(a in expressions(), b in expressions()) {
        prop_assert_eq!(answers(&format!("not not ({a})")), answers(&a));
        prop_assert_eq!(answers(&format!("not (({a}) or ({b}))")), answers(&format!("not ({a}) and not ({b})")));
        prop_assert_eq!(answers(&format!("({a}) and ({b})")), answers(&format!("({b}) and ({a})")));
        prop_assert_eq!(answers(&format!("({a}) or ({a}) and ({b})")), answers(&a));
    }

    #[test]
    fn more_facts_never_change_an_answer(a in expressions()) {
        let targets = Targets::parse(&a).unwrap();
        for target in inventory().targets() {
            if let Some(without) = targets.matches(target, None) {
                prop_assert_eq!(targets.matches(target, facts(&target.name).as_ref()), Some(without));
            }
        }
    }

    #[test]
    fn no_text_is_too_much(text in "[-a-z@:/.,*()\\[\\]{}\\\\ GELSNPnotadr0-9é]{0,40}") {
        let _ = Targets::parse(&text);
    }
}
