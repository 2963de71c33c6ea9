//! Ansible's INI inventories.

use std::sync::Arc;

use stead_grammar::ast::Span;

use super::variables::Given;
use super::{Group, Reach, Reader, Word, span_of};

/// What the lines of a section are.
enum Section {
    /// Hosts, of a group where there is a name.
    Hosts(Option<Group>),
    Vars(Group),
    Children(Group),
    /// Its head was not understood.
    Unknown,
}

impl Reader<'_> {
    pub(super) fn ini(&mut self, text: &str) {
        let mut section = Section::Hosts(None);
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if trimmed.starts_with('[') && is_head(trimmed) {
                let next = self.section(text, trimmed);
                self.finish(std::mem::replace(&mut section, next));
                continue;
            }
            match &mut section {
                Section::Hosts(group) => {
                    let name = group.as_ref().map(|group| group.name.clone());
                    self.host_line(text, trimmed, name);
                }
                Section::Children(group) => {
                    let name = trimmed.split('#').next().unwrap_or_default().trim();
                    let span = span_of(text, name);
                    if self.fits(name, Word::Label, span) {
                        group.children.push((name.into(), self.at(span)));
                    }
                }
                Section::Vars(group) => {
                    let Some((name, value)) = trimmed.split_once('=') else {
                        let span = span_of(text, trimmed);
                        self.error("syntax-error", span, "expected a variable: `name = value`");
                        continue;
                    };
                    let (name, value) = (name.trim(), unquoted(value.trim()));
                    let spans = (span_of(text, name), span_of(text, value));
                    self.variable(name, &Given::Text(value), spans, &mut group.reach, &mut group.tags);
                }
                Section::Unknown => {}
            }
        }
        self.finish(section);
    }

    fn finish(&mut self, section: Section) {
        match section {
            Section::Hosts(Some(group)) | Section::Vars(group) | Section::Children(group) => self.declared.groups.push(group),
            Section::Hosts(None) | Section::Unknown => {}
        }
    }

    /// `[web]`, `[web:vars]`, `[web:children]`.
    fn section(&mut self, text: &str, line: &str) -> Section {
        let head = line.split(']').next().unwrap_or(line).trim_start_matches('[').trim();
        let (name, kind) = head.rsplit_once(':').unwrap_or((head, "hosts"));
        let span = span_of(text, head);
        if !self.fits(name, Word::Label, span_of(text, name)) {
            return Section::Unknown;
        }
        let group = self.group(name, span_of(text, name));
        match kind {
            "hosts" if matches!(name, "ungrouped" | "all") => Section::Hosts(None),
            "hosts" => Section::Hosts(Some(group)),
            "vars" => Section::Vars(group),
            "children" => Section::Children(group),
            _ => {
                self.error(
                    "syntax-error",
                    span,
                    format!("found a section `:{}`, expected `:vars` or `:children`", kind.escape_debug()),
                );
                Section::Unknown
            }
        }
    }

    /// `web-1:2222 ansible_user=deploy # here`.
    fn host_line(&mut self, text: &str, line: &str, group: Option<Arc<str>>) {
        let mut words = Words { rest: line };
        let Some(first) = words.next() else { return };
        let mut reach = Reach::default();
        let mut tags = Vec::new();
        let span = span_of(text, first);
        let mut name = first;
        // A port may follow the name; several colons are an IPv6 address, unless they stand in a range.
        let behind = first.rfind(']').map_or(first, |end| &first[end..]);
        if behind.matches(':').count() == 1
            && let Some((host, port)) = first.rsplit_once(':')
        {
            name = host;
            reach.port = self.port(&Given::Text(port), span_of(text, port));
        }
        for word in words {
            let at = span_of(text, word);
            match word.split_once('=') {
                Some((name, value)) => {
                    let value = unquoted(value);
                    let spans = (span_of(text, name), span_of(text, value));
                    self.variable(name, &Given::Text(value), spans, &mut reach, &mut tags);
                }
                None => {
                    let message = format!("found `{}`, expected a variable: `name=value`", word.escape_debug());
                    self.error("syntax-error", at, message).hints.push("put each host on a line of its own".into());
                    return;
                }
            }
        }
        self.host(
            name,
            Span::new(span.start, span.start + crate::position::offset_u32(name.len())),
            &reach,
            &tags,
            group.as_slice(),
        );
    }
}

/// Says whether a line in brackets is the head of a section, and not a host that starts with a range.
fn is_head(line: &str) -> bool {
    line.split_once(']').is_some_and(|(_, rest)| rest.trim().is_empty() || rest.trim_start().starts_with(['#', ';']))
        && !line[1..].starts_with(|c: char| c.is_ascii_digit() && line.contains(':'))
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// Words between blanks, as a shell takes them: quotes keep blanks together, `#` starts a comment.
struct Words<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        self.rest = self.rest.trim_start();
        if self.rest.is_empty() || self.rest.starts_with('#') {
            return None;
        }
        let mut quote = None;
        let end = self.rest.char_indices().find(|(_, c)| match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (Some(open), c) if open == *c => {
                quote = None;
                false
            }
            (None, c) => c.is_whitespace(),
            _ => false,
        });
        let (word, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        Some(word)
    }
}
