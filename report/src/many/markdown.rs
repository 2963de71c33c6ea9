//! An overview as Markdown, for a comment on a change: a table of what changes where, and the details folded below it.

use std::fmt::Write as _;

use super::order::{self, Subject};
use super::text::{nodes, summary};
use super::{GroupBy, Overview, SharedChange};
use crate::markdown::{MARKDOWN_LIMIT, code, write_change};
use crate::text::{action_look, cause_words, planned_look};
use crate::value::counted;

/// Longest list of nodes in a cell.
const NODES: usize = 80;
/// Longest list of nodes above a diff.
const NODES_BELOW: usize = 400;

/// Renders an overview within [`MARKDOWN_LIMIT`].
pub fn overview_markdown(overview: &Overview, by: GroupBy) -> String {
    overview_markdown_within(overview, by, MARKDOWN_LIMIT)
}

/// Renders an overview within `limit` bytes. The table comes first, then details as long as there is room; what is left out is
/// counted at the end of each part.
pub fn overview_markdown_within(overview: &Overview, by: GroupBy, limit: usize) -> String {
    let mut out = String::new();
    for (at, pieces) in summary(overview).into_iter().enumerate() {
        let words: String = pieces.into_iter().map(|piece| piece.text).collect();
        let _ = if at == 0 { write!(out, "**{words}**\n\n") } else { write!(out, "{words}\n\n") };
    }
    // The last words have to fit as well.
    let limit = limit.saturating_sub(200);
    let mut page = Page { overview, out, limit };
    page.failures();
    match by {
        GroupBy::Change => page.part(None, &order::subjects(overview, 0..overview.shared().len())),
        GroupBy::State => {
            for (state, changes) in order::by_state(overview) {
                let name = if state.is_empty() { "Outside of any state".to_owned() } else { format!("State {}", code(&state)) };
                page.part(Some(&name), &order::subjects(overview, changes));
            }
        }
        GroupBy::Node => page.alike(),
    }
    page.out
}

struct Page<'a> {
    overview: &'a Overview,
    out: String,
    limit: usize,
}

impl Page<'_> {
    /// Writes a piece where it fits.
    fn write(&mut self, piece: &str) -> bool {
        let fits = self.out.len() + piece.len() <= self.limit;
        if fits {
            self.out.push_str(piece);
        }
        fits
    }

    fn failures(&mut self) {
        for (error, message, numbers) in self.overview.failures() {
            let names = code(&self.overview.name_nodes(&numbers, NODES_BELOW));
            let line =
                format!("- ❗ **{} without a plan** ({names}): {}: {}\n", nodes(numbers.len()), code(error), code(message));
            self.write(&line);
        }
        if !self.overview.failures().is_empty() {
            self.write("\n");
        }
    }

    /// A table, and the details below it.
    fn part(&mut self, heading: Option<&str>, subjects: &[Subject]) {
        let variants: Vec<(usize, usize)> =
            subjects.iter().flat_map(|subject| subject.variants.iter().map(|index| (*index, subject.nodes))).collect();
        if variants.is_empty() {
            return;
        }
        if let Some(heading) = heading {
            self.write(&format!("### {heading}\n\n"));
        }
        // Half of what is left is for the table, where the details need the other half.
        let limit = self.limit;
        self.limit = self.out.len() + (limit.saturating_sub(self.out.len())) / 2;
        self.write("| nodes | | resource | what | where |\n| ---: | --- | --- | --- | --- |\n");
        let mut told = 0;
        for (index, all) in &variants {
            let change = &self.overview.shared()[*index];
            let row = self.row(change, *all);
            if !self.write(&row) {
                break;
            }
            told += 1;
        }
        self.limit = limit;
        if told < variants.len() {
            self.out.push_str(&format!("\n_{} more changes left out of this table to fit_\n", variants.len() - told));
        }
        self.out.push('\n');
        let mut left_out = 0;
        for (index, _) in &variants {
            let change = &self.overview.shared()[*index];
            let Some(details) = self.details(change) else { continue };
            if !self.write(&details) {
                left_out += 1;
            }
        }
        if left_out > 0 {
            let what = counted(left_out, "change");
            self.out.push_str(&format!("_The details of {what} are left out to fit; `--html` shows all of them._\n\n"));
        }
    }

    fn look(&self, change: &SharedChange) -> String {
        let (sign, word, _) = planned_look(&change.resource, false);
        let is_plain = change.resource.error.is_none() && change.resource.held.is_none();
        let word = if is_plain { self.overview.kind().word(change.resource.action) } else { word };
        format!("{} **{word}**", code(sign))
    }

    fn row(&self, change: &SharedChange, all: usize) -> String {
        let resource = &*change.resource;
        let mut what = change.extent.clone();
        for cause in &resource.because {
            if !what.is_empty() {
                what.push_str(", ");
            }
            what.push_str("because ");
            what.push_str(&cause_words(cause, false));
        }
        let outlier = if change.nodes.len() < all && order::is_outlier(change, all) { " ⚠ differs" } else { "" };
        let cell = |text: &str| if text.is_empty() { String::new() } else { code(text).replace('|', "\\|") };
        format!(
            "| {}{outlier} | {} | {} | {} | {} |\n",
            change.nodes.len(),
            self.look(change),
            cell(&resource.id.to_string()),
            cell(&what),
            cell(&self.overview.name_nodes(&change.nodes, NODES)),
        )
    }

    /// The folded details of a change; nothing where the row says it all.
    fn details(&self, change: &SharedChange) -> Option<String> {
        let resource = &*change.resource;
        let mut body = String::new();
        for line in &change.lines {
            let place = format!("{}:{}", line.file, line.line);
            let _ = writeln!(
                body,
                "  - by {} {}",
                code(&place),
                code(&format!("{} {}", if line.is_new { '+' } else { '-' }, line.text.trim()))
            );
        }
        if resource.orphan && resource.held.is_none() {
            body.push_str("  - no longer declared\n");
        }
        if let Some(held) = &resource.held {
            let _ = writeln!(body, "  - held back: {}", code(held));
        }
        if let Some(unknown) = &resource.unknown {
            let _ = writeln!(body, "  - decided during apply: {}", code(unknown));
        }
        if let Some(error) = &resource.error {
            let _ = writeln!(body, "  - {}: {}", code(&error.code), code(&error.to_string()));
        }
        for change in &resource.changes {
            write_change(&mut body, change);
        }
        if body.is_empty() {
            return None;
        }
        let (sign, ..) = action_look(resource.action, false);
        let summary = format!("{sign} {}: {}", nodes(change.nodes.len()), resource.id);
        let names = code(&self.overview.name_nodes(&change.nodes, NODES_BELOW));
        let place = code(&resource.source.to_string());
        Some(format!(
            "<details><summary><code>{}</code></summary>\n\n- on {names}, declared at {place}\n{body}\n</details>\n\n",
            html_text(&summary)
        ))
    }

    /// Nodes that change alike, each group with a table of its changes.
    fn alike(&mut self) {
        let groups = order::alike(self.overview);
        let mut left_out = 0;
        for group in &groups {
            let names = code(&self.overview.name_nodes(&group.nodes, NODES_BELOW));
            let mut text = format!("### {}: {names}\n\n", nodes(group.nodes.len()));
            for index in &group.changes {
                let change = &self.overview.shared()[*index];
                let place = code(&change.resource.source.to_string());
                let extent = if change.extent.is_empty() { String::new() } else { format!(", {}", code(&change.extent)) };
                let _ = writeln!(text, "- {} {}{extent} ({place})", self.look(change), code(&change.resource.id.to_string()));
                for change in &change.resource.changes {
                    write_change(&mut text, change);
                }
            }
            text.push('\n');
            if !self.write(&text) {
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.out.push_str(&format!("_{left_out} more groups of nodes left out to fit; `--html` shows all of them._\n"));
        }
    }
}

/// Text inside HTML inside Markdown: nothing in it is markup of either, nor a mention of somebody.
fn html_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::clean(text).chars() {
        match c {
            c if c.is_alphanumeric() || matches!(c, ' ' | '/' | '.' | ',' | ':' | '-') || !c.is_ascii() => out.push(c),
            c => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
        }
    }
    out
}
