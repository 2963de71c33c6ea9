//! What is known by another name elsewhere: `--dry-run`, `validate`, `destroy`. The way out is told, and not a word that looks alike.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of other tools.
const COMMANDS: [(&[&str], &str); 9] = [
    (&["validate", "lint", "test", "verify"], "'stead check' finds mistakes without looking at a machine"),
    (&["diff", "preview", "noop", "show-diff"], "'stead plan' shows exactly what would change"),
    (&["run", "converge", "deploy", "sync", "up"], "'stead apply' changes what 'stead plan' shows"),
    (&["rollback", "revert", "restore"], "'stead undo RUN' brings back what was there before a run"),
    (
        &["destroy", "remove", "delete", "down"],
        "'stead undo RUN' takes a run back; what is declared with 'state = absent' is removed",
    ),
    (&["ping", "connect", "ssh"], "'stead ssh-check TARGETS' tells what works on the way to other hosts"),
    (&["log", "logs", "runs"], "'stead history' lists the runs, 'stead show RUN' tells what one did"),
    (&["state"], "'stead catalog' shows what is wanted, 'stead ledger' what a project has made"),
    (&["vault", "encrypt", "decrypt"], "'stead secret' encrypts values of data files"),
];

/// Options of other tools.
const OPTIONS: [(&[&str], &str); 6] = [
    (
        &["--check", "--dry-run", "--noop", "--diff", "--test"],
        "'stead plan' shows exactly what would change, and changes nothing",
    ),
    (&["--auto-approve", "--force", "--no-confirm"], "'--yes' does not ask"),
    (&["--limit", "--hosts", "--host", "--inventory"], "'--on TARGETS' says which hosts of the inventory"),
    (&["--target"], "'--only SELECTOR' takes a resource, a type or a tag"),
    (&["--skip-tags"], "'--except SELECTOR' takes a resource, a type or a tag"),
    (&["--extra-vars", "--var", "--pillar"], "values stand in data files, below 'data/' of the project"),
];

/// Says the way out where somebody asks for something by a name that it has elsewhere.
pub(crate) fn with_way_out(mut error: Error) -> Error {
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(given)) => given.clone(),
        _ => String::new(),
    };
    let way_out = match error.kind() {
        ErrorKind::InvalidSubcommand => of(&COMMANDS, &given(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => match &*given(ContextKind::InvalidArg) {
            "--on" => Some(for_this_machine(std::env::args().nth(1).as_deref())),
            option => of(&OPTIONS, option),
        },
        _ => None,
    };
    if let Some(way_out) = way_out {
        for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::Usage] {
            error.remove(kind);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![way_out.into()]));
    }
    error
}

fn of(names: &'static [(&[&str], &str)], given: &str) -> Option<&'static str> {
    names.iter().find(|(known, _)| known.contains(&given)).map(|(_, way_out)| *way_out)
}

/// What there is instead of `--on` where a command has none.
fn for_this_machine(command: Option<&str>) -> &'static str {
    match command {
        Some("catalog" | "graph" | "why") => "'--node NAME' takes another node, and '--facts FILE' what it has told",
        _ => "this command is about the machine that it runs on; run it there: 'ssh HOST stead …'",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    fn said(words: &[&str]) -> String {
        let error = Arguments::try_parse_from([&["stead"], words].concat()).expect_err("no such thing");
        with_way_out(error).to_string()
    }

    #[test]
    fn what_is_known_elsewhere_has_a_way_out() {
        assert!(said(&["validate"]).contains("tip: 'stead check' finds mistakes"), "{}", said(&["validate"]));
        assert!(said(&["apply", "--dry-run"]).contains("tip: 'stead plan' shows"), "{}", said(&["apply", "--dry-run"]));
        assert!(said(&["pln"]).contains("a similar subcommand exists: 'plan'"));
        assert!(said(&["plan", "--jsn"]).contains("a similar argument exists: '--json'"));
    }

    #[test]
    fn nothing_of_ours_is_taken_for_something_else() {
        let command = Arguments::command();
        for (names, way_out) in COMMANDS {
            for name in names {
                assert!(command.find_subcommand(name).is_none(), "{name}: {way_out}");
            }
        }
    }
}
