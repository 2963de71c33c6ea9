//! `stead review`: how a change of the source changes the catalogs of all nodes.

use std::process::ExitCode;

use stead_report::{Overview, OverviewKind, overview_markdown_within};

use crate::args::ReviewArguments;
use crate::failure::Failure;
use crate::forge::{self, Finding};
use crate::review::{Found, Range, Reading, Repository};
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
    if arguments.live {
        return crate::many::review_live(&base, &head, arguments, terminal);
    }
    let mut overview = overview::new(OverviewKind::Review, &arguments.overview);
    let reading =
        Reading { network: arguments.network, opens_secrets: arguments.open_secrets, records: arguments.record.is_some() };
    let mut found = review::review(&base, &head, reading, &mut overview, terminal)?;
    let has_errors = overview.has_errors() || found.broken.is_some();
    if found.broken.is_none() || !overview.nodes().is_empty() || arguments.overview.json {
        overview::show(&overview, &arguments.overview, &arguments.range, false, terminal)?;
    }
    let recorded = std::mem::take(&mut found.reviewed);
    if arguments.publish.is_some() || arguments.require_reviewed.is_some() {
        tell(arguments, &repository, head.commit(), &overview, found, terminal)?;
    }
    if let Some(file) = arguments.record.as_ref().filter(|_| !has_errors) {
        recorded.write(file)?;
    }
    Ok(match (has_errors, overview.is_empty()) {
        (true, _) => ExitCode::FAILURE,
        (false, false) if arguments.detailed_exitcode => ExitCode::from(DIFFERS),
        _ => ExitCode::SUCCESS,
    })
}

/// Tells a forge, or asks it.
fn tell(
    arguments: &ReviewArguments,
    repository: &Repository,
    commit: Option<&str>,
    overview: &Overview,
    found: Found,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut notes = found.notes;
    notes.iter_mut().for_each(|note| note.file.insert_str(0, &repository.prefix));
    let room = COMMENT.saturating_sub(forge::mistakes(&notes).len());
    let mut markdown = overview_markdown_within(overview, arguments.overview.by.into(), room);
    let remarks = [&found.broken, &found.without_base].into_iter().flatten();
    remarks.for_each(|remark| markdown.insert_str(0, &forge::block(remark)));
    let finding = Finding {
        project: repository.prefix.clone(),
        markdown,
        summary: found.broken.clone().unwrap_or_else(|| overview.headline()),
        hash: blake3::Hash::from_bytes(overview.hash()).to_hex().to_string(),
        has_errors: overview.has_errors() || found.broken.is_some(),
        commit: commit.map(str::to_owned),
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
    Ok(())
}
