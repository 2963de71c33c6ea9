//! Showing the plans of many nodes, in whatever form they are asked for.

use std::io::Write as _;
use std::path::Path;

use stead_report::{
    GroupBy, HtmlPage, Overview, OverviewKind, TextOptions, json, overview_html, overview_markdown, overview_text,
};

use crate::args::{By, OverviewArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// An overview as the arguments want it: JSON needs all of it.
pub(crate) fn new(kind: OverviewKind, arguments: &OverviewArguments) -> Overview {
    let overview = Overview::new(kind);
    if arguments.json { overview.keeping_all() } else { overview }
}

impl From<By> for GroupBy {
    fn from(by: By) -> Self {
        match by {
            By::Change => Self::Change,
            By::Node => Self::Node,
            By::State => Self::State,
        }
    }
}

/// Shows an overview: on standard output, and as a page where one is asked for.
pub(crate) fn show(
    overview: &Overview,
    arguments: &OverviewArguments,
    title: &str,
    can_accept: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let by = arguments.by.into();
    if let Some(file) = &arguments.html {
        write_page(file, &overview_html(overview, &HtmlPage { title, can_accept }))?;
    }
    if arguments.json {
        terminal.begin_document();
        let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        json::write_overview(overview, &mut out).and_then(|()| out.flush()).map_err(Failure::output)?;
    } else if arguments.markdown {
        terminal.print(&overview_markdown(overview, by))?;
    } else {
        terminal.page(&overview_text(overview, by, &TextOptions { brief: arguments.brief, ..terminal.text_options() }))?;
    }
    if let Some(file) = &arguments.html {
        terminal.note(&format!("written to {}\n", stead_report::clean(&file.to_string_lossy())));
    }
    Ok(())
}

/// Writes the page to a file.
pub(crate) fn write_page(file: &Path, page: &str) -> Result<(), Failure> {
    std::fs::write(file, page).map_err(|source| Failure::Unwritable { path: file.to_owned(), source })
}
