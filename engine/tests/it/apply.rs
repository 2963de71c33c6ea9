//! Order, containment, guards, retries, cancelling, the lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stead_catalog::{Command, EdgeKind, Retry, Value};
use stead_engine::{ApplyOptions, Cancel, OutcomeKind, RunError, apply};

use crate::support::*;

#[test]
fn a_plan_is_carried_out_and_the_next_is_empty() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![
            text(&scene.path("d/a"), "one"),
            folder(&scene.path("d")),
            text(&scene.path("d/b"), "two"),
            text(&scene.path("c"), ""),
        ],
        &[],
    );
    let events = Recorder::default();
    let report = apply(&catalog, &registry(), &scene.plan(&catalog), &scene.options(), &events).unwrap();
    assert!(report.is_success(), "{report:?}");
    assert_eq!(report.counts().changed, 4);
    assert_eq!((scene.read("d/a"), scene.read("d/b")), ("one".into(), "two".into()));
    let events = events.events.into_inner().unwrap();
    assert_eq!((events[0].as_str(), events.last().unwrap().as_str()), ("run started", "run finished"));
    assert_eq!(events.len(), 2 + 4 * 2);
    assert!(scene.plan(&catalog).plan.is_empty());
    let again = scene.apply(&catalog);
    assert_eq!(again.counts().unchanged, 4);
}

#[test]
fn a_failure_stops_only_what_depends_on_it() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![
            line("breaks", "echo broken >&2; exit 3"),
            text(&scene.path("after"), "x"),
            text(&scene.path("after-that"), "x"),
            text(&scene.path("beside"), "x"),
            line("rescue", &format!("touch {}", scene.path("rescued").display())),
        ],
        &[(0, 1, EdgeKind::Require), (1, 2, EdgeKind::Require), (0, 4, EdgeKind::OnFail)],
    );
    let report = scene.apply(&catalog);
    assert_eq!(
        story(&scene, &report),
        [
            "line[\"breaks\"] failed command-failed",
            "text[\"after\"] skipped dependency-failed",
            "text[\"after-that\"] skipped dependency-failed",
            "text[\"beside\"] changed",
            "line[\"rescue\"] changed",
        ]
    );
    let failure = &report.results[0].1;
    assert!(failure.hint.as_deref().unwrap_or_default().contains("broken"), "{failure:?}");
    assert!(report.results[2].1.message.as_deref().unwrap_or_default().contains("line[\"breaks\"]"));
    assert!(scene.path("rescued").exists());
    assert!(!report.is_success());
}

#[test]
fn on_fail_rests_when_nothing_fails() {
    let scene = Scene::new();
    let rescue = line("rescue", &format!("touch {}", scene.path("rescued").display()));
    let catalog = catalog(vec![text(&scene.path("a"), "x"), rescue], &[(0, 1, EdgeKind::OnFail)]);
    let report = scene.apply(&catalog);
    assert_eq!(story(&scene, &report), ["text[\"a\"] changed", "line[\"rescue\"] skipped held"]);
    assert!(!scene.path("rescued").exists() && report.is_success());
}

#[test]
fn on_changes_acts_on_changes_only() {
    let scene = Scene::new();
    let count = line("count", &format!("echo >> {}", scene.path("count").display()));
    let catalog = catalog(vec![text(&scene.path("a"), "x"), count], &[(0, 1, EdgeKind::OnChanges)]);
    scene.apply(&catalog);
    scene.apply(&catalog);
    assert_eq!(scene.read("count"), "\n");
}

#[test]
fn prereq_acts_before_its_target_and_only_with_it() {
    let scene = Scene::new();
    let save = line("save", &format!("test ! -e {0}/a && echo >> {0}/saved", scene.directory.display()));
    let catalog = catalog(vec![save, text(&scene.path("a"), "x")], &[(0, 1, EdgeKind::Prereq)]);
    let report = scene.apply(&catalog);
    assert_eq!(story(&scene, &report), ["line[\"save\"] changed", "text[\"a\"] changed"]);
    scene.apply(&catalog);
    assert_eq!(scene.read("saved"), "\n");
}

#[test]
fn guards_are_asked_again_at_their_turn() {
    let scene = Scene::new();
    let guarded = |name: &str, only_if: bool, guard: &str| {
        let mut resource = text(&scene.path(name), "x");
        let list = if only_if { &mut resource.meta.only_if } else { &mut resource.meta.unless };
        list.push(Command::Shell(guard.into()));
        resource
    };
    let flag = scene.path("flag").display().to_string();
    let catalog = catalog(
        vec![guarded("a", false, "true"), guarded("b", true, "true"), guarded("c", false, &format!("test -e {flag}"))],
        &[],
    );
    let planned = scene.plan(&catalog);
    std::fs::write(&flag, "").unwrap();
    let report = scene.apply_planned(&catalog, &planned);
    assert_eq!(story(&scene, &report), ["text[\"a\"] skipped held", "text[\"b\"] changed", "text[\"c\"] skipped held"]);
}

#[test]
fn what_moved_since_the_plan_is_stopped() {
    let scene = Scene::new();
    let catalog = catalog(
        vec![
            text(&scene.path("a"), "x"),
            text(&scene.path("b"), "x"),
            text(&scene.path("c"), "x"),
            text(&scene.path("done"), "x"),
        ],
        &[(0, 2, EdgeKind::Require)],
    );
    let planned = scene.plan(&catalog);
    std::fs::write(scene.path("a"), "somebody else's").unwrap();
    std::fs::write(scene.path("done"), "x").unwrap();
    let report = scene.apply_planned(&catalog, &planned);
    assert_eq!(
        story(&scene, &report),
        [
            "text[\"a\"] failed machine-changed",
            "text[\"b\"] changed",
            "text[\"c\"] skipped dependency-failed",
            "text[\"done\"] unchanged"
        ]
    );
    assert_eq!(scene.read("a"), "somebody else's");
}

#[test]
fn noop_is_planned_and_never_applied() {
    let scene = Scene::new();
    let mut only_shown = text(&scene.path("a"), "x");
    only_shown.meta.noop = true;
    let report = scene.apply(&catalog(vec![only_shown], &[]));
    assert_eq!(story(&scene, &report), ["text[\"a\"] skipped held"]);
    assert!(!scene.path("a").exists());
}

#[test]
fn a_failure_is_tried_again_where_the_resource_says_so() {
    let scene = Scene::new();
    let tries = scene.path("tries").display().to_string();
    let mut flaky = line("flaky", &format!("echo >> {tries}; test $(wc -l < {tries}) -ge 3"));
    flaky.meta.retry = Some(Retry { attempts: 4, delay_ns: 1_000_000 });
    let catalog = catalog(vec![flaky], &[]);
    let events = Recorder::default();
    let report = apply(&catalog, &registry(), &scene.plan(&catalog), &scene.options(), &events).unwrap();
    assert_eq!((outcome(&report, 0), report.results[0].1.attempts), (OutcomeKind::Changed, 3));
    let retried = events.events.into_inner().unwrap().iter().filter(|event| event.starts_with("retried")).count();
    assert_eq!(retried, 2);
}

#[test]
fn a_timeout_ends_the_command_and_what_it_started() {
    let scene = Scene::new();
    let mut slow = line("slow", &format!("(sleep 0.6; touch {}) & sleep 30", scene.path("late").display()));
    slow.meta.timeout_ns = Some(100_000_000);
    let before = Instant::now();
    let report = scene.apply(&catalog(vec![slow], &[]));
    assert_eq!(story(&scene, &report), ["line[\"slow\"] failed timed-out"]);
    assert!(before.elapsed() < Duration::from_secs(5));
    std::thread::sleep(Duration::from_millis(700));
    assert!(!scene.path("late").exists());
}

#[test]
fn what_is_not_there_afterwards_is_not_converged() {
    let scene = Scene::new();
    let creates = scene.path("never").display().to_string();
    let liar = resource("line", "liar", &[("line", Value::string("true")), ("creates", Value::string(&*creates))]);
    let report = scene.apply(&catalog(vec![liar, line("plain", "true")], &[]));
    assert_eq!(story(&scene, &report), ["line[\"liar\"] not_converged not-converged", "line[\"plain\"] changed"]);
}

#[test]
fn a_slow_command_holds_up_nobody() {
    let scene = Scene::new();
    let seen = format!("for i in $(seq 300); do test -e {}/b && exit 0; sleep 0.01; done; exit 1", scene.directory.display());
    let catalog = catalog(
        vec![line("slow", &seen), text(&scene.path("a"), "x"), text(&scene.path("b"), "x")],
        &[(1, 2, EdgeKind::Require)],
    );
    let report = scene.apply(&catalog);
    assert!(report.is_success(), "{:?}", story(&scene, &report));
}

#[test]
fn cancelling_finishes_what_runs_and_starts_nothing() {
    let scene = Scene::new();
    let started = scene.path("started");
    let slow = format!("touch {}; sleep 0.3; touch {}", started.display(), scene.path("ended").display());
    let catalog = catalog(vec![line("slow", &slow), text(&scene.path("after"), "x")], &[(0, 1, EdgeKind::Require)]);
    let cancel = Arc::new(Cancel::new());
    let options = ApplyOptions { cancel: cancel.clone(), ..scene.options() };
    let planned = scene.plan(&catalog);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(soon(|| started.exists()));
            cancel.ask();
        });
        apply(&catalog, &registry(), &planned, &options, &()).unwrap()
    });
    assert_eq!(story(&scene, &report), ["line[\"slow\"] changed", "text[\"after\"] skipped cancelled"]);
    assert!(report.cancelled && scene.path("ended").exists());
    assert_eq!(scene.journal().last_run().unwrap().unwrap().status.name(), "cancelled");
}

#[test]
fn asking_twice_ends_what_runs() {
    let scene = Scene::new();
    let started = scene.path("started");
    let catalog = catalog(vec![line("slow", &format!("touch {}; sleep 30", started.display()))], &[]);
    let cancel = Arc::new(Cancel::new());
    let options = ApplyOptions { cancel: cancel.clone(), ..scene.options() };
    let planned = scene.plan(&catalog);
    let before = Instant::now();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(soon(|| started.exists()));
            cancel.ask();
            cancel.ask();
        });
        apply(&catalog, &registry(), &planned, &options, &()).unwrap()
    });
    assert_eq!(story(&scene, &report), ["line[\"slow\"] failed cancelled"]);
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[test]
fn one_apply_at_a_time() {
    let scene = Scene::new();
    let started = scene.path("started");
    let slow = catalog(vec![line("slow", &format!("touch {}; sleep 0.5", started.display()))], &[]);
    let quick = catalog(vec![text(&scene.path("a"), "x")], &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(scene.apply(&slow).is_success()));
        assert!(soon(|| started.exists()));
        match apply(&quick, &registry(), &scene.plan(&quick), &scene.options(), &()) {
            Err(RunError::Locked { holder: Some(holder) }) => assert_eq!(holder.pid, std::process::id()),
            other => panic!("{:?}", other.map(|report| story(&scene, &report))),
        }
    });
    assert!(!scene.path("a").exists());
    assert!(scene.apply(&quick).is_success());
}
