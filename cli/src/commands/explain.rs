//! `stead explain`: the page of a code.

use std::process::ExitCode;

use crate::args::ExplainArguments;
use crate::failure::Failure;
use crate::pages::PAGES;
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &ExplainArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut codes: Vec<&str> = stead_compiler::codes::all_codes()
        .chain(stead_stdlib::codes::all_codes())
        .chain(PAGES.iter().map(|(code, _)| *code))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let Some(code) = &arguments.code else {
        terminal.print(&(codes.join("\n") + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let bare = bare_code(code);
    let page = stead_compiler::codes::explain(bare)
        .or_else(|| stead_stdlib::codes::explain(bare))
        .or_else(|| PAGES.iter().find(|(known, _)| *known == bare).map(|(_, page)| *page));
    let Some(page) = page else {
        let closest = stead_catalog::closest(bare, codes.iter().copied()).map(|name| name.to_string());
        return Err(Failure::UnknownCode { code: bare.to_owned(), closest });
    };
    terminal.print(page)?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the code out of what may have been copied from a message: `error[unknown-name]`.
fn bare_code(code: &str) -> &str {
    code.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(code, |(code, _)| code).trim()
}
