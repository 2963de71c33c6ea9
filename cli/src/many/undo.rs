//! `stead undo --on` and `stead undo --rollout`: runs of many hosts are taken back, with one plan to read.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;

use stead_catalog::Target;
use stead_compiler::config::RolloutConfig;
use stead_engine::undo::UndoSelection;
use stead_engine::{Remote, RootSpec, UndoRequest};
use stead_report::{NodeChanges, Overview, OverviewKind, TextOptions, clean, json, overview_text};

use super::batches::RolloutPlan;
use super::past::{ask_all, there};
use super::plan::{refuse_given, show_failures};
use super::progress::{Bars, Stage};
use super::record::{self, Back, Chain, Head, Manner, Record, Recorded};
use super::rollout::Course;
use super::{Asked, Back as ToGoBack, HostFailure, Ready, Resolved, Wanted, summary};
use crate::args::{ApplyArguments, By, ManyArguments, RunName, UndoArguments};
use crate::commands::undo::{conflict_words, document};
use crate::failure::Failure;
use crate::project::Loaded;
use crate::terminal::Terminal;
use crate::{inventories, machine, running};

/// What is to be taken back, and how.
struct Task<'a> {
    runs: Runs,
    selection: UndoSelection,
    force: bool,
    /// The rollout that made the runs, where they are those of one.
    rollout: Option<u64>,
    /// The undo that this one goes on with: what was asked of it was looked at then.
    continues: Option<u64>,
    /// The targets, as they were given.
    on: String,
    many: &'a ManyArguments,
    state: &'a Path,
    project: PathBuf,
    yes: bool,
    json: bool,
    brief: bool,
}

/// Which run of each host.
struct Runs {
    /// Those that are known.
    known: BTreeMap<String, i64>,
    /// That of any other host.
    named: Option<RunName>,
}

impl Runs {
    fn of(&self, host: &str) -> Result<Option<i64>, HostFailure> {
        match (self.known.get(host), &self.named) {
            (Some(run), _) => Ok(Some(*run)),
            (None, Some(named)) => Ok(named.given()),
            (None, None) => {
                let hint = format!("`stead history --on {host}` tells its runs, and `stead undo RUN --on {host}` takes one back");
                Err(HostFailure::new("no-such-run", "which run the rollout made there is not known", Some(hint)))
            }
        }
    }
}

/// Takes runs back on many hosts.
pub(crate) fn undo(arguments: &UndoArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let selection = UndoSelection { only: arguments.only.clone(), except: arguments.except.clone() };
    let past = &arguments.past;
    let task = |on: String, runs, project| Task {
        runs,
        selection: selection.clone(),
        force: arguments.force,
        rollout: None,
        continues: None,
        on,
        many: &past.many,
        state: &state,
        project,
        yes: arguments.yes,
        json: arguments.json,
        brief: arguments.brief,
    };
    if let Some(name) = &arguments.rollout {
        let on = format!("rollout {name}");
        refuse(&on, arguments)?;
        let chain = record::for_undo(name, &state)?;
        let runs = chain.runs();
        let Some(newest) = chain.rollouts.first().filter(|_| !runs.is_empty()) else {
            terminal.print("it changed no host\n")?;
            return Ok(ExitCode::SUCCESS);
        };
        terminal.note(&notes(&chain));
        let given = past.project != Path::new(".");
        let project = if given { past.project.clone() } else { PathBuf::from(&newest.head.project) };
        let hosts: Vec<String> = chain.hosts().into_iter().filter(|host| runs.contains_key(host)).collect();
        let known = runs.into_iter().filter_map(|(host, run)| Some((host, run?))).collect();
        let runs = Runs { known, named: None };
        let many = newest.head.manner.on_top_of_many(&past.many);
        let rollout = Some(newest.id);
        let task = Task { many: &many, rollout, ..task(chain.rollouts.last().unwrap_or(newest).head.on.clone(), runs, project) };
        return run(&task, Some(&hosts), terminal);
    }
    let on = arguments.past.on.as_deref().unwrap_or_default();
    refuse(on, arguments)?;
    let run_name = arguments.run.clone().unwrap_or(RunName::Last);
    let runs = Runs { known: BTreeMap::new(), named: Some(run_name) };
    run(&task(on.to_owned(), runs, past.project.clone()), None, terminal)
}

/// What there is to know before rollouts are taken back: what is meant by it, and what is left.
fn notes(chain: &Chain) -> String {
    let mut notes = String::new();
    let [newest, older @ ..] = chain.rollouts.as_slice() else { return notes };
    if newest.head.back.is_some() {
        notes.push_str(&format!("rollout {} was an undo: this makes the changes again that it took back\n", newest.id));
    }
    let ids: Vec<String> = older.iter().map(|rollout| rollout.id.to_string()).collect();
    if !ids.is_empty() {
        let all = if ids.len() == 1 { "both" } else { "all" };
        notes.push_str(&format!("rollout {} went on with {}: {all} are taken back\n", newest.id, ids.join(" and ")));
    }
    for (id, hosts) in chain.again() {
        let (names, was) = (inventories::shortened(&hosts), if hosts.len() == 1 { "was" } else { "were" });
        let names = clean(&names).into_owned();
        notes
            .push_str(&format!("{names} {was} changed by {id} as well: `stead undo --rollout {id}` takes back the rest there\n"));
    }
    if let Some(id) = chain.lost {
        notes.push_str(&format!("rollout {id}, which it went on with, is not kept any more: what that changed stays\n"));
    }
    notes
}

fn refuse(on: &str, arguments: &UndoArguments) -> Result<(), Failure> {
    // The state directory is where rollouts are.
    refuse_given(on, &[(arguments.machine.root.is_some(), "--root"), (arguments.output.is_some(), "--output")])
}

/// Goes on with the hosts that an undo has not done.
pub(super) fn resume(
    recorded: &Recorded,
    back: &Back,
    left: &[String],
    arguments: &ApplyArguments,
    state: &Path,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let task = Task {
        runs: Runs { known: back.runs.clone(), named: back.named.as_deref().and_then(|name| name.parse().ok()) },
        selection: UndoSelection { only: back.only.clone(), except: back.except.clone() },
        force: back.force,
        rollout: back.rollout,
        continues: Some(recorded.id),
        on: recorded.head.on.clone(),
        many: &arguments.many,
        state,
        project: PathBuf::from(&recorded.head.project),
        yes: arguments.yes,
        json: arguments.json,
        brief: arguments.brief,
    };
    run(&task, Some(left), terminal)
}

fn run(task: &Task<'_>, hosts: Option<&[String]>, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let loaded = super::project(&task.project, terminal)?;
    let resolved = match hosts {
        Some(hosts) => {
            let (mut resolved, gone) = super::targets::named(hosts, loaded.as_ref(), task.many, terminal)?;
            resolved.unknown.extend(gone.into_iter().map(|name| {
                let hint = Some("put it back, or undo there by itself: `stead undo RUN --on HOST`".to_owned());
                let failure = HostFailure::new("no-targets", "the inventory does not have it any more", hint);
                (Target::named(name.as_str()), failure)
            }));
            resolved
        }
        None => super::resolve(&task.on, loaded.as_ref(), task.state, task.many, terminal)?,
    };
    let ssh = resolved.ssh.clone();
    let asked = ask(task, resolved)?;
    show(task, &asked, terminal)?;
    show_failures(&asked, terminal);
    let count: usize = asked.iter().filter_map(|asked| asked.result.as_ref().ok()).map(Ready::changes).sum();
    let failed = asked.iter().any(|asked| asked.result.is_err());
    if count == 0 || (task.json && !task.yes) {
        return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if !task.yes {
        let busy = asked.iter().filter(|asked| asked.result.as_ref().is_ok_and(|ready| ready.changes() > 0)).count();
        running::approve_many("Make", None, count, &summary::hosts(busy), false, terminal)?;
    }
    carry_out(task, loaded.as_ref(), ssh, asked, terminal)
}

/// Asks every host for the way back.
///
/// # Errors
/// [`Failure::NotInRun`] where a word of the selection names nothing on any host that told.
fn ask(task: &Task<'_>, resolved: Resolved) -> Result<Vec<Asked>, Failure> {
    let one = |target: &Target, mut remote: Remote| {
        let request = UndoRequest { run: task.runs.of(&target.name)?, selection: task.selection.clone(), force: task.force };
        let way = remote.way_back(&request).map_err(|error| there(target, error.into()))?;
        let undo = document(&way.run, &way.conflicts, &way.not_undone);
        // A newer run there is not the one that was shown.
        let request = UndoRequest { run: Some(way.run.id), ..request };
        let mut planned = way.planned;
        planned.plan.node = target.name.clone();
        Ok(Ready {
            remote: Some(remote),
            wanted: Wanted::Back(Box::new(ToGoBack { request, undo, unnamed: way.unnamed })),
            planned,
            withheld: Vec::new(),
        })
    };
    let answers = ask_all(resolved, task.many.ssh.forks(), &Bars::new(!task.json), one);
    if task.continues.is_none() {
        let told = answers.iter().filter_map(|(_, answer)| match &answer.as_ref().ok()?.wanted {
            Wanted::Back(back) => Some(&back.unnamed),
            Wanted::Catalog(_) => None,
        });
        let words = named_nowhere(&task.selection, &told.collect::<Vec<_>>());
        if !words.is_empty() {
            return Err(Failure::NotInRun { run: None, words });
        }
    }
    let asked =
        answers.into_iter().map(|(target, result)| Asked { target, result: result.and_then(|ready| refused(task, ready)) });
    Ok(asked.collect())
}

/// The words that name nothing on any host, of those that tell what names nothing there.
fn named_nowhere(selection: &UndoSelection, told: &[&Vec<String>]) -> Vec<String> {
    let is_nowhere = |word: &&String| !told.is_empty() && told.iter().all(|unnamed| unnamed.contains(word));
    selection.words().filter(is_nowhere).cloned().collect()
}

/// Somebody's later edit is not lost without a word.
fn refused(task: &Task<'_>, ready: Ready) -> Result<Ready, HostFailure> {
    let Wanted::Back(back) = &ready.wanted else { return Ok(ready) };
    let conflicts = &back.undo.conflicts;
    if conflicts.is_empty() || task.force {
        return Ok(ready);
    }
    let mut told: Vec<String> = conflicts.iter().take(3).map(conflict_words).collect();
    if conflicts.len() > told.len() {
        told.push(format!("{} more", conflicts.len() - told.len()));
    }
    let failure = Failure::ChangedSince { run: back.request.run.unwrap_or_default(), count: conflicts.len() };
    let failure = HostFailure::from(failure);
    Err(HostFailure { message: format!("{}: {}", failure.message, told.join("; ")), ..failure })
}

/// Shows the plans as one, and what is lost and what stays, each once with its hosts.
fn show(task: &Task<'_>, asked: &[Asked], terminal: &Terminal) -> Result<(), Failure> {
    if task.json && task.yes {
        return Ok(());
    }
    let mut overview = Overview::new(OverviewKind::Plan);
    if task.json {
        overview = overview.keeping_all();
    }
    let mut lost: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut stays: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Asked { target, result } in asked {
        let node = match result {
            Ok(ready) => {
                let changes = NodeChanges::of(ready.planned.plan.clone(), |_| Vec::new());
                let Wanted::Back(back) = &ready.wanted else { continue };
                for conflict in &back.undo.conflicts {
                    lost.entry(conflict_words(conflict)).or_default().push(&target.name);
                }
                for left in &back.undo.not_undone {
                    stays.entry(format!("{}: {}", left.resource, left.why)).or_default().push(&target.name);
                }
                changes.undoing(back.undo.clone())
            }
            Err(failure) => NodeChanges::failed(target.name.clone(), failure.code.as_str(), failure.message.as_str()),
        };
        overview.add(node);
    }
    if task.json {
        let mut out = Vec::new();
        json::write_overview(&overview, &mut out).map_err(Failure::output)?;
        return terminal.print(&String::from_utf8_lossy(&out));
    }
    let options = TextOptions { brief: task.brief, count_failures: true, ..terminal.text_options() };
    let mut text = overview_text(&overview, By::default().into(), &options);
    let mut section = |title: &str, lines: &BTreeMap<String, Vec<&str>>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}\n"));
        }
        for (line, names) in lines {
            text.push_str(&format!("  {}: {}\n", clean(&inventories::shortened(names)), clean(line)));
        }
    };
    section("changed since, and lost by this:", &lost);
    section("cannot be undone:", &stays);
    running::show(&text, task.yes, terminal)
}

/// Goes back on every host, all at a time: what is wrong is not to stay for longer than it has to. Health checks are made as after an apply.
fn carry_out(
    task: &Task<'_>,
    loaded: Option<&Loaded>,
    ssh: stead_engine::ssh::SshOptions,
    asked: Vec<Asked>,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let hosts = asked.iter().map(|asked| asked.target.name.to_string()).collect();
    // Without a project it is gone on with without one.
    let project = loaded.map(|_| std::path::absolute(&task.project).unwrap_or_else(|_| task.project.clone())).unwrap_or_default();
    let runs = asked.iter().filter_map(|asked| {
        let Wanted::Back(back) = &asked.result.as_ref().ok()?.wanted else { return None };
        Some((asked.target.name.to_string(), back.request.run?))
    });
    let mut known = task.runs.known.clone();
    known.extend(runs);
    let back = Back {
        rollout: task.rollout,
        runs: known,
        named: task.runs.named.as_ref().map(RunName::word),
        only: task.selection.only.clone(),
        except: task.selection.except.clone(),
        force: task.force,
    };
    let mut head = Head::new(project.to_string_lossy().into_owned(), &task.on, Vec::new(), hosts).going_back(back);
    head.manner = Manner::of_many(task.many);
    head.continues = task.continues;
    let unwritable = |source| Failure::Unwritable { path: task.state.join("rollouts"), source };
    let record = Record::begin(task.state, &head).map_err(unwritable)?;
    let checks = loaded.map(|loaded| loaded.project.config().rollout.checks.clone()).unwrap_or_default();
    let course = Course {
        plan: RolloutPlan { config: RolloutConfig { checks, ..RolloutConfig::default() }, confirm: false },
        fetch: false,
        ledger: None,
        ssh: &ssh,
        stage: Stage::new(terminal, task.json),
        record,
        is_kept: true,
        cancel: running::cancel_on_signals(None),
        forks: task.many.ssh.forks(),
        audit: false,
        retention: loaded.map(running::retention).unwrap_or_default(),
        is_held: false,
        doubtful: HashSet::new(),
        failures: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    let outcomes = course.run(asked);
    course.tell_end(&outcomes);
    let is_good = outcomes.iter().all(|(_, outcome)| outcome.is_good());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_unknown_where_no_host_knows_it() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let selection = UndoSelection { only: words(&["file", "fiel"]), except: words(&["package"]) };
        let (first, second) = (words(&["fiel", "package"]), words(&["fiel"]));
        assert_eq!(named_nowhere(&selection, &[&first, &second]), ["fiel"]);
        assert_eq!(named_nowhere(&selection, &[&first]), ["fiel", "package"]);
        assert_eq!(named_nowhere(&selection, &[]), [""; 0], "nobody has told");
    }
}
