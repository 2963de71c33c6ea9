//! How hosts are reached, from the command line: ssh, the workers that can be sent, and the password for sudo.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use stead_engine::ssh::{self, Password, SshOptions, WorkerBinaries, WorkerBinary};

use super::{HostFailure, pool};
use crate::args::{ManyArguments, SshArguments};
use crate::failure::Failure;
use crate::machine;
use crate::terminal::Terminal;

/// The program that runs, also where its file has been replaced since it was started.
const OWN: &str = "/proc/self/exe";

/// Reads the options; asks for the password where that is wanted.
///
/// # Errors
/// When a worker's file cannot be used, or there is nobody to ask.
pub(crate) fn ssh_options(arguments: &SshArguments, terminal: &Terminal) -> Result<SshOptions, Failure> {
    let mut binaries = Vec::new();
    for path in &arguments.worker_binary {
        let open = WorkerBinary::open(path, None);
        binaries.push(open.map_err(|source| Failure::WorkerBinary { path: path.clone(), source })?);
    }
    binaries.push(own_binary().map_err(|source| Failure::WorkerBinary { path: OWN.into(), source })?);
    let password = if arguments.ask_become_pass { Some(Password::new(ask_password(terminal)?)) } else { None };
    Ok(SshOptions {
        program: std::env::var_os("STEAD_SSH").filter(|program| !program.is_empty()).map_or_else(|| "ssh".into(), PathBuf::from),
        config: arguments.ssh_config.clone(),
        connect_timeout: arguments.connect_timeout(),
        retries: arguments.connect_retries(),
        limit: arguments.host_timeout(),
        cancel: Arc::default(),
        password,
        binaries: Arc::new(WorkerBinaries::new(binaries)),
    })
}

/// This very program. Its hash is computed once: a file that says the same about itself as then is the same.
fn own_binary() -> io::Result<WorkerBinary> {
    let own = Path::new(OWN);
    let metadata = fs::metadata(own)?;
    let stamp =
        format!("{}-{}-{}-{}.{}", metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec());
    let place = machine::operator_cache().map(|cache| cache.join("own"));
    let known = place.as_ref().and_then(|place| fs::read_to_string(place.join(&stamp)).ok());
    let known = known.filter(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_new = known.is_none();
    let binary = WorkerBinary::open(own, known)?;
    if let Some(place) = place.filter(|_| is_new) {
        // What cannot be kept is computed again.
        let _ = keep_hash(&place, &stamp, binary.sha256());
    }
    Ok(binary)
}

fn keep_hash(place: &Path, stamp: &str, hash: &str) -> io::Result<()> {
    for other in fs::read_dir(place).into_iter().flatten().flatten() {
        let _ = fs::remove_file(other.path());
    }
    crate::beside::keep(&place.join(stamp), hash.as_bytes())
}

/// Asks once, for all hosts. Standard input is read where it is no terminal, so that a program can give the password.
fn ask_password(terminal: &Terminal) -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        terminal.note("sudo password: ");
        let typed = crate::hidden::read(&stdin);
        terminal.note("\n");
        return typed.ok().flatten().ok_or(Failure::NoPassword);
    }
    let mut line = String::new();
    match stdin.lock().read_line(&mut line) {
        Ok(n) if n > 0 => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        _ => Err(Failure::NoPassword),
    }
}

/// `stead inventory clean`: removes what is kept on hosts.
pub(crate) fn clean(on: &str, path: &Path, arguments: &ManyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let loaded = super::project(path, terminal)?;
    let state = machine::state_dir(None, &stead_engine::RootSpec::Machine);
    let resolved = super::resolve(on, loaded.as_ref(), &state, arguments, terminal)?;
    let width = pool::width(arguments.ssh.forks());
    let mut results = pool::each(resolved.targets, width, |_, target| {
        let cleaned = ssh::clean(&target, &resolved.ssh).map_err(HostFailure::from);
        (target, cleaned)
    });
    results.extend(resolved.unknown.into_iter().map(|(target, failure)| (target, Err(failure))));
    let mut failed = false;
    for (target, cleaned) in &results {
        match cleaned {
            Ok(()) => terminal.print(&format!("{}  cleaned\n", stead_report::clean(&target.name)))?,
            Err(failure) => {
                failed = true;
                terminal.note(&terminal.host_line(&target.name, failure));
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
