//! The planner on a machine of named switches: what each requisite means in a plan.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{
    Action, AttributeError, Attributes, Catalog, Change, EdgeKind, Footprint, Place, Schema, Shown, Type, Value,
};

use crate::test_support::{Files, edge, resource};
use crate::{
    Applied, ApplyError, Described, Difference, FileKind, Known, Machine, ObserveError, Owner, PlanOptions, Planned, Predicted,
    ReactionKind, Registry, ResourceType, Stat, TypeEntry, World, plan,
};

/// A file that holds a word.
#[derive(Debug)]
struct Word {
    path: String,
    word: Option<String>,
    reacts: bool,
    /// Nothing can be said of it before this path is there.
    gate: Option<String>,
}

impl Described for Word {
    fn schema() -> Schema {
        Schema {
            name: "test".into(),
            since: "0".into(),
            docs: "A file with a word.".into(),
            key: "path".into(),
            attributes: vec![stead_catalog::AttributeSchema {
                name: "path".into(),
                ty: Type::Path,
                required: true,
                default: None,
                docs: "".into(),
                sensitive: false,
                deprecated: None,
            }],
            aliases: Vec::new(),
            footprint: |attributes| Footprint {
                owns: vec![Place::path(attributes.str("path").unwrap_or_default())],
                ..Footprint::default()
            },
            check: |_| Vec::new(),
            lint: |_, _| Vec::new(),
            deprecated: None,
            reacts: true,
        }
    }

    fn read(attributes: &Attributes) -> Result<Self, AttributeError> {
        let path = attributes.str("path").unwrap_or_default().to_owned();
        let [word, gate] = ["word", "gate"].map(|name| attributes.str(name).map(str::to_owned));
        Ok(Self { path, word, reacts: attributes.bool("reacts").unwrap_or(false), gate })
    }
}

impl ResourceType for Word {
    type Observed = Option<Arc<[u8]>>;

    fn observe(&self, world: &dyn World) -> Result<Self::Observed, ObserveError> {
        if let Some(directory) = self.gate.as_ref().and_then(|gate| gate.strip_suffix('/'))
            && world.stat(Path::new(directory))?.known()?.is_none()
        {
            return Err(ObserveError::Impossible {
                code: "missing-parent",
                message: format!("there is no directory {directory}"),
                hint: "declare it".into(),
            });
        }
        if let Some(gate) = self.gate.as_ref().filter(|gate| !gate.ends_with('/'))
            && world.read(Path::new(gate))?.known()?.is_none()
        {
            return Err(ObserveError::Unavailable { service: "gate", message: "it is shut".into() });
        }
        world.read(Path::new(&self.path))?.known()
    }

    fn diff(&self, observed: &Self::Observed) -> Difference {
        match (&self.word, observed) {
            (Some(word), None) => Difference {
                action: Action::Create,
                changes: vec![Change::value("word", Shown::Absent, Shown::Value(Value::string(word.as_str())))],
                unknown: None,
            },
            (Some(word), Some(seen)) if **seen != *word.as_bytes() => Difference::update(vec![Change::value(
                "word",
                Shown::Text(String::from_utf8_lossy(seen).into()),
                Shown::Text(word.as_str().into()),
            )]),
            (None, Some(_)) => Difference { action: Action::Delete, changes: Vec::new(), unknown: None },
            _ => Difference::NONE,
        }
    }

    fn digest(&self, observed: &Self::Observed, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(observed.as_deref().unwrap_or_default());
        true
    }

    fn predict(&self, _: &Self::Observed, _: &Difference, effects: &mut Predicted<'_>) {
        match &self.word {
            Some(word) => {
                let stat = Stat {
                    kind: if word == "/" { FileKind::Directory } else { FileKind::File },
                    mode: 0o644,
                    uid: Owner::Id(0),
                    gid: Owner::Id(0),
                    size: word.len() as u64,
                    target: None,
                };
                effects.put(Path::new(&self.path), stat, Some(word.as_bytes().into()));
            }
            None => effects.remove(Path::new(&self.path)),
        }
    }

    fn apply(&self, _: &Self::Observed, _: &Difference, _: &Machine) -> Result<Applied, ApplyError> {
        Err(ApplyError::Cancelled)
    }

    fn reaction(&self) -> Option<ReactionKind> {
        self.reacts.then_some(ReactionKind::Restart)
    }
}

/// Wants `word` at `/NAME`; `-` wants nothing there, `/` a directory; a `!` in front makes it react. `GATE>NAME` looks only where
/// `/GATE` is there, `GATE/>NAME` where that directory is.
fn wants(name: &str, word: &str) -> stead_catalog::Resource {
    let (word, reacts) = word.strip_prefix('!').map_or((word, false), |word| (word, true));
    let mut attributes = Attributes::new();
    let path = name.split('@').next().unwrap_or(name);
    let path = match path.split_once('>') {
        Some((gate, path)) => {
            attributes.set("gate", Value::string(format!("/{gate}")));
            path
        }
        None => path,
    };
    attributes.set("path", Value::string(format!("/{path}")));
    if word != "-" {
        attributes.set("word", Value::string(word));
    }
    attributes.set("reacts", Value::Bool(reacts));
    resource("test", name, attributes)
}

fn planned(files: &[(&str, &str)], resources: &[(&str, &str)], edges: &[(u32, u32, EdgeKind)]) -> Planned {
    let catalog = Catalog {
        node: "n".into(),
        resources: resources.iter().map(|(name, word)| wants(name, word)).collect(),
        edges: edges.iter().map(|(from, to, kind)| edge(*from, *to, *kind)).collect(),
    };
    plan(&catalog, &Registry::new(&[TypeEntry::of::<Word>()]), &Files::of(files), &PlanOptions::default())
}

/// Plans and writes down what each resource will do, in order: `a:create`, with `held` or `error` where it is so.
fn check(files: &[(&str, &str)], resources: &[(&str, &str)], edges: &[(u32, u32, EdgeKind)], expected: &str) {
    let planned = planned(files, resources, edges);
    let told: Vec<String> = planned
        .plan
        .resources
        .iter()
        .map(|entry| {
            let how = match (&entry.error, &entry.held) {
                (Some(error), _) => error.code.to_string(),
                (None, Some(_)) => "held".into(),
                (None, None) => entry.action.name().into(),
            };
            format!("{}:{how}", entry.id.name)
        })
        .collect();
    assert_eq!(told.join(" "), expected);
}

use EdgeKind::{Listen, OnChanges, OnFail, Prereq, Require, Watch};

#[test]
fn only_what_differs_changes() {
    check(
        &[("/a", "x"), ("/b", "old")],
        &[("a", "x"), ("b", "new"), ("c", "new"), ("d", "-")],
        &[],
        "a:none b:update c:create d:none",
    );
}

#[test]
fn a_later_resource_sees_what_an_earlier_one_will_have_done() {
    check(&[("/a", "old")], &[("a@1", "new"), ("a@2", "new")], &[(0, 1, Require)], "a@1:update a@2:none");
    check(&[("/a", "old")], &[("a@1", "-"), ("a@2", "-")], &[(0, 1, Require)], "a@1:delete a@2:none");
    check(
        &[],
        &[("a@1", "x"), ("a@2", "-"), ("a@3", "x")],
        &[(0, 1, Require), (1, 2, Require)],
        "a@1:create a@2:delete a@3:create",
    );
}

#[test]
fn what_lacks_a_directory_is_told_what_brings_it_later() {
    let hint = |resources: &[(&str, &str)]| {
        let planned = planned(&[], resources, &[]);
        let error = planned.plan.resources[0].error.clone().expect("there is no such directory");
        assert_eq!(&*error.code, "missing-parent");
        error.hint.map(|hint| hint.to_string())
    };
    let told = "test[\"etc\"] brings that directory: require it, `require = [test[\"etc\"]]`";
    assert_eq!(hint(&[("etc/>etc/a", "x"), ("etc", "/")]).as_deref(), Some(told));
    assert_eq!(hint(&[("etc/>etc/a", "x"), ("etc", "a file")]).as_deref(), Some("declare it"));
    assert_eq!(hint(&[("etc/>etc/a", "x"), ("other", "/")]).as_deref(), Some("declare it"));
    check(&[], &[("etc/>etc/a", "x"), ("etc", "/")], &[(1, 0, Require)], "etc:create etc/>etc/a:create");
}

#[test]
fn what_was_planned_one_after_the_other_is_applied_in_that_order() {
    let order = |edges: &[(u32, u32, EdgeKind)]| {
        let planned = planned(&[("/a", "old")], &[("a@1", "new"), ("b", "x"), ("a@2", "new")], edges);
        (0..3).map(|resource| planned.graph.before(resource).map(|(from, _)| from).collect()).collect::<Vec<Vec<usize>>>()
    };
    assert_eq!(order(&[]), [vec![], vec![], vec![0]]);
    assert_eq!(order(&[(0, 2, Require)]), [vec![], vec![], vec![0]]);
}

#[test]
fn what_only_a_second_look_finds_comes_first_as_well() {
    let edges = [(0, 2, Require)];
    let planned = planned(&[], &[("user", "x"), ("table", "x"), ("user>table@2", "y")], &edges);
    let before: std::collections::BTreeSet<usize> = planned.graph.before(2).map(|(from, _)| from).collect();
    assert_eq!(before, [0, 1].into(), "the table is written before it is read");
}

#[test]
fn a_watched_change_makes_one_reaction() {
    check(&[("/s", "x")], &[("a", "x"), ("b", "x"), ("s", "!x")], &[(0, 2, Watch), (1, 2, Watch)], "a:create b:create s:restart");
    check(&[("/a", "x"), ("/s", "x")], &[("a", "x"), ("s", "!x")], &[(0, 1, Watch)], "a:none s:none");
}

#[test]
fn what_is_created_need_not_react() {
    check(&[], &[("a", "x"), ("s", "!x")], &[(0, 1, Watch)], "a:create s:create");
}

#[test]
fn listen_reacts_like_watch() {
    check(&[("/s", "x")], &[("a", "x"), ("s", "!x")], &[(0, 1, Listen)], "a:create s:restart");
}

#[test]
fn on_changes_holds_what_nothing_caused() {
    check(&[("/a", "x")], &[("a", "x"), ("b", "x")], &[(0, 1, OnChanges)], "a:none b:held");
    check(&[], &[("a", "x"), ("b", "x")], &[(0, 1, OnChanges)], "a:create b:create");
    let two = [(0, 2, OnChanges), (1, 2, OnChanges)];
    check(&[("/a", "x")], &[("a", "x"), ("b", "x"), ("c", "x")], &two, "a:none b:create c:create");
}

#[test]
fn on_fail_waits_for_a_failure() {
    check(&[], &[("a", "x"), ("b", "x")], &[(0, 1, OnFail)], "a:create b:held");
}

#[test]
fn prereq_acts_only_before_a_change() {
    check(&[("/b", "old")], &[("a", "x"), ("b", "new")], &[(0, 1, Prereq)], "a:create b:update");
    check(&[("/b", "new")], &[("a", "x"), ("b", "new")], &[(0, 1, Prereq)], "a:held b:none");
    let chain = [(0, 1, Prereq), (1, 2, Prereq)];
    check(&[("/c", "old")], &[("a", "x"), ("b", "x"), ("c", "new")], &chain, "a:create b:create c:update");
    check(&[("/c", "new")], &[("a", "x"), ("b", "x"), ("c", "new")], &chain, "a:held b:held c:none");
}

#[test]
fn what_cannot_be_planned_holds_only_its_dependents() {
    check(
        &[("/a", "FORBIDDEN")],
        &[("a", "x"), ("b", "x"), ("c", "x")],
        &[(0, 1, Require)],
        "a:permission-denied b:held c:create",
    );
}

/// As where the operator's version of Stead is a newer one.
#[test]
fn a_resource_of_a_type_that_is_not_known_is_told() {
    let resources = vec![resource("shed", "a", Attributes::new())];
    let catalog = Catalog { node: "n".into(), resources, edges: Vec::new() };
    let planned = plan(&catalog, &Registry::new(&[TypeEntry::of::<Word>()]), &Files::of(&[]), &PlanOptions::default());
    let error = planned.plan.resources[0].error.clone().unwrap();
    let page = include_str!("../../stdlib/errors/catalog-mismatch.md");
    assert!(page.contains(&format!("\nerror[{}]: {error}\n", error.code)), "{error:?}");
}

#[test]
fn noop_is_shown_and_held() {
    let mut one = wants("a", "x");
    one.meta.noop = true;
    let catalog = Catalog { node: "n".into(), resources: vec![one, wants("s", "!x")], edges: vec![edge(0, 1, Watch)] };
    let planned = plan(&catalog, &Registry::new(&[TypeEntry::of::<Word>()]), &Files::of(&[("/s", "x")]), &PlanOptions::default());
    let [first, second] = &planned.plan.resources[..] else { panic!("two entries") };
    assert_eq!((first.action, first.held.as_deref(), first.changes.len()), (Action::None, Some("noop"), 1));
    assert_eq!(second.action, Action::None);
}

#[test]
fn a_guard_after_a_change_is_asked_later() {
    let mut guarded = wants("b", "x");
    guarded.meta.unless.push(stead_catalog::Command::Shell("is-settled".into()));
    let catalog =
        Catalog { node: "n".into(), resources: vec![wants("a", "x"), guarded.clone()], edges: vec![edge(0, 1, Require)] };
    let registry = Registry::new(&[TypeEntry::of::<Word>()]);
    let later = plan(&catalog, &registry, &Files::of(&[]), &PlanOptions::default());
    assert!(later.plan.resources[1].unknown.as_deref().is_some_and(|because| because.contains("test[\"a\"]")));
    let settled = plan(&catalog, &registry, &Files::of(&[("/a", "x")]), &PlanOptions::default());
    assert_eq!(settled.plan.resources[1].held.as_deref(), Some("unless: `is-settled` succeeds"));
}

#[test]
fn a_reaction_owed_by_an_earlier_run_is_due() {
    let catalog =
        Catalog { node: "n".into(), resources: vec![wants("a", "x"), wants("s", "!x")], edges: vec![edge(0, 1, Watch)] };
    let cause = stead_catalog::Cause { kind: Watch, resource: catalog.resources[0].id.clone() };
    let options = PlanOptions::owing(vec![crate::PendingReaction { resource: catalog.resources[1].id.clone(), cause }]);
    let planned = plan(&catalog, &Registry::new(&[TypeEntry::of::<Word>()]), &Files::of(&[("/a", "x"), ("/s", "x")]), &options);
    assert_eq!(planned.plan.resources[1].action, Action::Restart);
    assert_eq!(planned.plan.resources[1].because.len(), 1);
}

/// A predicted world over some files, with one change made to it.
fn predicting(files: &[(&str, &str)], change: impl FnOnce(&mut Predicted<'_>), look: impl FnOnce(&Predicted<'_>)) {
    let base = Files::of(files);
    let mut world = Predicted::new(&base);
    change(&mut world);
    look(&world);
}

fn directory() -> Stat {
    Stat { kind: FileKind::Directory, mode: 0o755, uid: Owner::Id(0), gid: Owner::Id(0), size: 0, target: None }
}

fn link(target: &str) -> Stat {
    Stat { kind: FileKind::Symlink, target: Some(target.into()), ..directory() }
}

fn file() -> Stat {
    Stat { kind: FileKind::File, ..directory() }
}

#[test]
fn what_is_below_a_removed_directory_is_gone() {
    predicting(
        &[("/d/a", "x")],
        |world| world.remove(Path::new("/d")),
        |world| {
            assert_eq!(world.stat(Path::new("/d/a")).unwrap(), Known::Is(None));
            assert_eq!(world.list(Path::new("/d")).unwrap(), Known::Is(None));
        },
    );
    let again = |world: &mut Predicted<'_>| {
        world.remove(Path::new("/d"));
        world.put(Path::new("/d"), directory(), None);
    };
    predicting(&[("/d/a", "x")], again, |world| {
        assert_eq!(world.stat(Path::new("/d/a")).unwrap(), Known::Is(None));
        assert_eq!(world.list(Path::new("/d")).unwrap(), Known::Is(Some(Vec::new())));
    });
}

#[test]
fn a_changed_directory_keeps_what_is_below() {
    let change = |world: &mut Predicted<'_>| {
        world.put(Path::new("/d"), directory(), None);
        world.put(Path::new("/d/b"), file(), Some(b"y".as_slice().into()));
        world.put(Path::new("/d/e/f"), file(), Some(b"y".as_slice().into()));
    };
    predicting(&[("/d/a", "x")], change, |world| {
        let names =
            |entries: Option<Vec<(std::ffi::OsString, FileKind)>>| entries.unwrap().into_iter().map(|e| e.0).collect::<Vec<_>>();
        assert_eq!(world.list(Path::new("/d")).unwrap().map(names), Known::Is(vec!["a".into(), "b".into()]));
        assert!(world.holds(Path::new("/d/a"), b"x").unwrap() == Known::Is(true));
        assert!(world.holds(Path::new("/d/b"), b"y").unwrap() == Known::Is(true));
    });
}

#[test]
fn a_path_through_a_predicted_symlink_leads_where_it_will_point() {
    predicting(
        &[("/real/a", "x")],
        |world| world.put(Path::new("/current"), link("real"), None),
        |world| {
            assert!(world.holds(Path::new("/current/a"), b"x").unwrap() == Known::Is(true));
            assert_eq!(
                world.stat(Path::new("/current")).unwrap().value().cloned().flatten().map(|s| s.kind),
                Some(FileKind::Symlink)
            );
        },
    );
    predicting(
        &[],
        |world| world.put(Path::new("/loop"), link("loop"), None),
        |world| {
            assert_eq!(world.stat(Path::new("/loop/a")).unwrap(), Known::Is(None));
        },
    );
}

#[test]
fn an_obscured_path_is_unknown_with_all_below() {
    predicting(
        &[("/d/a", "x")],
        |world| world.obscure(Path::new("/d"), "exec[\"make\"]"),
        |world| {
            assert_eq!(world.stat(Path::new("/d/a")).unwrap(), Known::Unknown("exec[\"make\"]".into()));
        },
    );
}

#[test]
fn a_changed_mode_keeps_the_content() {
    predicting(
        &[("/d/a", "x")],
        |world| world.change(Path::new("/d/a"), Stat { mode: 0o600, size: 1, ..file() }),
        |world| {
            assert!(world.holds(Path::new("/d/a"), b"x").unwrap() == Known::Is(true));
            assert_eq!(world.stat(Path::new("/d/a")).unwrap().value().cloned().flatten().map(|s| s.mode), Some(0o600));
        },
    );
}

#[test]
fn what_appears_exists_and_is_unknown_otherwise() {
    predicting(
        &[],
        |world| world.appear(Path::new("/d/a"), "exec[\"make\"]"),
        |world| {
            assert_eq!(world.exists(Path::new("/d/a")).unwrap(), Known::Is(true));
            assert_eq!(world.stat(Path::new("/d/a")).unwrap(), Known::Unknown("exec[\"make\"]".into()));
            assert_eq!(world.exists(Path::new("/d/a/b")).unwrap(), Known::Unknown("exec[\"make\"]".into()));
        },
    );
}

#[test]
fn a_unit_file_brings_its_unit() {
    let content = b"[Service]\nExecStart=/bin/x\n[Install]\nWantedBy=multi-user.target\n".as_slice();
    predicting(
        &[],
        |world| world.put(Path::new("/etc/systemd/system/x.service"), file(), Some(content.into())),
        |world| {
            let state = world.unit("x.service").unwrap().known().unwrap();
            assert!(state.exists && state.needs_daemon_reload);
            assert_eq!(state.enabled, Known::Is(crate::EnableState::Disabled));
        },
    );
}
