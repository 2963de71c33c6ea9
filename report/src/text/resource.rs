//! One resource: its header, what caused it, and its attributes one by one.

use stead_catalog::{Action, Cause, Change, EdgeKind, PlannedResource, Shown, Value};

use super::{TextOptions, action_look, diff, header_line};
use crate::lines::Diff;
use crate::outcome::Outcome;
use crate::paint::{Break, Piece, Screen, Style, piece};
use crate::value::{is_hidden, text_sides, words};
use stead_catalog::OutcomeKind;

/// Columns of the longest action word.
const WORD: usize = 9;

pub(super) fn write(screen: &mut Screen, options: &TextOptions, resource: &PlannedResource, outcome: Option<&Outcome>) {
    write_header(screen, options, resource, outcome);
    if outcome.is_none() {
        write_notes(screen, resource);
    }
    let done = outcome.map(|outcome| outcome.kind);
    if !options.brief && !matches!(done, Some(OutcomeKind::Skipped | OutcomeKind::Unchanged)) {
        write_changes(screen, options, 4, resource.action, &resource.changes);
    }
    if let Some(outcome) = outcome {
        write_outcome(screen, options, outcome);
    }
}

/// The line with sign, action, id and cause.
fn write_header(screen: &mut Screen, options: &TextOptions, resource: &PlannedResource, outcome: Option<&Outcome>) {
    let mut pieces = header_pieces(options, resource, outcome);
    let done = outcome.is_some();
    if resource.orphan && resource.held.is_none() {
        pieces.push(piece(Style::Plain, "  no longer declared"));
    }
    if let [cause] = resource.because.as_slice() {
        pieces.push(piece(Style::Plain, format!("  because {}", cause_words(cause, done))));
    }
    header_line(screen, 0, pieces, &resource.source.to_string());
    if let [_, _, ..] = resource.because.as_slice() {
        for cause in &resource.because {
            screen.line(4, 8, Break::Words, &[piece(Style::Plain, format!("because {}", cause_words(cause, done)))]);
        }
    }
}

fn header_pieces(options: &TextOptions, resource: &PlannedResource, outcome: Option<&Outcome>) -> Vec<Piece> {
    let (sign, word, style) = match outcome {
        Some(outcome) => outcome_look(outcome.kind, resource.action, options.ascii),
        None => planned_look(resource, options.ascii),
    };
    let took = outcome.and_then(|o| o.duration).map(|d| format!("  {}", duration_words(d)));
    let mut pieces = vec![piece(style, format!("{sign} {word:WORD$} ")), piece(Style::Bold, resource.id.to_string())];
    if let Some(took) = took {
        pieces.push(piece(Style::Dim, took));
    }
    pieces
}

/// The sign, word and colour of a resource in a plan.
pub(crate) fn planned_look(resource: &PlannedResource, ascii: bool) -> (&'static str, &'static str, Style) {
    if resource.error.is_some() {
        return ("!", "error", Style::Error);
    }
    if resource.held.is_some() {
        return ("=", "held", Style::Dim);
    }
    action_look(resource.action, ascii)
}

fn outcome_look(kind: OutcomeKind, action: Action, ascii: bool) -> (&'static str, &'static str, Style) {
    let (sign, _, style) = action_look(action, ascii);
    match kind {
        OutcomeKind::Unchanged => (" ", "unchanged", Style::Dim),
        OutcomeKind::Failed => ("!", "failed", Style::Error),
        OutcomeKind::NotConverged => ("!", "not converged", Style::Error),
        OutcomeKind::Skipped => ("=", "skipped", Style::Update),
        OutcomeKind::Changed => {
            let word = match action {
                Action::None => "unchanged",
                Action::Create => "created",
                Action::Update => "updated",
                Action::Delete => "deleted",
                Action::Replace => "replaced",
                Action::Run => "ran",
                Action::Restart => "restarted",
            };
            (sign, word, style)
        }
    }
}

pub(crate) fn cause_words(cause: &Cause, done: bool) -> String {
    let verb = match (cause.kind, done) {
        (EdgeKind::OnFail, false) => "fails",
        (EdgeKind::OnFail, true) => "failed",
        (EdgeKind::Prereq, _) => "will change",
        (_, false) => "changes",
        (_, true) => "changed",
    };
    format!("{} {verb} ({})", cause.resource, cause.kind.name())
}

/// What holds it back, what is not known yet, why it could not be planned.
pub(crate) fn write_notes(screen: &mut Screen, resource: &PlannedResource) {
    if let Some(held) = &resource.held {
        screen.prose(4, Style::Dim, &format!("held back: {held}"));
    }
    if let Some(unknown) = &resource.unknown {
        screen.prose(4, Style::Hidden, &format!("decided during apply: {unknown}"));
    }
    if let Some(error) = &resource.error {
        screen.prose(4, Style::Error, &format!("error[{}]: {error}", error.code));
    }
}

fn write_outcome(screen: &mut Screen, options: &TextOptions, outcome: &Outcome) {
    if let Some(message) = &outcome.message {
        // Why a resource was not tried is no error of its own.
        let text = match outcome.code.as_ref().filter(|_| outcome.kind.is_bad()) {
            Some(code) => format!("error[{code}]: {message}"),
            None => message.clone(),
        };
        screen.prose(4, if outcome.kind.is_bad() { Style::Error } else { Style::Dim }, &text);
    }
    if let Some(hint) = &outcome.hint {
        screen.prose(4, Style::Plain, &format!("hint: {hint}"));
    }
    if !outcome.remaining.is_empty() {
        screen.line(4, 4, Break::Words, &[piece(Style::Error, "a second look still finds:")]);
        write_changes(screen, options, 6, Action::Update, &outcome.remaining);
    }
}

pub(crate) fn write_changes<'a>(
    screen: &mut Screen,
    options: &TextOptions,
    indent: usize,
    action: Action,
    changes: impl IntoIterator<Item = &'a Change>,
) {
    for change in changes {
        write_change(screen, options, indent, action, change);
    }
}

fn write_change(screen: &mut Screen, options: &TextOptions, indent: usize, action: Action, change: &Change) {
    let name = piece(Style::Plain, format!("{}: ", change.attribute));
    if let Some((old, new)) = text_sides(change) {
        let note = match (&change.before, &change.after) {
            (Shown::Absent, _) if new.is_empty() => "(empty)",
            (_, Shown::Absent) if old.is_empty() => "(empty) is removed",
            (Shown::Absent, _) | (_, Shown::Absent) => "",
            // Only the lines that change are here.
            _ if !change.stretches.is_empty() => "",
            _ if old.is_empty() => "(was empty)",
            _ if new.is_empty() => "(becomes empty)",
            _ => "",
        };
        let label = if note.is_empty() { format!("{}:", change.attribute) } else { format!("{}: {note}", change.attribute) };
        screen.line(indent, indent + 2, Break::Words, &[piece(Style::Plain, label)]);
        let is_whole = change.stretches.is_empty() && (old.is_empty() || new.is_empty());
        diff::write(screen, options, indent + 2, &Diff::of(change, &old, &new), is_whole);
        return;
    }
    let hidden = is_hidden(change);
    if let Some(sides) = long_collections(screen, indent, change, hidden) {
        screen.line(indent, indent + 2, Break::Words, &[piece(Style::Plain, format!("{}:", change.attribute))]);
        let is_whole = sides.0.is_empty() || sides.1.is_empty();
        diff::write(screen, options, indent + 2, &Diff::new(&sides.0, &sides.1), is_whole);
        return;
    }
    let (before_style, before) = words(&change.before, hidden);
    let (after_style, after) = words(&change.after, hidden);
    let coming = matches!(action, Action::Create | Action::Run) && change.before == Shown::Absent;
    let pieces = if coming {
        vec![name, piece(after_style, after)]
    } else {
        vec![
            name,
            piece(if before_style == Style::Plain { Style::Removed } else { before_style }, before),
            piece(Style::Dim, format!(" {} ", options.arrow())),
            piece(if after_style == Style::Plain { Style::Added } else { after_style }, after),
        ]
    };
    screen.line(indent, indent + 4, Break::Words, &pieces);
}

/// Lists and records that do not fit on a line are compared element by element.
fn long_collections(screen: &Screen, indent: usize, change: &Change, hidden: bool) -> Option<(String, String)> {
    if hidden {
        return None;
    }
    let elements = |side: &Shown| match side {
        Shown::Absent => Some(String::new()),
        Shown::Value(Value::List(items)) => Some(items.iter().map(|item| format!("{item}\n")).collect()),
        Shown::Value(Value::Map(map)) => Some(map.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()),
        _ => None,
    };
    let collection = |side: &Shown| matches!(side, Shown::Value(Value::List(_) | Value::Map(_)));
    if !collection(&change.before) && !collection(&change.after) {
        return None;
    }
    let length = |side: &Shown| crate::display_width(&words(side, hidden).1);
    let room = screen.width().unwrap_or(120).min(120);
    if indent + change.attribute.len() + 5 + length(&change.before) + length(&change.after) <= room {
        return None;
    }
    Some((elements(&change.before)?, elements(&change.after)?))
}

/// A length of time for a reader: `12 ms`, `3.4 s`, `2 min 5 s`.
pub(super) fn duration_words(duration: std::time::Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}
