use std::time::Duration;

use proptest::prelude::*;
use stead_catalog::{Action, Change, Shown, Value};

use super::*;
use crate::outcome::RunSummary;
use crate::samples::{SECRET, arbitrary_plan, every_kind, resource, text, value};
use stead_catalog::OutcomeKind;

fn plain() -> TextOptions {
    TextOptions { width: Some(100), ..TextOptions::default() }
}

#[test]
fn a_plan_with_everything() {
    insta::assert_snapshot!(plan_text(&every_kind(), &plain()));
}

#[test]
fn a_plan_on_a_narrow_ascii_terminal() {
    insta::assert_snapshot!(plan_text(&every_kind(), &TextOptions { width: Some(44), ascii: true, ..plain() }));
}

#[test]
fn a_brief_plan() {
    insta::assert_snapshot!(plan_text(&every_kind(), &TextOptions { brief: true, ..plain() }));
}

#[test]
fn a_plan_in_colour() {
    let text = plan_text(&every_kind(), &TextOptions { color: Color::Ansi, ..plain() });
    insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
}

#[test]
fn an_empty_plan() {
    let plan = Plan { node: "n".into(), catalog_hash: [0; 32], resources: vec![resource("file", "/a", Action::None, 1, vec![])] };
    assert_eq!(plan_text(&plan, &plain()), "nothing to do; 1 unchanged\n");
    assert_eq!(summary_line(&plan), "nothing to do; 1 unchanged");
}

#[test]
fn what_became_of_resources() {
    let change = Change::value("mode", value(Value::Mode(0o644)), value(Value::Mode(0o640)));
    let update = resource("file", "/etc/motd", Action::Update, 3, vec![change.clone()]);
    let mut out = String::new();
    let outcomes = [
        Outcome { duration: Some(Duration::from_millis(12)), ..Outcome::new(OutcomeKind::Changed) },
        Outcome {
            code: Some("disk-full".into()),
            message: Some("cannot write /etc/motd: no space left".into()),
            hint: Some("make room".into()),
            ..Outcome::new(OutcomeKind::Failed)
        },
        Outcome { message: Some("file[\"/etc\"] failed".into()), ..Outcome::new(OutcomeKind::Skipped) },
        Outcome { remaining: vec![change], ..Outcome::new(OutcomeKind::NotConverged) },
    ];
    let mut summary = RunSummary::default();
    for outcome in &outcomes {
        out.push_str(&resource_text(&update, Some(outcome), &plain()));
        summary.add(&update, outcome.kind);
    }
    out.push_str(&apply_summary(&summary, Color::Never));
    insta::assert_snapshot!(out);
}

#[test]
fn every_line_of_a_large_change_is_there() {
    let before: String = (0..3000).map(|i| format!("line {i}\n")).collect();
    let after: String = (0..3000).map(|i| if i % 10 == 0 { format!("LINE {i}\n") } else { format!("line {i}\n") }).collect();
    let update = resource("file", "/big", Action::Update, 1, vec![Change::value("content", text(&before), text(&after))]);
    let shown = resource_text(&update, None, &plain());
    for i in (0..3000).step_by(10) {
        assert!(shown.contains(&format!("-line {i}\n")) && shown.contains(&format!("+LINE {i}\n")), "line {i}");
    }
}

#[test]
fn blanks_that_differ_are_visible() {
    let update =
        resource("file", "/m", Action::Update, 1, vec![Change::value("content", text("a:\n    b c\n"), text("a:\n\tb c\n"))]);
    let shown = resource_text(&update, None, &TextOptions::default());
    assert!(shown.contains("-····b c\n") && shown.contains("+⇥b c\n"), "{shown}");
}

#[test]
fn an_empty_file_is_told_from_an_absent_one() {
    let shown = |before, after| {
        resource_text(
            &resource("file", "/m", Action::Update, 1, vec![Change::value("content", before, after)]),
            None,
            &TextOptions::default(),
        )
    };
    assert!(shown(Shown::Absent, text("")).contains("content: (empty)\n"));
    assert!(shown(text(""), text("a\n")).contains("content: (was empty)\n"));
    assert!(shown(text(""), Shown::Absent).contains("content: (empty) is removed\n"));
}

proptest! {
    #[test]
    fn text_is_safe_and_keeps_secrets(plan in arbitrary_plan(), width in proptest::option::of(0usize..140), brief: bool, ascii: bool) {
        let options = TextOptions { color: Color::Never, width, ascii, brief, unchanged: true, count_failures: false };
        let text = plan_text(&plan, &options);
        prop_assert!(!text.contains(SECRET));
        prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{:?}", text);
        let coloured = plan_text(&plan, &TextOptions { color: Color::Ansi, ..options });
        prop_assert!(!coloured.contains(SECRET));
        prop_assert_eq!(strip(&coloured), text);
    }

    #[test]
    fn nothing_is_wider_than_the_terminal(plan in arbitrary_plan(), width in 40usize..120) {
        let text = plan_text(&plan, &TextOptions { width: Some(width), ..TextOptions::default() });
        for line in text.lines() {
            prop_assert!(crate::display_width(line) <= width, "{:?}", line);
        }
    }
}

/// Takes the colours out.
fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.split_once('m').expect("a colour sequence ends").1;
    }
    out + rest
}
