//! Programs that tell something: facts, inventories, secrets. Run without a shell, with a time limit and a limit on what they print.
//!
//! Unlike the commands of resources they work for the operator, in the operator's environment: they know the operator's agents and settings.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Most bytes that a program may print.
pub(crate) const MAX_PRINTED: usize = 64 << 20;
/// Bytes kept of what a program says on standard error.
const MAX_SAID: u64 = 4 << 10;
/// How often is looked whether a program that closed its output has ended.
const TICK: Duration = Duration::from_millis(5);

/// Why a program told nothing. Holds nothing of what it printed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("`{program}` cannot be started: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// The system's words.
        source: io::Error,
    },
    /// It took too long and was ended.
    #[error("`{program}` took longer than {} s and was stopped", .timeout.as_secs_f64())]
    TimedOut {
        /// The program.
        program: String,
        /// How long it was given.
        timeout: Duration,
    },
    /// It ended with a failure.
    #[error("`{program}` failed with {status}{}", if .said.is_empty() { String::new() } else { format!(": {}", .said) })]
    Failed {
        /// The program.
        program: String,
        /// `exit status 1`, or the signal.
        status: String,
        /// The last line of what it said on standard error.
        said: String,
    },
    /// It printed too much.
    #[error("`{program}` printed more than {} MiB", MAX_PRINTED >> 20)]
    TooMuch {
        /// The program.
        program: String,
    },
}

/// Runs a program in `directory` and returns what it printed.
///
/// A program that is a path with a slash in it is looked for below `directory`.
///
/// # Errors
/// When it cannot be started, fails, takes too long or prints too much. Whatever it started is ended with it then.
pub fn run_program(argv: &[Arc<str>], directory: &Path, timeout: Duration) -> Result<Vec<u8>, ProgramError> {
    let name = argv.first().map_or_else(String::new, |program| program.to_string());
    let not_started = |source| ProgramError::NotStarted { program: name.clone(), source };
    let Some((program, arguments)) = argv.split_first() else {
        return Err(not_started(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let path = if program.contains('/') { directory.join(&**program) } else { (&**program).into() };
    let deadline = Instant::now() + timeout;
    let mut child = Command::new(path)
        .args(arguments.iter().map(|word| &**word))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(not_started)?;
    let printed = read_in_thread(child.stdout.take(), MAX_PRINTED as u64 + 1);
    let said = read_in_thread(child.stderr.take(), MAX_SAID);
    let timed_out = || ProgramError::TimedOut { program: name.clone(), timeout };
    let left = || deadline.saturating_duration_since(Instant::now());
    let Ok(printed) = printed.recv_timeout(left()) else {
        end(&mut child);
        return Err(timed_out());
    };
    if printed.len() > MAX_PRINTED {
        end(&mut child);
        return Err(ProgramError::TooMuch { program: name });
    }
    let status = loop {
        match child.try_wait().map_err(not_started)? {
            Some(status) => break status,
            None if left().is_zero() => {
                end(&mut child);
                return Err(timed_out());
            }
            None => thread::sleep(TICK),
        }
    };
    if status.success() {
        return Ok(printed);
    }
    let said = said.recv_timeout(Duration::from_millis(200)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(300).collect();
    let status = match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    };
    Err(ProgramError::Failed { program: name, status, said })
}

/// Reads at most `limit` bytes to the end, then drops the pipe.
fn read_in_thread(pipe: Option<impl Read + Send + 'static>, limit: u64) -> mpsc::Receiver<Vec<u8>> {
    let (hand_over, received) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What was read until a failure is what there is.
            let _ = pipe.take(limit).read_to_end(&mut bytes);
        }
        // Nobody may wait any more.
        let _ = hand_over.send(bytes);
    });
    received
}

/// Ends the program and what it started.
fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id())
        && let Some(pid) = Pid::from_raw(pid)
    {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(line: &str, timeout_ms: u64) -> Result<String, String> {
        let argv: Vec<Arc<str>> = ["/bin/sh", "-c", line].map(Arc::from).to_vec();
        match run_program(&argv, Path::new("/"), Duration::from_millis(timeout_ms)) {
            Ok(printed) => Ok(String::from_utf8(printed).expect("text")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn what_is_printed_comes_back() {
        assert_eq!(sh("echo told; echo aside >&2", 10_000).as_deref(), Ok("told\n"));
        assert_eq!(sh("pwd", 10_000).as_deref(), Ok("/\n"));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_started() {
        let before = Instant::now();
        assert_eq!(sh("sleep 60 & wait", 300), Err("`/bin/sh` took longer than 0.3 s and was stopped".into()));
        assert_eq!(sh("exec >&-; sleep 60", 300), Err("`/bin/sh` took longer than 0.3 s and was stopped".into()));
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn failures_are_told() {
        assert_eq!(
            sh("echo no such thing >&2; exit 3", 10_000),
            Err("`/bin/sh` failed with exit status 3: no such thing".into())
        );
        let missing = run_program(&["./no-such-program".into()], Path::new("/"), Duration::from_secs(1));
        assert!(matches!(missing, Err(ProgramError::NotStarted { .. })));
    }

    #[test]
    fn one_that_prints_without_end_is_ended() {
        assert_eq!(sh("yes", 60_000), Err("`/bin/sh` printed more than 64 MiB".into()));
    }
}
