//! `stead gc`: drops what the journal is not to keep any longer.

use std::process::ExitCode;
use std::time::Duration;

use stead_catalog::{Type, Value};
use stead_engine::{Collected, Journal, Retention};
use stead_report::{counted, size_words};

use crate::args::GcArguments;
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &GcArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = machine::root(&arguments.machine)?;
    let state_dir = machine::state_dir(arguments.machine.state_dir.as_deref(), &root);
    let retention = Retention {
        max_size: arguments.max_size.unwrap_or(Retention::default().max_size),
        max_age: arguments.max_age.map(Duration::from_nanos),
    };
    let Collected { runs, contents, size } = Journal::collect(&state_dir, &retention, true).map_err(Failure::Collect)?;
    terminal.print(&format!(
        "dropped {} and {}; the journal takes {}\n",
        counted(runs, "run"),
        counted(contents, "content"),
        size_words(size)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a size as the language writes it: `512MiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    match Type::Size.admit(&Value::string(text), true) {
        Ok(Value::Size(bytes)) => Ok(bytes),
        _ => Err("expected a size such as 512MiB".to_owned()),
    }
}

/// Reads a duration as the language writes it, in nanoseconds: `90d`.
pub(crate) fn duration(text: &str) -> Result<u64, String> {
    match Type::Duration.admit(&Value::string(text), true) {
        Ok(Value::Duration(nanoseconds)) => Ok(nanoseconds),
        _ => Err("expected a duration such as 60s or 90d".to_owned()),
    }
}
