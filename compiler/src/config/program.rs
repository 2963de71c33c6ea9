//! Programs that a project runs by itself: for facts and for secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_catalog::Type;
use stead_grammar::ast::Span;

use super::Reader;
use crate::data::{Kind, Node};

/// How long a program that tells a fact or a secret may take when nothing is said: 10 seconds.
const PROGRAM_TIMEOUT_NS: u64 = 10_000_000_000;

/// A program that is run without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; never empty.
    pub argv: Vec<Arc<str>>,
    /// How long it may take, in nanoseconds.
    pub timeout_ns: u64,
    /// Where `stead.toml` says so.
    pub span: Span,
}

impl Reader {
    /// `NAME = ["program", "argument"]`, or `NAME = { command = […], timeout = "5s" }`.
    pub(super) fn programs(&mut self, table: &Node, key: &str) -> BTreeMap<Arc<str>, Program> {
        let mut programs = BTreeMap::new();
        let Some(table) = self.table(table, key) else { return programs };
        let Kind::Map(entries) = &table.kind else { return programs };
        for (name, entry) in entries.iter() {
            let (argv, timeout) = match &entry.node.kind {
                Kind::Map(_) => {
                    self.known_keys(&entry.node, &["command", "timeout"], &format!("{key}.{name}"));
                    let timeout = self.quantity(&entry.node, "timeout", &Type::Duration, "a duration such as \"5s\"");
                    (self.texts(&entry.node, "command"), timeout)
                }
                _ => (self.texts(table, name), None),
            };
            if argv.first().is_none_or(|(program, _)| program.is_empty()) {
                if !self.found.iter().any(|told| told.labels.iter().any(|label| entry.node.span.contains(label.span))) {
                    let message = format!("`{name}` names no program");
                    self.error("invalid-setting", entry.key_span, message)
                        .hints
                        .push(format!("write {name} = [\"program\", \"argument\"]: it is run without a shell"));
                }
                continue;
            }
            let argv = argv.into_iter().map(|(word, _)| word).collect();
            let timeout_ns = timeout.unwrap_or(PROGRAM_TIMEOUT_NS);
            programs.insert(name.clone(), Program { argv, timeout_ns, span: entry.key_span });
        }
        programs
    }
}
