//! An overview as one HTML file that needs nothing else: searched, filtered and read offline, in any browser.
//!
//! Everything that comes from a user or a machine is data, in a JSON block that is no script; the page's own script writes it
//! into the document as text. The policy in the head allows that script and that style by their hashes and nothing else, so that
//! even a mistake here could not make text run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use stead_catalog::{Change, Shown};

use crate::escape::clean;
use crate::lines::{Diff, Hunk, Line};
use crate::many::{Overview, SharedChange};
use crate::text::{cause_words, planned_look};
use crate::value::{is_hidden, text_sides, words};

const SCRIPT: &str = include_str!("html/page.js");
const STYLE: &str = include_str!("html/page.css");
const BODY: &str = include_str!("html/page.html");

/// What stands around the changes.
#[derive(Clone, Copy, Debug)]
pub struct HtmlPage<'a> {
    /// The heading: `Plan of site`, `main..topic`.
    pub title: &'a str,
    /// Changes can be accepted one by one, for `stead apply --accept`.
    pub can_accept: bool,
}

#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    kind: &'static str,
    hash: String,
    accept: bool,
    summary: Vec<String>,
    nodes: Vec<String>,
    failures: Vec<FailureData>,
    changes: Vec<ChangeData>,
}

#[derive(Serialize)]
struct FailureData {
    code: String,
    message: String,
    nodes: Vec<[u32; 2]>,
}

/// A change. Nodes are ranges of indices, both ends included.
#[derive(Serialize)]
struct ChangeData {
    id: String,
    #[serde(rename = "type")]
    type_name: String,
    action: &'static str,
    word: &'static str,
    sign: &'static str,
    rank: u8,
    outlier: bool,
    extent: String,
    source: String,
    states: Vec<String>,
    because: Vec<String>,
    notes: Vec<String>,
    error: Option<String>,
    lines: Vec<[String; 3]>,
    nodes: Vec<[u32; 2]>,
    /// The nodes in words, and as the patterns of an acceptance.
    names: String,
    patterns: String,
    attributes: Vec<AttributeData>,
}

#[derive(Serialize)]
struct AttributeData {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hunks: Vec<HunkData>,
    note: String,
}

#[derive(Serialize)]
struct HunkData {
    old: usize,
    new: usize,
    header: String,
    lines: Vec<LineData>,
}

/// A line: its sign, and its text cut into what stays and what differs, in turn.
#[derive(Serialize)]
struct LineData(char, Vec<String>, bool);

/// Renders an overview as a page.
pub fn overview_html(overview: &Overview, page: &HtmlPage<'_>) -> String {
    let order = crate::many::order::subjects(overview, 0..overview.shared().len());
    let mut changes = Vec::with_capacity(overview.shared().len());
    for subject in &order {
        for index in &subject.variants {
            let change = &overview.shared()[*index];
            let outlier = change.nodes.len() < subject.nodes && crate::many::order::is_outlier(change, subject.nodes);
            changes.push(change_data(overview, change, outlier));
        }
    }
    let title = clean(page.title);
    let summary = crate::many::text::summary(overview);
    let data = Data {
        title: &title,
        kind: overview.kind().name(),
        hash: hex::encode(overview.hash()),
        accept: page.can_accept,
        summary: summary.into_iter().map(|pieces| pieces.into_iter().map(|piece| piece.text).collect()).collect(),
        nodes: overview.nodes().iter().map(|node| clean(&node.name).into_owned()).collect(),
        failures: overview
            .failures()
            .into_iter()
            .map(|(code, message, nodes)| FailureData {
                code: clean(code).into(),
                message: cleaned(message),
                nodes: ranges(&nodes),
            })
            .collect(),
        changes,
    };
    let json = serde_json::to_string(&data).expect("text and numbers always serialise");
    // In a JSON string these mean the same; in HTML they mean nothing.
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\u{2028}', "\\u2028");
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        source_hash(SCRIPT),
        source_hash(STYLE)
    );
    let mut out = String::with_capacity(json.len() + SCRIPT.len() + STYLE.len() + BODY.len() + 1024);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"");
    out.push_str(&policy);
    out.push_str("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    out.push_str(&escaped(&title));
    out.push_str("</title>\n<style>");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n");
    out.push_str(BODY);
    out.push_str("<script type=\"application/json\" id=\"data\">");
    out.push_str(&json);
    out.push_str("</script>\n<script>");
    out.push_str(SCRIPT);
    out.push_str("</script>\n</body>\n</html>\n");
    out
}

fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text of several lines, each safe to show.
fn cleaned(text: &str) -> String {
    text.lines().map(|line| clean(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// Ascending numbers as ranges.
fn ranges(nodes: &[u32]) -> Vec<[u32; 2]> {
    nodes.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some([*run.first()?, *run.last()?])).collect()
}

fn change_data(overview: &Overview, change: &SharedChange, outlier: bool) -> ChangeData {
    let resource = &*change.resource;
    let (sign, word, _) = planned_look(resource, false);
    let is_plain = resource.error.is_none() && resource.held.is_none();
    let mut notes = Vec::new();
    notes.extend((resource.orphan && resource.held.is_none()).then(|| "no longer declared".to_owned()));
    notes.extend(resource.held.iter().map(|held| format!("held back: {held}")));
    notes.extend(resource.unknown.iter().map(|unknown| format!("decided during apply: {unknown}")));
    let names = change.nodes.iter().map(|node| &*overview.nodes()[*node as usize].name);
    let patterns = crate::nodes::node_patterns(names);
    ChangeData {
        id: clean(&resource.id.to_string()).into_owned(),
        type_name: clean(&resource.id.type_name).into_owned(),
        action: resource.action.name(),
        word: if is_plain { overview.kind().word(resource.action) } else { word },
        sign,
        rank: crate::many::order::rank(resource),
        outlier,
        extent: clean(&change.extent).into_owned(),
        source: clean(&resource.source.to_string()).into_owned(),
        states: change.states.iter().map(|state| clean(state).into_owned()).collect(),
        because: resource.because.iter().map(|cause| clean(&cause_words(cause, false)).into_owned()).collect(),
        notes: notes.iter().map(|note| cleaned(note)).collect(),
        error: resource.error.as_ref().map(|error| cleaned(&format!("error[{}]: {error}", error.code))),
        lines: change
            .lines
            .iter()
            .map(|line| {
                let place = clean(&format!("{}:{}", line.file, line.line)).into_owned();
                [place, if line.is_new { "+" } else { "-" }.to_owned(), clean(&line.text).into_owned()]
            })
            .collect(),
        nodes: ranges(&change.nodes),
        names: clean(&overview.name_nodes(&change.nodes, 160)).into_owned(),
        patterns: clean(&patterns.iter().map(|pattern| &*pattern.text).collect::<Vec<_>>().join(",")).into_owned(),
        attributes: resource.changes.iter().map(attribute_data).collect(),
    }
}

fn attribute_data(change: &Change) -> AttributeData {
    let name = clean(&change.attribute).into_owned();
    if let Some((old, new)) = text_sides(change) {
        let note = match (&change.before, &change.after) {
            (Shown::Absent, _) if new.is_empty() => "empty",
            (_, Shown::Absent) if old.is_empty() => "empty, is removed",
            (Shown::Absent, _) => "new",
            (_, Shown::Absent) => "is removed",
            // Only the lines that change are here.
            _ if !change.stretches.is_empty() => "",
            _ if old.is_empty() => "was empty",
            _ if new.is_empty() => "becomes empty",
            _ => "",
        };
        let diff = Diff::of(change, &old, &new);
        let hunks = diff.hunks.iter().map(hunk_data).collect();
        return AttributeData { name, before: None, after: None, hunks, note: note.to_owned() };
    }
    let hidden = is_hidden(change);
    let side = |side: &Shown| Some(cleaned(&words(side, hidden).1));
    AttributeData { name, before: side(&change.before), after: side(&change.after), hunks: Vec::new(), note: String::new() }
}

fn hunk_data(hunk: &Hunk<'_>) -> HunkData {
    HunkData {
        old: hunk.old_start,
        new: hunk.new_start,
        header: hunk.header(),
        lines: hunk.lines.iter().map(line_data).collect(),
    }
}

fn line_data(line: &Line<'_>) -> LineData {
    let mut pieces = Vec::new();
    let mut at = 0;
    for part in &line.parts {
        pieces.push(clean(&line.text[at..part.start]).into_owned());
        pieces.push(clean(&line.text[part.clone()]).into_owned());
        at = part.end;
    }
    pieces.push(clean(&line.text[at..]).into_owned());
    LineData(line.kind.sign(), pieces, line.newline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_what_is_in_the_page() {
        let page = overview_html(&Overview::default(), &HtmlPage { title: "a & b", can_accept: false });
        assert!(page.contains("<title>a &amp; b</title>"));
        for (open, close, text) in [("<style>", "</style>", STYLE), ("<script>", "</script>", SCRIPT)] {
            let (_, rest) = page.split_once(open).unwrap();
            let (inside, _) = rest.split_once(close).unwrap();
            assert_eq!(inside, text);
            assert!(page.contains(&source_hash(inside)), "{open}");
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing is fetched");
    }

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), [[0, 2], [5, 5], [7, 8]]);
    }
}
