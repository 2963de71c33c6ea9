//! How a plan and the results of an apply look: terminal text, Markdown, JSON.
//!
//! Everything here is a pure function of its arguments. Width, colour and character set are
//! handed in by the head; nothing reads the environment, a file or a clock, and nothing prints.
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod docs;
mod escape;
mod graph;
mod html;
pub mod json;
mod lines;
mod many;
mod markdown;
mod nodes;
mod outcome;
mod paint;
mod text;
mod value;

pub use docs::{attribute_default, docs_markdown, docs_text};
pub use escape::{clean, display_width};
pub use graph::dot;
pub use html::{HtmlPage, overview_html};
pub use lines::{Diff, Hunk, Line, LineKind, unified};
pub use many::{
    CatalogDifference, ExactChange, GroupBy, NodeChanges, NodeEntry, Overview, OverviewKind, SharedChange, SourceLine,
    SourceLines, Types, compare, overview_markdown, overview_markdown_within, overview_text, sort_nodes, wanted,
};
pub use markdown::{MARKDOWN_LIMIT, markdown, markdown_within};
pub use nodes::{NodePattern, matches_node, natural_order, node_line, node_patterns};
pub use outcome::{Outcome, RunSummary};
pub use paint::{Color, Style};
pub use text::{TextOptions, apply_summary, plan_text, resource_text, summary_line};
pub use value::{counted, size_words};

#[cfg(test)]
mod samples;
