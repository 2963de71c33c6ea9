//! A plan as Markdown, for a comment on a change: everything where it fits, the largest details folded away where not.

use std::fmt::Write as _;

use stead_catalog::{Action, Change, Plan, PlannedResource};

use crate::escape::clean;
use crate::lines::Diff;
use crate::text::{action_look, summary_line};
use crate::value::{is_hidden, text_sides, words};

/// Longest body of a comment on the large forges.
pub const MARKDOWN_LIMIT: usize = 65_536;

/// A resource in Markdown: its line, and what can be left out when there is no room.
struct Block {
    header: String,
    body: String,
}

/// Renders plans within [`MARKDOWN_LIMIT`].
pub fn markdown(plans: &[&Plan]) -> String {
    markdown_within(plans, MARKDOWN_LIMIT)
}

/// Renders plans within `limit` bytes: where they do not fit, the longest details are left out first, with a note
/// in their place, then whole lines at the end, with their number.
pub fn markdown_within(plans: &[&Plan], limit: usize) -> String {
    let mut parts: Vec<Block> = Vec::new();
    for plan in plans {
        parts.push(Block { header: heading(plan), body: String::new() });
        let mut shown: Vec<&PlannedResource> =
            plan.resources.iter().filter(|r| r.action != Action::None || r.error.is_some() || r.held.is_some()).collect();
        shown.sort_by_key(|r| !matches!(r.action, Action::Delete | Action::Replace));
        parts.extend(shown.into_iter().map(block));
    }
    fold(&mut parts, limit);
    cut(&parts, limit)
}

fn heading(plan: &Plan) -> String {
    format!("### Plan for {}\n\n**{}**\n\n", code(&plan.node), summary_line(plan))
}

fn block(resource: &PlannedResource) -> Block {
    let (sign, word, _) = action_look(resource.action, false);
    let (sign, word) = match (&resource.error, &resource.held) {
        (Some(_), _) => ("!", "error"),
        (None, Some(_)) => ("=", "held"),
        _ => (sign, word),
    };
    let mut header =
        format!("- {} **{word}** {} ({})", code(sign), code(&resource.id.to_string()), code(&resource.source.to_string()));
    for cause in &resource.because {
        let _ = write!(header, ", because {} changes ({})", code(&cause.resource.to_string()), cause.kind.name());
    }
    if resource.orphan && resource.held.is_none() {
        header.push_str(", no longer declared");
    }
    if let Some(held) = &resource.held {
        let _ = write!(header, ", held back: {}", code(held));
    }
    if let Some(unknown) = &resource.unknown {
        let _ = write!(header, ", decided during apply: {}", code(unknown));
    }
    if let Some(error) = &resource.error {
        let _ = write!(header, ", {}: {}", code(&error.code), code(&error.to_string()));
    }
    header.push('\n');
    let mut body = String::new();
    for change in &resource.changes {
        write_change(&mut body, change);
    }
    Block { header, body }
}

pub(crate) fn write_change(body: &mut String, change: &Change) {
    if let Some((old, new)) = text_sides(change) {
        let diff = Diff::of(change, &old, &new).unified();
        let fence = "`".repeat(longest_run(&diff).max(2) + 1);
        let _ = write!(body, "  - {}:\n\n    {fence}diff\n", code(&change.attribute));
        for line in diff.split_terminator('\n') {
            let _ = writeln!(body, "    {}", clean(line));
        }
        let _ = write!(body, "    {fence}\n\n");
        return;
    }
    let hidden = is_hidden(change);
    let (_, before) = words(&change.before, hidden);
    let (_, after) = words(&change.after, hidden);
    let _ = writeln!(body, "  - {}: {} → {}", code(&change.attribute), code(&before), code(&after));
}

/// Text in a code span that nothing in it can leave.
pub(crate) fn code(text: &str) -> String {
    let text = clean(text).replace(['\n', '\r'], " ");
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Leaves out the longest bodies until the rest fits.
fn fold(parts: &mut [Block], limit: usize) {
    let mut total: usize = parts.iter().map(|part| part.header.len() + part.body.len()).sum();
    let mut order: Vec<usize> = (0..parts.len()).filter(|at| !parts[*at].body.is_empty()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(parts[*at].body.len()), *at));
    for at in order {
        if total <= limit {
            return;
        }
        let lines = parts[at].body.lines().count();
        let note = format!("  - _{lines} lines left out to fit_\n");
        if note.len() < parts[at].body.len() {
            total = total - parts[at].body.len() + note.len();
            parts[at].body = note;
        }
    }
}

/// Joins what fits.
fn cut(parts: &[Block], limit: usize) -> String {
    const ROOM: usize = 64;
    let total: usize = parts.iter().map(|part| part.header.len() + part.body.len()).sum();
    let mut out = String::with_capacity(total.min(limit));
    for (at, part) in parts.iter().enumerate() {
        if total > limit && out.len() + part.header.len() + part.body.len() + ROOM > limit {
            let _ = write!(out, "\n_{} more entries left out to fit_\n", parts.len() - at);
            break;
        }
        out.push_str(&part.header);
        out.push_str(&part.body);
    }
    out
}
