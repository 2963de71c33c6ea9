//! The first line: how many of what.

use stead_catalog::{Action, Plan};

use super::action_look;
use crate::outcome::RunSummary;
use crate::paint::{Break, Color, Piece, Screen, Style, piece};

/// Actions in the order of the summary.
const ORDER: [Action; 6] = [Action::Create, Action::Update, Action::Replace, Action::Delete, Action::Run, Action::Restart];

/// Returns the first line of a plan, without colour and newline: `3 to create, 1 to delete; 41 unchanged`.
pub fn summary_line(plan: &Plan) -> String {
    pieces(plan).iter().map(|piece| piece.text.as_str()).collect()
}

pub(super) fn write(screen: &mut Screen, plan: &Plan) {
    screen.line(0, 2, Break::Words, &pieces(plan));
}

fn pieces(plan: &Plan) -> Vec<Piece> {
    let summary = plan.summary();
    let count = |action| match action {
        Action::None => summary.unchanged,
        Action::Create => summary.create,
        Action::Update => summary.update,
        Action::Delete => summary.delete,
        Action::Replace => summary.replace,
        Action::Run => summary.run,
        Action::Restart => summary.restart,
    };
    let mut parts: Vec<(Style, String)> = Vec::new();
    for action in ORDER {
        let n = count(action);
        let (_, word, style) = action_look(action, false);
        if n > 0 {
            parts.push((style, format!("{n} to {word}")));
        }
    }
    if summary.failed > 0 {
        parts.push((Style::Error, format!("{} cannot be planned", summary.failed)));
    }
    if parts.is_empty() {
        parts.push((Style::Good, "nothing to do".into()));
    }
    let mut tail = vec![format!("{} unchanged", summary.unchanged)];
    if summary.held > 0 {
        tail.push(format!("{} held back", summary.held));
    }
    joined(parts, &tail)
}

/// Returns the last line of an apply: `3 created, 1 updated, 1 failed; 41 unchanged`.
pub fn apply_summary(summary: &RunSummary, color: Color) -> String {
    let counts = [
        (Style::Create, summary.created, "created"),
        (Style::Update, summary.updated, "updated"),
        (Style::Replace, summary.replaced, "replaced"),
        (Style::Delete, summary.deleted, "deleted"),
        (Style::Run, summary.ran, "run"),
        (Style::Restart, summary.restarted, "restarted"),
        (Style::Error, summary.failed, "failed"),
        (Style::Error, summary.not_converged, "not converged"),
        (Style::Update, summary.skipped, "skipped"),
    ];
    let mut parts: Vec<_> =
        counts.iter().filter(|(_, n, _)| *n > 0).map(|(style, n, word)| (*style, format!("{n} {word}"))).collect();
    if parts.is_empty() {
        parts.push((Style::Good, "nothing to do".into()));
    }
    let mut screen = Screen::new(color, None);
    screen.line(0, 2, Break::Words, &joined(parts, &[format!("{} unchanged", summary.unchanged)]));
    screen.out
}

fn joined(parts: Vec<(Style, String)>, tail: &[String]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (i, (style, text)) in parts.into_iter().enumerate() {
        if i > 0 {
            pieces.push(piece(Style::Plain, ", "));
        }
        pieces.push(piece(style, text));
    }
    pieces.push(piece(Style::Plain, format!("; {}", tail.join(", "))));
    pieces
}
