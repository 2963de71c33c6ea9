//! Type checking.
use crate::defs::Program;
use crate::diagnostic::Diagnostic;
use crate::issue::Issue;
use crate::sources::Sources;

/// The checked code of a program.
#[derive(Debug, Default)]
pub(crate) struct Code {}

pub(crate) fn check_program(_: &Program, _: &dyn Sources, _: &mut Vec<Issue>, _: &mut Vec<Diagnostic>) -> Code {
    Code {}
}
