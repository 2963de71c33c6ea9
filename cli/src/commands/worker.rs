//! `stead worker`: works on this machine for an operator elsewhere. Started over ssh, never by hand.

use std::process::ExitCode;
use std::sync::Arc;

use stead_engine::{Refusal, RootSpec, WorkerOptions};

use crate::args::WorkerArguments;
use crate::failure::Failure;
use crate::{guard, machine, running};

pub(crate) fn run(arguments: &WorkerArguments) -> Result<ExitCode, Failure> {
    let options = WorkerOptions {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: machine::state_dir(None, &RootSpec::Machine),
        cache: machine::user_cache(),
        cancel: running::cancel_silently(),
        hindrance: |state| {
            guard::is_waiting(state).then(|| {
                let failure = Failure::ConfirmationPending;
                Refusal { code: failure.code().to_owned(), message: failure.to_string(), hint: failure.hint() }
            })
        },
    };
    let registry = stead_stdlib::registry();
    let (input, output) = (Box::new(std::io::stdin()), Box::new(std::io::stdout()));
    stead_engine::serve(input, output, &arguments.nonce, &registry, &options)
        .map_err(|error| Failure::Worker(Arc::new(error)))?;
    Ok(ExitCode::SUCCESS)
}
