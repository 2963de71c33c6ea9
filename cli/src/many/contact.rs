//! `stead ssh-check`: what works on each host, and what does not.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use stead_catalog::{Target, Value};
use stead_engine::ssh::{self, Contact, SshOptions};
use stead_engine::{Remote, RootSpec};
use stead_report::clean;

use super::{HostFailure, pool};
use crate::args::SshCheckArguments;
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// What was found out about a host.
struct Found {
    target: Target,
    contact: Contact,
    worker: Result<Worker, HostFailure>,
}

struct Worker {
    version: String,
    user: String,
    system: String,
    last_run: Option<String>,
}

/// Looks at each host.
pub(crate) fn check_hosts(arguments: &SshCheckArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let loaded = super::project(&arguments.path, terminal)?;
    let state = machine::state_dir(None, &RootSpec::Machine);
    let resolved = super::resolve(&arguments.on, loaded.as_ref(), &state, &arguments.many, terminal)?;
    let width = pool::width(arguments.many.ssh.forks());
    let mut found = pool::each(resolved.targets, width, |_, target| look(target, &resolved.ssh));
    let unknown = |(target, failure)| Found { target, contact: Contact::default(), worker: Err(failure) };
    found.extend(resolved.unknown.into_iter().map(unknown));
    let failed = found.iter().any(|found| found.worker.is_err());
    if arguments.json {
        let hosts: Vec<serde_json::Value> = found.iter().map(json).collect();
        let document = serde_json::json!({ "format_version": stead_report::json::FORMAT_VERSION, "hosts": hosts });
        terminal.print(&stead_report::json::pretty(&document).map_err(|error| Failure::Output(error.into()))?)?;
    } else {
        for found in &found {
            terminal.print(&text(found, terminal))?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look(target: Target, options: &SshOptions) -> Found {
    let (remote, contact) = ssh::connect(&target, options);
    let worker = remote.map(|remote| Worker::of(&remote)).map_err(HostFailure::from);
    Found { target, contact, worker }
}

impl Worker {
    fn of(remote: &Remote) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let within = |name: &str, field: &str| match remote.facts.get(name) {
            Some(Value::Map(map)) => text(map.get(field)),
            _ => String::new(),
        };
        let last_run = remote.last_run.as_ref().map(|run| format!("run {} {}", run.id, run.status.name()));
        Self { version: remote.version.clone(), user: within("user", "name"), system: within("os", "name"), last_run }
    }
}

/// It was sudo that said no: so somebody has logged in.
fn is_logged_in(found: &Found) -> bool {
    found.contact.shell || found.worker.as_ref().is_err_and(|failure| failure.code.starts_with("sudo-"))
}

/// Each step, and where it ended.
fn steps(found: &Found) -> Vec<(&'static str, String)> {
    let mut steps = Vec::new();
    let contact = &found.contact;
    if contact.shell {
        steps.push(("login", format!("works, {}", milliseconds(contact.login))));
    } else if is_logged_in(found) {
        steps.push(("login", "works".to_owned()));
    }
    if let Some(user) = found.target.r#become.as_ref().filter(|_| contact.shell) {
        steps.push(("sudo", format!("works, as {user}")));
    }
    if contact.arch.is_some() {
        let how = match (contact.sent, contact.replaced) {
            (true, true) => "another one was there: replaced",
            (true, false) => "sent",
            _ => "was there",
        };
        steps.push(("worker", how.to_owned()));
    }
    steps
}

fn text(found: &Found, terminal: &Terminal) -> String {
    let name = clean(&found.target.name).into_owned();
    let mut text = match &found.worker {
        Ok(_) => format!("{name}  works, {}\n", milliseconds(found.contact.total)),
        Err(failure) => terminal.host_line(&found.target.name, failure),
    };
    for (step, how) in steps(found) {
        let _ = writeln!(text, "  {step:<8} {}", clean(&how));
    }
    if let Ok(worker) = &found.worker {
        let arch = found.contact.arch.as_deref().unwrap_or_default();
        let _ = writeln!(text, "  {:<8} stead {}, as {}", "runs", clean(&worker.version), clean(&worker.user));
        let _ = writeln!(text, "  {:<8} {}, {}", "system", clean(&worker.system), clean(arch));
        if let Some(run) = &worker.last_run {
            let _ = writeln!(text, "  {:<8} {}", "journal", clean(run));
        }
    }
    text
}

fn json(found: &Found) -> serde_json::Value {
    let contact = &found.contact;
    let mut host = serde_json::json!({
        "node": &*found.target.name,
        "ok": found.worker.is_ok(),
        "login": is_logged_in(found),
        "worker_sent": contact.sent,
        "worker_replaced": contact.replaced,
        "arch": contact.arch,
        "total_ms": u64::try_from(contact.total.as_millis()).unwrap_or(u64::MAX),
    });
    match &found.worker {
        Ok(worker) => {
            host["version"] = worker.version.as_str().into();
            host["user"] = worker.user.as_str().into();
            host["system"] = worker.system.as_str().into();
            host["last_run"] = worker.last_run.clone().into();
        }
        Err(failure) => {
            host["error"] = serde_json::json!({ "code": failure.code, "message": failure.message, "hint": failure.hint });
        }
    }
    host
}

fn milliseconds(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
