//! An overview as terminal text.

use std::collections::HashSet;

use stead_catalog::Action;

use super::order::{self, Subject};
use super::{GroupBy, Overview, OverviewKind, SharedChange};
use crate::paint::{Break, Piece, Screen, Style, piece};
use crate::text::{TextOptions, action_look, cause_words, planned_look, write_changes};
use crate::value::counted;

/// Longest list of nodes on a line.
const NODES: usize = 120;

/// Renders an overview.
pub fn overview_text(overview: &Overview, by: GroupBy, options: &TextOptions) -> String {
    let mut screen = Screen::new(options.color, options.width);
    for pieces in summary(overview) {
        screen.line(0, 2, Break::Words, &pieces);
    }
    let mut writer = Writer { overview, options, screen, told: HashSet::new() };
    match by {
        GroupBy::Change => writer.subjects(&order::subjects(overview, 0..overview.shared().len())),
        GroupBy::State => {
            for (state, changes) in order::by_state(overview) {
                let name = if state.is_empty() { "outside of any state".to_owned() } else { format!("state {state}") };
                writer.heading(&name);
                writer.subjects(&order::subjects(overview, changes));
            }
        }
        GroupBy::Node => writer.alike(),
    }
    if !options.count_failures {
        writer.failures();
    }
    writer.screen.out
}

/// The first lines: how many nodes, how many of what.
pub(crate) fn summary(overview: &Overview) -> Vec<Vec<Piece>> {
    let (changing, quiet) = overview.counts();
    let failed = overview.nodes().len() - changing - quiet;
    let is_one = changing == 1 || overview.nodes().len() == 1;
    let verb = match (overview.kind(), is_one) {
        (OverviewKind::Plan, _) => "would change",
        (OverviewKind::Wanted, true) => "wants something",
        (OverviewKind::Wanted, false) => "want something",
        (OverviewKind::Review, true) => "gets another catalog",
        (OverviewKind::Review, false) => "get another catalog",
    };
    let mut first = vec![piece(Style::Bold, format!("{changing} of {} {verb}", nodes(overview.nodes().len())))];
    let mut tail = Vec::new();
    if quiet > 0 {
        tail.push(format!("{quiet} unchanged"));
    }
    if !tail.is_empty() {
        first.push(piece(Style::Plain, format!("; {}", tail.join(", "))));
    }
    if failed > 0 {
        first.push(piece(Style::Error, format!("; {failed} without a plan")));
    }
    let mut lines = vec![first];
    let mut parts: Vec<Piece> = Vec::new();
    for action in ORDER {
        let (different, times) = count(overview, |change| {
            change.resource.action == action && change.resource.error.is_none() && change.resource.held.is_none()
        });
        if times > 0 {
            let (_, _, style) = action_look(action, false);
            let words = match overview.kind() {
                OverviewKind::Wanted => {
                    format!("{times} {}, {different} of them different", if times == 1 { "resource" } else { "resources" })
                }
                kind => format!("{times} to {} ({})", kind.word(action), changes(different)),
            };
            parts.push(piece(if parts.is_empty() { style } else { Style::Plain }, if parts.is_empty() { "" } else { ", " }));
            parts.push(piece(style, words));
        }
    }
    let (_, errors) = count(overview, |change| change.resource.error.is_some());
    if errors > 0 {
        parts.push(piece(Style::Error, format!("{}{errors} cannot be planned", if parts.is_empty() { "" } else { ", " })));
    }
    if !parts.is_empty() {
        lines.push(parts);
    }
    lines
}

const ORDER: [Action; 6] = [Action::Delete, Action::Replace, Action::Restart, Action::Run, Action::Update, Action::Create];

/// Different changes, and how often they happen on all nodes together.
fn count(overview: &Overview, fits: impl Fn(&SharedChange) -> bool) -> (usize, usize) {
    let found: Vec<&SharedChange> = overview.shared().iter().filter(|change| fits(change)).collect();
    (found.len(), found.iter().map(|change| change.nodes.len()).sum())
}

fn changes(count: usize) -> String {
    counted(count, "change")
}

pub(crate) fn nodes(count: usize) -> String {
    counted(count, "node")
}

struct Writer<'a> {
    overview: &'a Overview,
    options: &'a TextOptions,
    screen: Screen,
    /// Changes whose details were written already.
    told: HashSet<usize>,
}

impl Writer<'_> {
    fn heading(&mut self, text: &str) {
        self.screen.blank();
        self.screen.line(0, 2, Break::Words, &[piece(Style::Bold, text)]);
    }

    fn subjects(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            if !self.options.brief {
                self.screen.blank();
            }
            for (at, index) in subject.variants.iter().enumerate() {
                let change = &self.overview.shared()[*index];
                let note = if at == 0 {
                    ""
                } else if order::is_outlier(change, subject.nodes) {
                    "  differs from the others"
                } else {
                    "  differently"
                };
                // Where there is no line for the nodes, it is told here which of them are meant.
                let several = self.options.brief && subject.variants.len() > 1;
                let names = several.then(|| format!("  on {}", self.overview.name_nodes(&change.nodes, NODES)));
                self.change(*index, &format!("{note}{}", names.unwrap_or_default()));
            }
        }
    }

    /// One change with its nodes.
    fn change(&mut self, index: usize, note: &str) {
        let change = &self.overview.shared()[index];
        let count = format!("{}: ", nodes(change.nodes.len()));
        self.head(index, 0, &count, note);
        let names = self.overview.name_nodes(&change.nodes, NODES);
        if !self.options.brief {
            self.screen.line(4, 7, Break::Words, &[piece(Style::Dim, format!("on {names}"))]);
        }
        self.details(index, 4);
    }

    /// Sign, action, resource and extent on one line.
    fn head(&mut self, index: usize, indent: usize, count: &str, note: &str) {
        let change = &self.overview.shared()[index];
        let resource = &*change.resource;
        let (sign, mut word, style) = planned_look(resource, self.options.ascii);
        if resource.error.is_none() && resource.held.is_none() {
            word = self.overview.kind().word(resource.action);
        }
        let mut pieces = vec![
            piece(style, format!("{sign} ")),
            piece(Style::Bold, count),
            piece(style, format!("{word} ")),
            piece(Style::Bold, resource.id.to_string()),
        ];
        if !change.extent.is_empty() && resource.action != Action::Create {
            pieces.push(piece(Style::Plain, format!(", {}", change.extent)));
        }
        if resource.orphan && resource.held.is_none() {
            pieces.push(piece(Style::Plain, "  no longer declared"));
        }
        for cause in &resource.because {
            pieces.push(piece(Style::Plain, format!("  because {}", cause_words(cause, false))));
        }
        pieces.push(piece(Style::Plain, note));
        pieces.push(piece(Style::Dim, format!("  {}", resource.source)));
        self.screen.line(indent, indent + 4, Break::Words, &pieces);
    }

    fn details(&mut self, index: usize, indent: usize) {
        if self.options.brief {
            return;
        }
        let change = &self.overview.shared()[index];
        if !self.told.insert(index) {
            if !change.resource.changes.is_empty() {
                self.screen.line(indent, indent, Break::Words, &[piece(Style::Dim, "as above")]);
            }
            return;
        }
        for line in &change.lines {
            let sign = if line.is_new { '+' } else { '-' };
            let style = if line.is_new { Style::Added } else { Style::Removed };
            let place = format!("by {}:{} ", line.file, line.line);
            self.screen.line(
                indent,
                indent + 2,
                Break::Anywhere,
                &[piece(Style::Dim, place), piece(style, format!("{sign} {}", line.text.trim()))],
            );
        }
        crate::text::write_notes(&mut self.screen, &change.resource);
        write_changes(&mut self.screen, self.options, indent, change.resource.action, &change.resource.changes);
    }

    /// Nodes that change alike, each group with its changes.
    fn alike(&mut self) {
        for group in order::alike(self.overview) {
            let names = self.overview.name_nodes(&group.nodes, NODES);
            let many = changes(group.changes.len());
            let each = if group.nodes.len() == 1 { "," } else { ", each with" };
            self.heading(&format!("{}{each} {many}: {names}", nodes(group.nodes.len())));
            for index in group.changes {
                self.head(index, 2, "", "");
                self.details(index, 6);
            }
        }
    }

    /// Nodes without a plan, with the reason.
    fn failures(&mut self) {
        for (code, message, numbers) in self.overview.failures() {
            self.screen.blank();
            let pieces =
                [piece(Style::Error, "! "), piece(Style::Bold, nodes(numbers.len())), piece(Style::Plain, " without a plan")];
            self.screen.line(0, 4, Break::Words, &pieces);
            let names = self.overview.name_nodes(&numbers, NODES);
            self.screen.line(4, 7, Break::Words, &[piece(Style::Dim, format!("on {names}"))]);
            self.screen.prose(4, Style::Error, &format!("error[{code}]: {message}"));
        }
    }
}
