//! What an operator asks of a worker, and what the worker answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stead_catalog::{
    Action, Attributes, Catalog, Change, Plan, PlannedResource, Resource, ResourceId, Shown, SourceLocation, Value,
};

use super::event::WireEvent;
use super::plan::{WirePlan, WirePlanned};
use super::runs::{WireConflict, WireDone, WireDrift, WireNotUndone, WireRun, WireUndo};
use super::value::{WireMap, WireValue};
use super::{WireCatalog, WireCode, WireLedgerEntry, encode, encode_piece};

/// From the operator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Nothing: the operator is still there.
    Beat {},
    /// Ask these programs for a fact each, and tell what a project has made here. Answered by [`Answer::Told`].
    Tell {
        #[serde(default)]
        programs: Vec<WireProgram>,
        #[serde(default)]
        ledger: Option<String>,
    },
    /// Plan this catalog. Answered by [`Answer::Need`] where contents are missing, and then by [`Answer::Planned`].
    Plan(Box<PlanRequest>),
    /// Carry out the plan that was made last. Answered by events.
    Apply {
        /// A saved plan's file: what is not as it says is stopped.
        #[serde(default)]
        saved: Option<String>,
        #[serde(default)]
        audit: bool,
        /// How large the journal may get, and how old runs in it.
        #[serde(default)]
        max_size: Option<u64>,
        #[serde(default)]
        max_age_ns: Option<u64>,
        /// Resources that nobody has accepted: they are left as they are.
        withheld: Vec<(Arc<str>, Arc<str>)>,
        /// The project in whose ledger it is noted what is made.
        #[serde(default)]
        ledger: Option<String>,
    },
    /// End the run: asked once it finishes what runs, asked again it ends what runs.
    Cancel {},
    /// Plan the way back from a run. Answered by [`Answer::WayBack`]; carried out as any other plan.
    Undo(WireUndo),
    /// Plan this catalog, and tell what of it has changed since the last apply. Answered by [`Answer::Drifted`], after [`Answer::Need`].
    Drift(Box<PlanRequest>),
    /// Tell which runs there were, the newest first. Answered by [`Answer::Runs`].
    History { limit: u32 },
    /// Tell what is in the journal about a run, the newest one where none is named; `wait` until it is over.
    Report { run: Option<i64>, wait: bool },
    /// Look whether something works.
    Check { kind: CheckKind, timeout_ns: u64 },
    /// There is nothing more to do.
    Bye {},
}

/// What is to be planned, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanRequest {
    pub(crate) catalog: WireCatalog,
    /// Fetch packages that would be installed, and read what they bring.
    #[serde(default)]
    pub(crate) fetch: bool,
    /// Note in the journal what is as it shall be, when nothing is to be done.
    #[serde(default)]
    pub(crate) remember: bool,
}

/// A program that tells the value of one fact.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireProgram {
    pub(crate) name: Arc<str>,
    pub(crate) argv: Vec<Arc<str>>,
    pub(crate) timeout_ns: u64,
}

/// What is looked at by [`Request::Check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckKind {
    /// A command that has to succeed.
    Exec { argv: Vec<Arc<str>> },
    /// A service that has to be active.
    Service { unit: Arc<str> },
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The first one.
    Hello {
        version: String,
        arch: String,
        uid: u32,
        /// The newest run in the journal.
        last_run: Option<WireRun>,
    },
    /// The second one, unasked: with what could not be told, in words.
    Facts {
        facts: WireMap,
        #[serde(default)]
        problems: Vec<String>,
    },
    /// What programs told, and what the ledger has.
    Told {
        facts: WireMap,
        #[serde(default)]
        problems: Vec<String>,
        #[serde(default)]
        ledger: Vec<WireLedgerEntry>,
    },
    /// Nothing: the worker is still there.
    Beat {},
    /// Contents that are missing.
    Need { contents: Vec<Wanted> },
    /// The plan, and what it would be saved as.
    Planned { plan: WirePlan, saved: String },
    /// Something happened in the run.
    Event(WireEvent),
    /// The way back from a run: a plan, what others have changed since and would lose, what stays as it is, and words of the selection that
    /// name nothing that the run changed.
    WayBack {
        run: WireRun,
        plan: WirePlan,
        saved: String,
        conflicts: Vec<WireConflict>,
        not_undone: Vec<WireNotUndone>,
        #[serde(default)]
        unnamed: Vec<String>,
    },
    /// What has changed since the last apply.
    Drifted(WireDrift),
    /// Runs in the journal.
    Runs { runs: Vec<WireRun> },
    /// What the journal says about a run; no run, when there is none.
    Report { run: Option<WireRun>, changes: Vec<WireDone> },
    /// How a check went.
    Checked { is_good: bool, message: String },
    /// What was asked cannot be done.
    Failed(Problem),
}

/// A content that is missing, and how much of it is there from a connection that broke.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) hash: String,
    #[serde(default)]
    pub(crate) offset: u64,
}

/// A failure in its own words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) code: WireCode,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) hint: Option<String>,
}

/// One frame of each kind that has something in it.
pub(super) fn samples() -> Vec<Vec<u8>> {
    let id = |name: &str| ResourceId::new("file", name);
    let source = SourceLocation { file: "site.stead".into(), start: 1, end: 9, line: 1, column: 2 };
    let values = [
        ("content", Value::string("secret").secret()),
        ("mode", Value::Mode(0o644)),
        ("ratio", Value::Float(0.1)),
        ("list", Value::list([Value::Int(-1), Value::Bool(true), Value::Duration(5), Value::Size(6)])),
        ("map", Value::map([("key".into(), Value::Member("word".into())), ("ref".into(), Value::Ref(id("/b")))])),
    ];
    let attributes = values.into_iter().map(|(name, value)| (Arc::from(name), value)).collect::<Attributes>();
    let orphan = stead_catalog::Orphan { declared_as: id("/a"), needed_by: Some(id("/b")) };
    let resource = |name: &str| Resource {
        id: id(name),
        attributes: attributes.clone(),
        meta: stead_catalog::Meta { tags: vec!["web".into()], orphan: Some(orphan.clone()), ..Default::default() },
        source: source.clone(),
        path: vec!["web".into()],
        origins: Vec::new(),
    };
    let edge = stead_catalog::Edge {
        from: 0,
        to: 1,
        kind: stead_catalog::EdgeKind::Watch,
        reason: "".into(),
        source: Some(source.clone()),
    };
    let catalog = Catalog { node: "web-1".into(), resources: vec![resource("/a"), resource("/b")], edges: vec![edge] };
    let change = Change::value("mode", Shown::Value(Value::Mode(0o600)), Shown::Text("x".into()));
    let planned = PlannedResource {
        id: id("/a"),
        action: Action::Update,
        because: vec![stead_catalog::Cause { kind: stead_catalog::EdgeKind::Watch, resource: id("/b") }],
        source,
        changes: vec![change.clone(), change.hidden()],
        unknown: Some("later".into()),
        held: None,
        error: Some(stead_catalog::PlanError { code: "code".into(), message: "message".into(), hint: Some("hint".into()) }),
        digest: Some([1; 32]),
        orphan: true,
    };
    let plan = Plan { node: "web-1".into(), catalog_hash: [3; 32], resources: vec![planned.clone()] };
    let outcome = super::WireOutcome::of(&crate::Outcome::new(stead_catalog::OutcomeKind::Changed));
    let finished = WireEvent::Finished { at: 0, resource: Some(Box::new(WirePlanned::of(&planned))), outcome };
    let since = std::time::UNIX_EPOCH;
    let drifted =
        crate::drift::Drifted { resource: planned.clone(), run: Some(1), since, changed: None, by: Some("uid 0".into()) };
    let drift = crate::drift::Drift { drifted: vec![drifted], pending: vec![planned], as_left: 1 };
    let facts = vec![("hostname".into(), WireValue::of(&Value::string("web-1"), false))];
    let program = WireProgram { name: "rack".into(), argv: vec!["/bin/rack".into()], timeout_ns: 1 };
    let made = crate::LedgerEntry {
        resource: id("/a"),
        thing: attributes,
        node: "web-1".into(),
        source: "site.stead:1:1".into(),
        needs: vec![id("/b")],
        made: (1, 2),
    };
    let request = PlanRequest { catalog: WireCatalog::of(&catalog), fetch: true, remember: false };
    let frames = [
        encode(&Request::Plan(Box::new(request))),
        encode(&Request::Apply {
            saved: None,
            audit: false,
            max_size: Some(1),
            max_age_ns: None,
            withheld: vec![("file".into(), "/a".into())],
            ledger: Some("site".into()),
        }),
        encode(&Request::Tell { programs: vec![program], ledger: Some("site".into()) }),
        encode(&Answer::Hello { version: "1".into(), arch: "x86_64".into(), uid: 0, last_run: None }),
        encode(&Answer::Facts { facts: facts.clone(), problems: vec!["no".into()] }),
        encode(&Answer::Told { facts, problems: Vec::new(), ledger: vec![WireLedgerEntry::of(&made)] }),
        encode(&Answer::Need { contents: vec![Wanted { hash: "00".repeat(32), offset: 1 }] }),
        encode(&Answer::Planned { plan: WirePlan::of(&plan), saved: String::new() }),
        encode(&Answer::Event(finished)),
        encode(&Request::Undo(WireUndo { run: Some(1), only: vec!["file".into()], except: Vec::new(), force: true })),
        encode(&Request::History { limit: 20 }),
        encode(&Request::Report { run: None, wait: false }),
        encode(&Answer::Drifted(WireDrift::of(&drift))),
        encode_piece(&[1; 32], 0, b"content"),
    ];
    frames.into_iter().filter_map(Result::ok).collect()
}
