use proptest::prelude::*;
use stead_catalog::{Action, Cause, Change, EdgeKind, Plan, PlannedResource, ResourceId, Shown, Value};

use super::*;
use crate::samples::{SECRET, arbitrary_plan, every_kind, resource, text, value};
use crate::text::TextOptions;

fn plain() -> TextOptions {
    TextOptions { width: Some(100), ..TextOptions::default() }
}

fn plan(node: &str, resources: Vec<PlannedResource>) -> NodeChanges {
    let state = |id: &ResourceId| if &*id.type_name == "package" { Vec::new() } else { vec!["time".into()] };
    NodeChanges::of(Plan { node: node.into(), catalog_hash: [7; 32], resources }, state)
}

/// A file that holds the node's name, of which the same line changes everywhere; on two nodes another one as well.
fn chrony(node: usize) -> PlannedResource {
    let before = format!("# {node}\n\n\n\n\n\n\nserver a\n");
    let after = if node % 50 == 7 { before.replace("server a", "server c") } else { before.replace("server a", "server b") };
    resource("file", "/etc/chrony.conf", Action::Update, 7, vec![Change::value("content", text(&before), text(&after))])
}

fn fleet() -> Overview {
    let mut overview = Overview::new(OverviewKind::Plan);
    for node in 1..=100 {
        let mut restart = resource("service", "chrony", Action::Restart, 9, vec![]);
        restart.because = vec![Cause { kind: EdgeKind::Watch, resource: ResourceId::new("file", "/etc/chrony.conf") }];
        let mut resources = vec![resource("package", "chrony", Action::None, 5, vec![]), chrony(node), restart];
        if node == 3 {
            resources.push(resource(
                "file",
                "/etc/old",
                Action::Delete,
                12,
                vec![Change::value("content", text("x\n"), Shown::Absent)],
            ));
        }
        if node > 98 {
            resources = vec![resource("package", "chrony", Action::None, 5, vec![])];
        }
        overview.add(plan(&format!("web-{node:03}"), resources));
    }
    overview.add(NodeChanges::failed("db-1", "unreachable", "no answer within 10 s"));
    overview
}

#[test]
fn what_nodes_share_is_told_once() {
    insta::assert_snapshot!(overview_text(&fleet(), GroupBy::Change, &plain()));
}

#[test]
fn nodes_that_change_alike_stand_together() {
    insta::assert_snapshot!(overview_text(&fleet(), GroupBy::Node, &plain()));
}

#[test]
fn changes_stand_below_their_states() {
    insta::assert_snapshot!(overview_text(&fleet(), GroupBy::State, &TextOptions { brief: true, ..plain() }));
}

#[test]
fn a_comment_has_a_table_and_folds() {
    insta::assert_snapshot!(overview_markdown(&fleet(), GroupBy::Change));
    insta::assert_snapshot!(overview_markdown_within(&fleet(), GroupBy::Node, 900));
}

#[test]
fn every_kind_of_change_is_there() {
    let mut overview = Overview::new(OverviewKind::Plan);
    overview.add(NodeChanges::of(every_kind(), |_| Vec::new()));
    insta::assert_snapshot!(overview_text(&overview, GroupBy::Change, &plain()));
}

#[test]
fn what_is_held_back_changes_no_node() {
    let mut overview = Overview::new(OverviewKind::Plan);
    let mut run = resource("exec", "migrate", Action::None, 5, vec![]);
    run.held = Some("unless: `test -e /srv/done` succeeds".into());
    overview.add(plan("db-1", vec![run.clone()]));
    overview.add(plan("db-2", vec![run, chrony(1)]));
    assert_eq!(overview.headline(), "1 of 2 nodes would change; 1 unchanged");
}

#[test]
fn texts_that_differ_elsewhere_are_one_change() {
    let overview = fleet();
    let of = |id: &str| overview.shared().iter().filter(|change| change.resource.id.to_string() == id).collect::<Vec<_>>();
    let found = of("file[\"/etc/chrony.conf\"]");
    assert_eq!(found.iter().map(|change| change.nodes.len()).collect::<Vec<_>>(), [96, 2]);
    assert_eq!(found[0].extent, "1 line");
    assert_eq!(overview.exact().len(), 98 + 1 + 1);
}

#[test]
fn a_secret_is_no_reason_to_tell_nodes_apart() {
    let mut overview = Overview::new(OverviewKind::Plan);
    for node in ["a", "b"] {
        let secret = value(Value::string(format!("{SECRET}{node}")).secret());
        overview.add(plan(
            node,
            vec![resource("user", "x", Action::Update, 1, vec![Change::value("password", secret, Shown::Sensitive)])],
        ));
    }
    assert_eq!(overview.shared().len(), 1);
    let page = crate::overview_html(&overview, &crate::HtmlPage { title: "t", can_accept: true });
    assert!(!page.contains(SECRET) && !overview_text(&overview, GroupBy::Change, &plain()).contains(SECRET));
}

#[test]
fn the_hash_is_of_the_catalogs_alone() {
    let hash = |names: &[&str]| {
        let mut overview = Overview::new(OverviewKind::Plan);
        names.iter().for_each(|name| overview.add(plan(name, vec![])));
        overview.hash()
    };
    assert_eq!(hash(&["a", "b"]), hash(&["b", "a"]));
    assert_ne!(hash(&["a", "b"]), hash(&["a", "c"]));
}

#[test]
fn what_differs_to_the_byte_can_be_kept() {
    let mut overview = Overview::new(OverviewKind::Plan).keeping_all();
    overview.add(plan("a", vec![chrony(1)]));
    overview.add(plan("b", vec![chrony(2)]));
    assert_eq!(overview.shared().len(), 1);
    let mut out = Vec::new();
    crate::json::write_overview(&overview, &mut out).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let before = |node: usize| document["nodes"][node]["resources"][0]["changes"][0]["before"].as_str().unwrap().to_owned();
    assert!(before(0).starts_with("# 1\n") && before(1).starts_with("# 2\n"));
    assert_eq!(document["groups"][0]["nodes"], serde_json::json!(["a", "b"]));
    crate::json::PlanDocument::read(std::str::from_utf8(&out).unwrap()).unwrap();
}

proptest! {
    // Each case renders four pages.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn overviews_are_safe_and_keep_secrets(plans in proptest::collection::vec(arbitrary_plan(), 0..5), limit in 600usize..5000) {
        let mut overview = Overview::new(OverviewKind::Plan);
        plans.into_iter().for_each(|plan| overview.add(NodeChanges::of(plan, |_| Vec::new())));
        for by in [GroupBy::Change, GroupBy::Node, GroupBy::State] {
            let text = overview_text(&overview, by, &TextOptions::default());
            prop_assert!(!text.contains(SECRET));
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{:?}", text);
            let markdown = overview_markdown_within(&overview, by, limit);
            prop_assert!(!markdown.contains(SECRET));
            prop_assert!(markdown.len() <= limit, "{} > {}", markdown.len(), limit);
        }
        let page = crate::overview_html(&overview, &crate::HtmlPage { title: "</title><script>", can_accept: true });
        prop_assert!(!page.contains(SECRET));
        // What users wrote has no way out of its block.
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        prop_assert!(!json.contains(['<', '>', '&']));
        serde_json::from_str::<serde_json::Value>(json).unwrap();
    }
}
