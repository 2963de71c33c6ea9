use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use stead_catalog::{Action, Attributes, Catalog, Edge, EdgeKind, Meta, Resource, ResourceId, Value};

use super::*;
use crate::outcome::{Outcome, RunSummary};
use crate::samples::{SECRET, arbitrary_plan, at, every_kind};
use stead_catalog::OutcomeKind;

/// Compiles one of the schemas; they refer to one another by `$id`.
fn schema(name: &str) -> (Schemas, SchemaIndex) {
    let mut compiler = Compiler::new();
    let mut schemas = Schemas::new();
    let all = [
        ("plan", PLAN_SCHEMA),
        ("events", EVENTS_SCHEMA),
        ("catalog", CATALOG_SCHEMA),
        ("catalogs", CATALOGS_SCHEMA),
        ("diagnostics", DIAGNOSTICS_SCHEMA),
        ("history", HISTORY_SCHEMA),
        ("drift", DRIFT_SCHEMA),
    ];
    for (name, text) in all {
        let document: Json = serde_json::from_str(text).expect("a schema is JSON");
        compiler
            .add_resource(&format!("https://stead-lang.org/schema/1.0/{name}.json"), document)
            .expect("a schema is a resource");
    }
    let index =
        compiler.compile(&format!("https://stead-lang.org/schema/1.0/{name}.json"), &mut schemas).expect("the schema compiles");
    (schemas, index)
}

fn check(name: &str, document: &impl Serialize) -> Result<(), String> {
    let (schemas, index) = schema(name);
    let document = serde_json::to_value(document).map_err(|error| error.to_string())?;
    schemas.validate(&document, index).map(|_| ()).map_err(|error| format!("{error:#}\n{document:#}"))
}

#[test]
fn a_plan_fits_its_schema() {
    let document = PlanDocument::new([&every_kind()]);
    check("plan", &document).expect("fits");
    insta::assert_snapshot!(pretty(&document).expect("serializes"));
}

fn shown_run() -> ShownRunDocument {
    let run = RunDocument {
        run: "3".into(),
        node: "web-1".into(),
        root: "/".into(),
        started: "2026-11-26T11:00:00Z".into(),
        finished: None,
        status: "interrupted".into(),
        undoes: Some("2".into()),
        changed: 1,
        failed: 0,
        unfinished: vec!["file[\"/etc/motd\"]".into()],
    };
    let plan = every_kind();
    let finished = plan.resources.iter().map(|resource| Event::resource_finished(resource, &Outcome::new(OutcomeKind::Changed)));
    ShownRunDocument::new(run, finished.collect())
}

#[test]
fn a_history_fits_its_schema() {
    let shown = shown_run();
    check("history", &shown).expect("fits");
    check("history", &HistoryDocument::new(vec![shown.run.clone()])).expect("fits");
    let rollout = RolloutDocument {
        rollout: "4".into(),
        started: Some("2026-01-02T03:04:05Z".into()),
        project: None,
        on: "web-*".into(),
        hosts: 2,
        outcomes: [("changed".to_owned(), 1), ("begun".to_owned(), 1)].into(),
        continues: Some("3".into()),
        undoes: Some(UndoneDocument { rollout: None, run: Some("last".into()) }),
    };
    check("history", &RolloutsDocument::new(vec![rollout])).expect("fits");
    let mut wrong = serde_json::to_value(&shown).expect("serializes");
    wrong["run"]["status"] = json!("fine");
    assert!(check("history", &wrong).is_err());
    let undo = UndoDocument {
        run: "3".into(),
        conflicts: vec![ConflictDocument {
            what: "/a".into(),
            differs: "content".into(),
            changed: None,
            by_run: Some("4".into()),
        }],
        not_undone: vec![NotUndoneDocument { resource: "exec[\"x\"]".into(), why: "a command".into() }],
    };
    let plan = PlanDocument { undo: Some(undo), ..PlanDocument::new([&every_kind()]) };
    check("plan", &plan).expect("fits");
    let error = Some(ErrorDocument::new("host-unknown", "there is no such host"));
    let silent = || NodeAnswer { node: "web-2".into(), told: None, error: error.clone() };
    let ShownRunDocument { run, resources, .. } = shown;
    let runs = NodeAnswer { node: "web-1".into(), told: Some(NodeRuns { runs: vec![run.clone()] }), error: None };
    check("history", &NodesDocument::new(vec![runs, silent()])).expect("fits");
    let shown = NodeAnswer { node: "web-1".into(), told: Some(NodeRun { run, resources }), error: None };
    check("history", &NodesDocument::new(vec![shown])).expect("fits");
    let told = NodeDrift { drifted: Vec::new(), pending: vec!["file[\"/a\"]".into()], as_left: 1 };
    let drift = NodesDocument::new(vec![NodeAnswer { node: "web-1".into(), told: Some(told), error: None }]);
    check("drift", &drift).expect("fits");
    assert!(check("drift", &json!({"format_version": "1.0", "nodes": [{"node": "web-1"}]})).is_err());
}

#[test]
fn the_schema_refuses_what_is_not_a_plan() {
    for wrong in [json!({}), json!({"format_version": "2.0", "nodes": []}), json!({"format_version": "1.0", "nodes": [{}]})] {
        assert!(check("plan", &wrong).is_err(), "{wrong}");
    }
    let mut leaking = serde_json::to_value(PlanDocument::new([&every_kind()])).expect("serializes");
    let change = leaking.pointer_mut("/nodes/0/resources/9/changes/0").expect("the password");
    assert_eq!(change["sensitive"], true);
    change["after"] = json!(SECRET);
    assert!(check("plan", &leaking).is_err());
}

#[test]
fn another_major_version_is_refused() {
    assert!(PlanDocument::read(r#"{"format_version": "1.7", "nodes": [], "later": 1}"#).is_ok());
    assert!(matches!(PlanDocument::read(r#"{"format_version": "2.0"}"#), Err(ReadError::Version { .. })));
    assert!(matches!(PlanDocument::read("{}"), Err(ReadError::Malformed(_))));
}

#[test]
fn events_fit_their_schema() {
    let plan = every_kind();
    let mut summary = RunSummary::default();
    let mut lines = vec![Event::run_started(&plan, Some("r1".into()))];
    let kinds =
        [OutcomeKind::Changed, OutcomeKind::Failed, OutcomeKind::Skipped, OutcomeKind::NotConverged, OutcomeKind::Unchanged];
    for (resource, kind) in plan.resources.iter().zip(kinds.into_iter().cycle()) {
        let outcome = Outcome {
            message: Some("words".into()),
            duration: Some(std::time::Duration::from_millis(5)),
            remaining: resource.changes.clone(),
            ..Outcome::new(kind)
        };
        summary.add(resource, kind);
        lines.push(Event::resource_started(resource));
        lines.push(Event::resource_finished(resource, &outcome));
    }
    let restart = &plan.resources[10];
    lines.push(Event::reaction_finished(
        restart,
        &restart.because,
        Some(("command-failed", "exit 1")),
        std::time::Duration::ZERO,
    ));
    lines.push(Event::ResourceRetried { id: restart.id.to_string(), attempt: 1, attempts: 3, message: "no".into() });
    lines.push(Event::Warning { code: "run-interrupted".into(), message: "no".into() });
    lines.push(Event::run_finished(None, false, &summary));
    lines.push(Event::BatchStarted { batch: 1, batches: 2, nodes: vec!["web-1".into()] });
    let error = Some(ErrorDocument::new("host-unreachable", "no"));
    lines.push(Event::NodeFinished { node: "web-1".into(), outcome: "unreachable".into(), run: None, error });
    let nodes = [("web-1".to_owned(), "unreachable".to_owned()), ("web-2".to_owned(), "not_tried".to_owned())];
    lines.push(Event::rollout_finished(Some("4".into()), nodes.into_iter().collect()));
    for event in &lines {
        check("events", event).expect("fits");
        let line = serde_json::to_string(event).expect("serializes");
        assert!(!line.contains('\n') && !line.contains(SECRET));
        assert_eq!(serde_json::from_str::<Event>(&line).expect("reads back"), *event);
    }
    assert!(check("events", &json!({"event": "resource_finished", "id": "a"})).is_err());
}

#[test]
fn a_catalog_fits_its_schema() {
    let mut attributes = Attributes::new();
    attributes.set("name", Value::string("deploy"));
    attributes.set("password", Value::string(SECRET).secret());
    attributes.set("env", Value::list([Value::map([("A".into(), Value::string(SECRET).secret())])]));
    let resource = |name: &str| Resource {
        id: ResourceId::new("user", name),
        attributes: attributes.clone(),
        meta: Meta { only_if: vec![stead_catalog::Command::Shell("true".into())], ..Meta::default() },
        source: at(1),
        path: vec!["web".into()],
        origins: vec![stead_catalog::Origin { attribute: "name".into(), step: "data key x".into(), location: Some(at(2)) }],
    };
    let edge = Edge { from: 0, to: 1, kind: EdgeKind::Automatic, reason: "owner \"x\"".into(), source: None };
    let catalog = Catalog { node: "n".into(), resources: vec![resource("a"), resource("b")], edges: vec![edge] };
    let document = CatalogDocument::from(&catalog);
    check("catalog", &document).expect("fits");
    let several = CatalogsDocument::new(vec![(&catalog).into(), NodeCatalogDocument::failed("m", "missing-fact", "no `x`")]);
    check("catalogs", &several).expect("fits");
    let text = pretty(&document).expect("serializes");
    assert!(!text.contains(SECRET));
    assert_eq!(document.resources[0].sensitive, ["password", "env"]);
    insta::assert_snapshot!(crate::dot(&catalog), @r#"
    digraph stead {
      rankdir = LR
      node [shape = box, fontname = "monospace"]
      r0 [label = "user[\"a\"]"]
      r1 [label = "user[\"b\"]"]
      r0 -> r1 [label = "owner \"x\"", style = dashed]
    }
    "#);
    assert_eq!(GraphDocument::from(&catalog).edges.len(), 1);
}

proptest! {
    #[test]
    fn a_plan_document_reads_back(plan in arbitrary_plan()) {
        let document = PlanDocument::new([&plan]);
        let text = pretty(&document).expect("serializes");
        prop_assert!(!text.contains(SECRET));
        prop_assert_eq!(PlanDocument::read(&text).expect("reads back"), document);
    }

    #[test]
    fn any_plan_fits_the_schema(plan in arbitrary_plan()) {
        prop_assert_eq!(check("plan", &PlanDocument::new([&plan])), Ok(()));
    }

    #[test]
    fn markdown_fits_and_keeps_secrets(plan in arbitrary_plan(), limit in 300usize..3000) {
        let text = crate::markdown_within(&[&plan], limit);
        prop_assert!(!text.contains(SECRET));
        prop_assert_eq!(text.find('\u{1b}'), None);
        prop_assert!(text.len() <= limit);
    }

    #[test]
    fn actions_have_one_word(at in 0usize..7) {
        let action = [Action::None, Action::Create, Action::Update, Action::Delete, Action::Replace, Action::Run, Action::Restart][at];
        prop_assert_eq!(Action::from_name(action.name()), Some(action));
    }
}
