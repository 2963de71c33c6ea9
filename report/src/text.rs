//! A plan, and the results of an apply, as terminal text.
//!
//! The summary comes first, then what is taken away, then the rest in the order of application, then
//! what could not be planned. Every changed line of every text is there; only unchanged lines are folded.

mod diff;
mod group;
mod resource;
mod summary;

use stead_catalog::{Action, Plan, PlannedResource};

use crate::outcome::Outcome;
use crate::paint::{Color, Screen, Style, piece};

pub(crate) use resource::{cause_words, planned_look, write_changes, write_notes};
pub use summary::{apply_summary, summary_line};

/// How text is to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextOptions {
    /// Colour or none.
    pub color: Color,
    /// Columns to wrap at; `None` for a file or a pipe, where nothing is wrapped.
    pub width: Option<usize>,
    /// Only ASCII signs in what Stead itself writes.
    pub ascii: bool,
    /// One line a resource, without its attributes.
    pub brief: bool,
    /// List unchanged resources too.
    pub unchanged: bool,
    /// Only count nodes without a plan: whoever shows the text tells of each elsewhere.
    pub count_failures: bool,
}

impl TextOptions {
    pub(crate) fn arrow(&self) -> &'static str {
        if self.ascii { "->" } else { "→" }
    }

    pub(crate) fn ellipsis(&self) -> &'static str {
        if self.ascii { "..." } else { "⋯" }
    }
}

/// Renders a plan.
pub fn plan_text(plan: &Plan, options: &TextOptions) -> String {
    let mut screen = Screen::new(options.color, options.width);
    summary::write(&mut screen, plan);
    let shown = |r: &&PlannedResource| options.unchanged || !is_quiet(r);
    let mut ordered: Vec<&PlannedResource> = plan.resources.iter().filter(shown).collect();
    ordered.sort_by_key(|resource| rank(resource));
    for group in group::groups(&ordered) {
        if !options.brief {
            screen.blank();
        }
        group::write(&mut screen, options, &group);
    }
    screen.out
}

/// Renders one resource of a plan, or what became of it.
pub fn resource_text(resource: &PlannedResource, outcome: Option<&Outcome>, options: &TextOptions) -> String {
    let mut screen = Screen::new(options.color, options.width);
    resource::write(&mut screen, options, resource, outcome);
    screen.out
}

/// Says whether there is nothing to tell about a resource.
fn is_quiet(resource: &PlannedResource) -> bool {
    resource.action == Action::None
        && resource.error.is_none()
        && resource.held.is_none()
        && resource.unknown.is_none()
        && resource.changes.is_empty()
}

fn rank(resource: &PlannedResource) -> u8 {
    match (resource.error.is_some(), resource.held.is_some(), resource.action) {
        (true, ..) => 2,
        (_, false, Action::Delete | Action::Replace) => 0,
        _ => 1,
    }
}

/// The sign, the word and the colour of an action.
pub(crate) fn action_look(action: Action, ascii: bool) -> (&'static str, &'static str, Style) {
    match action {
        Action::None => (" ", "unchanged", Style::Dim),
        Action::Create => ("+", "create", Style::Create),
        Action::Update => ("~", "update", Style::Update),
        Action::Delete => ("-", "delete", Style::Delete),
        Action::Replace => (if ascii { "*" } else { "±" }, "replace", Style::Replace),
        Action::Run => (">", "run", Style::Run),
        Action::Restart => (if ascii { "@" } else { "↻" }, "restart", Style::Restart),
    }
}

fn header_line(screen: &mut Screen, indent: usize, mut pieces: Vec<crate::paint::Piece>, place: &str) {
    let used = indent + pieces.iter().map(|p| crate::display_width(&p.text)).sum::<usize>();
    match screen.width() {
        _ if place.is_empty() => screen.line(indent, indent, crate::paint::Break::Anywhere, &pieces),
        Some(width) if used + 2 + crate::display_width(place) > width => {
            screen.line(indent, indent + 4, crate::paint::Break::Words, &pieces);
            screen.line(indent + 4, indent + 4, crate::paint::Break::Anywhere, &[piece(Style::Dim, format!("at {place}"))]);
        }
        _ => {
            pieces.push(piece(Style::Dim, format!("  {place}")));
            screen.line(indent, indent, crate::paint::Break::Anywhere, &pieces);
        }
    }
}

#[cfg(test)]
mod tests;
