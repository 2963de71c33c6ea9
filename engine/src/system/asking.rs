//! Running the programs of a system that only answer questions: with the settled environment, and never without an end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::Command;

use crate::cancel::Cancel;
use crate::process::{Ended, Finished, Spawn};
use crate::{ObserveError, Output};

/// Asks programs of the system at a root.
#[derive(Debug)]
pub(super) struct Asking {
    root: PathBuf,
    cancel: Arc<Cancel>,
}

impl Asking {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), cancel: Arc::default() }
    }

    /// Ends what is asked when the run is aborted.
    pub(super) fn cancelled_by(&mut self, cancel: &Arc<Cancel>) {
        self.cancel = cancel.clone();
    }

    /// Runs a program to its end, for at most so long. `service` is whom it asks, in words.
    ///
    /// # Errors
    /// `service-unavailable` when it cannot be started; `no-answer` when its time is up; `cancelled` when the run is aborted.
    pub(super) fn ask(
        &self,
        service: &'static str,
        argv: &[&str],
        cwd: Option<&Path>,
        limit: Duration,
    ) -> Result<Output, ObserveError> {
        let command = Command::Argv(argv.iter().map(|word| Arc::from(*word)).collect());
        let spawn = Spawn {
            command: &command,
            user: None,
            cwd: cwd.and_then(Path::to_str),
            env: &[("LC_ALL".into(), "C".into()), ("DEBIAN_FRONTEND".into(), "noninteractive".into())],
            stdin: None,
            umask: None,
            chroot: (self.root != Path::new("/")).then(|| self.root.clone()),
            timeout: Some(limit),
            quiet: false,
        };
        let program = argv.first().copied().unwrap_or_default();
        let Finished { ended, stdout, stderr } = spawn
            .run(&self.cancel)
            .map_err(|error| ObserveError::Unavailable { service, message: format!("cannot run {program}: {error}") })?;
        match ended {
            Ended::Status(status) => Ok(Output { status, stdout: stdout.into_bytes(), stderr: stderr.into_bytes() }),
            Ended::TimedOut => Err(ObserveError::Impossible {
                code: "no-answer",
                message: format!("{service}: `{command}` has not answered within {} s", limit.as_secs_f64().ceil()),
                hint: "run it by hand, and mend what it waits for: a directory server or a mirror that does not answer".into(),
            }),
            Ended::Aborted => Err(ObserveError::Impossible {
                code: "cancelled",
                message: "the run was aborted".into(),
                hint: "run it again".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_does_not_answer_is_ended() {
        let asking = Asking::new(Path::new("/"));
        let begun = Instant::now();
        let error = asking.ask("a directory", &["sleep", "1000"], None, Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.code(), "no-answer");
        assert!(begun.elapsed() < Duration::from_secs(60));
        let output =
            asking.ask("a shell", &["sh", "-c", "echo $DEBIAN_FRONTEND; exit 3"], None, Duration::from_secs(60)).unwrap();
        assert_eq!((output.status, &*output.stdout), (3, &b"noninteractive\n"[..]));
        assert_eq!(asking.ask("x", &["/nowhere/x"], None, Duration::from_secs(60)).unwrap_err().code(), "service-unavailable");
    }

    #[test]
    fn an_abort_ends_what_is_asked() {
        let mut asking = Asking::new(Path::new("/"));
        let cancel = Arc::new(Cancel::new());
        cancel.ask();
        cancel.ask();
        asking.cancelled_by(&cancel);
        let error = asking.ask("a directory", &["sleep", "1000"], None, Duration::from_secs(600)).unwrap_err();
        assert_eq!(error.code(), "cancelled");
    }
}
