//! Inventories of other tools, read as they are: Ansible's three forms, Salt's rosters, the names of an ssh configuration.

mod beside;
mod ini;
mod ranges;
mod roster;
mod ssh;
mod tree;
mod variables;

use std::sync::Arc;

use stead_grammar::ast::Span;

use super::{At, Declared, Group, Host, Reach, Settings, Word};
use crate::data::{self, Format, Kind, Node};
use crate::diagnostic::Diagnostic;
use crate::position::offset_u32;
use variables::Variables;

pub use beside::{Owner, VARIABLE_FOLDERS, variable_files};
pub use ssh::includes;

/// Most hosts that the ranges of one name may make.
const MAX_HOSTS: usize = 100_000;

/// The form of an inventory of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InventoryFormat {
    /// Ansible's INI files.
    AnsibleIni,
    /// Ansible's YAML files.
    AnsibleYaml,
    /// What a program prints for Ansible's `--list`.
    AnsibleJson,
    /// A roster of salt-ssh.
    Roster,
    /// An ssh configuration: its hosts by their names, wildcards left out.
    SshConfig,
}

impl InventoryFormat {
    /// Says whether it is one of Ansible's, which has variables in files beside it.
    pub fn is_ansible(self) -> bool {
        matches!(self, Self::AnsibleIni | Self::AnsibleYaml | Self::AnsibleJson)
    }

    /// Reads a name as `stead.toml` writes it; `file` tells apart what shares a name.
    pub fn named(name: &str, file: &str) -> Option<Self> {
        match name {
            "ansible" if file.ends_with(".json") => Some(Self::AnsibleJson),
            "ansible" if file.ends_with(".yaml") || file.ends_with(".yml") => Some(Self::AnsibleYaml),
            "ansible" => Some(Self::AnsibleIni),
            "roster" => Some(Self::Roster),
            "ssh" => Some(Self::SshConfig),
            _ => None,
        }
    }

    /// The names that [`InventoryFormat::named`] knows.
    pub const NAMES: [&str; 3] = ["ansible", "roster", "ssh"];

    /// Tells the form of a file by its name and, where several share a name, by what stands in it.
    pub fn of(file: &str, text: &str) -> Self {
        let name = file.rsplit('/').next().unwrap_or(file);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("json") => Self::AnsibleJson,
            Some("yaml" | "yml") if looks_like_roster(text) => Self::Roster,
            Some("yaml" | "yml") => Self::AnsibleYaml,
            _ if name == "ssh_config" || file.ends_with(".ssh/config") => Self::SshConfig,
            _ if name == "roster" => Self::Roster,
            _ => Self::AnsibleIni,
        }
    }
}

/// In a roster a host says `host:`, or is an address itself; in Ansible's inventories groups have `hosts`, `children` and `vars`.
fn looks_like_roster(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines().any(|line| line.starts_with("host:"))
        && !lines().any(|line| ["hosts:", "children:", "vars:"].iter().any(|word| line.starts_with(word)))
}

/// An inventory of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryText {
    /// What it is called in messages.
    pub name: Arc<str>,
    /// What stands in it.
    pub text: Arc<str>,
    /// Its form.
    pub format: InventoryFormat,
    /// Whose variables it holds, and nothing else: a file of `group_vars` or `host_vars`.
    pub variables_of: Option<Owner>,
}

impl InventoryText {
    /// An inventory.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>, format: InventoryFormat) -> Self {
        Self { name: name.into(), text: text.into(), format, variables_of: None }
    }

    /// The variables of a group or a host, in a file beside an inventory of Ansible's.
    pub fn variables(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>, of: Owner) -> Self {
        let name: Arc<str> = name.into();
        let format = if name.ends_with(".json") { InventoryFormat::AnsibleJson } else { InventoryFormat::AnsibleYaml };
        Self { name, text: text.into(), format, variables_of: Some(of) }
    }
}

/// Reads the inventories of other tools, and the variables that lie beside them.
pub(crate) fn read(texts: &[InventoryText], found: &mut Vec<Diagnostic>) -> Vec<Declared> {
    let (variables, inventories): (Vec<_>, Vec<_>) = texts.iter().partition(|text| text.variables_of.is_some());
    let mut declared: Vec<Declared> = inventories.into_iter().map(|inventory| read_inventory(inventory, found)).collect();
    declared.extend(beside::read(&variables, found));
    declared
}

fn read_inventory(inventory: &InventoryText, found: &mut Vec<Diagnostic>) -> Declared {
    let mut reader = Reader::new(inventory.name.clone(), found);
    let text = &*inventory.text;
    match inventory.format {
        InventoryFormat::AnsibleIni => reader.ini(text),
        InventoryFormat::AnsibleYaml => reader.with_node(text, Format::Yaml, Reader::yaml),
        InventoryFormat::AnsibleJson => reader.with_node(text, Format::Json, Reader::list),
        InventoryFormat::Roster => reader.with_node(text, Format::Yaml, Reader::roster),
        InventoryFormat::SshConfig => reader.ssh(text),
    }
    reader.tell_encrypted();
    reader.tell_unread();
    reader.declared
}

/// Reads one inventory.
struct Reader<'a> {
    file: Arc<str>,
    found: &'a mut Vec<Diagnostic>,
    declared: Declared,
    /// The variables that nothing is made of.
    variables: Variables,
}

impl<'a> Reader<'a> {
    fn new(file: Arc<str>, found: &'a mut Vec<Diagnostic>) -> Self {
        let declared = Declared { adds_up: true, ..Declared::default() };
        Self { file, found, declared, variables: Variables::default() }
    }

    fn at(&self, span: Span) -> At {
        At { file: self.file.clone(), span }
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push(Diagnostic::error(code, message).at(&self.file, span, ""));
        &mut self.found[at]
    }

    fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: &str) {
        self.found.push(Diagnostic::warning(code, message).at(&self.file, span, "").hint(hint));
    }

    fn with_node(&mut self, text: &str, format: Format, read: fn(&mut Self, &Node)) {
        let mut found = Vec::new();
        let node = data::parse_text(&self.file.clone(), text, format, &mut found);
        // That `yes` was a bool once does not matter here: what is asked for a bool knows it. Nor does `!unsafe`, for nothing is rendered.
        found.retain(|diagnostic| diagnostic.code != "ambiguous-scalar" && diagnostic.message != "unknown tag `!unsafe`");
        self.take_encrypted(&mut found);
        let is_template = text.contains("{%") || text.contains("{{");
        if is_template && found.iter().any(Diagnostic::is_error) {
            let last = found.len() - 1;
            found[last]
                .hints
                .push("Jinja in an inventory is not rendered: write the hosts out, or let a program print them".into());
        }
        self.found.append(&mut found);
        if let Some(node) = node {
            read(self, &node);
        }
    }

    /// Declares a host, or each of a range, with the same settings.
    fn host(&mut self, pattern: &str, span: Span, reach: &Reach, tags: &[Arc<str>], groups: &[Arc<str>]) {
        let names = match ranges::expand(pattern, MAX_HOSTS) {
            Ok(names) => names,
            Err(problem) => {
                self.error("invalid-value", span, format!("`{pattern}` is not a host or a range of hosts: {problem}"))
                    .hints
                    .push("a range is written `web[01:50].example.org` or `db-[a:f]`".into());
                return;
            }
        };
        for name in names {
            if !self.fits(&name, Word::Name, span) {
                return;
            }
            self.declared.hosts.push(Host {
                name: name.into(),
                at: self.at(span),
                reach: reach.clone(),
                elsewhere: Reach::default(),
                tags: tags.to_vec(),
                groups: groups.to_vec(),
            });
        }
    }

    /// The group `name`, empty; to be filled.
    fn group(&self, name: &str, span: Span) -> Group {
        Group {
            name: name.into(),
            at: self.at(span),
            hosts: Vec::new(),
            children: Vec::new(),
            reach: Reach::default(),
            elsewhere: Reach::default(),
            tags: Vec::new(),
        }
    }

    fn fits(&mut self, text: &str, word: Word, span: Span) -> bool {
        let fits = word.fits(text);
        if !fits {
            self.error("invalid-value", span, format!("found \"{}\", expected {}", text.escape_debug(), word.expected()));
        }
        fits
    }

    /// The entries of a map; nothing, and a complaint, of anything else.
    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Arc<str>, Span, &'n Node)> {
        match &node.kind {
            Kind::Map(entries) => entries.iter().map(|(key, entry)| (key, entry.key_span, &entry.node)).collect(),
            Kind::Scalar(stead_catalog::Value::None) => Vec::new(),
            _ => {
                self.error("type-mismatch", node.span, format!("found {}, expected {what}", node.to_value().kind()));
                Vec::new()
            }
        }
    }
}

/// The span of `part`, which is a piece of `text`.
fn span_of(text: &str, part: &str) -> Span {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    Span::new(offset_u32(start), offset_u32(start + part.len()))
}

#[cfg(test)]
mod tests;
