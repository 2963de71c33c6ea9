//! `stead review`: how a change of the source changes the catalogs of all nodes.

use std::process::ExitCode;

use stead_report::{OverviewKind, overview_markdown_within};

use crate::args::ReviewArguments;
use crate::failure::Failure;
use crate::forge::{self, Finding};
use crate::review::{Range, Repository};
use crate::terminal::Terminal;
use crate::{overview, project, review};

/// What `--detailed-exitcode` says when something differs.
const DIFFERS: u8 = 2;
/// What a comment has room for, less what stands around the overview.
const COMMENT: usize = stead_report::MARKDOWN_LIMIT - 512;

pub(crate) fn run(arguments: &ReviewArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let range = Range::parse(&arguments.range)?;
    let root = project::root_of(&arguments.path)?;
    let repository = Repository::of(&root)?;
    let (base, head) = range.trees(&repository, &root)?;
    let mut overview = overview::new(OverviewKind::Review, &arguments.overview);
    let mut notes = review::review(&base, &head, arguments.network, &mut overview, terminal)?;
    overview::show(&overview, &arguments.overview, &arguments.range, false, terminal)?;
    if arguments.publish.is_some() || arguments.require_reviewed.is_some() {
        notes.iter_mut().for_each(|note| note.file.insert_str(0, &repository.prefix));
        let finding = Finding {
            project: repository.prefix.clone(),
            markdown: overview_markdown_within(&overview, arguments.overview.by.into(), COMMENT),
            summary: overview.headline(),
            hash: blake3::Hash::from_bytes(overview.hash()).to_hex().to_string(),
            has_errors: overview.has_errors(),
            commit: head.commit().map(str::to_owned),
            notes,
        };
        if let Some(forge) = arguments.publish {
            let address = forge::publish(forge, &finding)?;
            terminal.note(&format!("published: {}\n", stead_report::clean(&address)));
        }
        if let Some(forge) = arguments.require_reviewed {
            forge::demand(forge, &finding)?;
            terminal.note(&format!("reviewed: {}\n", finding.hash));
        }
    }
    Ok(match (overview.has_errors(), overview.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if arguments.detailed_exitcode => ExitCode::from(DIFFERS),
        _ => ExitCode::SUCCESS,
    })
}
