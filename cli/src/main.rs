//! The binary `stead`: reads the command line, hands text and machines to the parts that know what to do
//! with them, prints what they say and chooses the exit code. Nothing is looked at before the arguments are parsed.

mod accept;
mod args;
mod beside;
mod commands;
mod dependencies;
mod failure;
mod forge;
mod guard;
mod hidden;
mod inventories;
mod ledger;
mod machine;
mod many;
mod overview;
mod packages;
mod pages;
mod progress;
mod project;
mod review;
mod reviewed;
mod running;
mod secrets;
mod selection;
mod signals;
mod signatures;
mod sources;
mod stored;
mod terminal;
mod times;
mod told;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::DumpableBehavior;

use crate::args::Arguments;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    share_memory();
    let arguments = Arguments::try_parse().unwrap_or_else(|error| args::with_way_out(error).exit());
    // Memory holds secrets: neither a core file nor another process of the same user gets to see it. What is started from here on
    // is as it always is.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    secrets::use_identities(arguments.identity.clone());
    let terminal = Terminal::new(arguments.color, arguments.command.form());
    match commands::run(arguments, &terminal) {
        Ok(code) => {
            terminal.finish();
            code
        }
        Err(failure) => terminal.fail(&failure),
    }
}

/// Has all threads take memory from two places. The C library makes more of them for each thread that finds them busy, and what
/// is free in one is of no use to the others: a sixth of the peak of a large apply.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "only the C library's own function sets this")]
fn share_memory() {
    // SAFETY: `mallopt` takes two numbers, and is called before there is a second thread. What it refuses stays as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Another C library has no such thing.
#[cfg(not(target_env = "gnu"))]
fn share_memory() {}
