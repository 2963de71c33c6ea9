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
    terminal.print(&without_marks(&stead_compiler::codes::for_readers(page)))?;
    Ok(ExitCode::SUCCESS)
}

/// The page without what only tests read: what follows the comma of a fence, but for the name of a file.
fn without_marks(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let fence = line.strip_prefix("```").and_then(|info| info.split_once(','));
        match fence.map(|(language, marks)| (language, marks.split(',').find_map(|mark| mark.strip_prefix("file=")))) {
            Some((language, Some(file))) => text.extend(["```", language, " ", file]),
            Some((language, None)) => text.extend(["```", language]),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Takes the code out of what may have been copied from a message: `error[unknown-name]`.
fn bare_code(code: &str) -> &str {
    code.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(code, |(code, _)| code).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_for_tests_are_not_shown() {
        let page = "# x\n\n```stead,file=site.stead\na\n```\n```console,host=tools\n$ b\n```\n```stead fail\nc, d\n```\n";
        let shown = "# x\n\n```stead site.stead\na\n```\n```console\n$ b\n```\n```stead fail\nc, d\n```\n";
        assert_eq!(without_marks(page), shown);
    }
}
