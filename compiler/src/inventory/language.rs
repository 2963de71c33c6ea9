//! `inventory { … }` of the project's own sources.

use std::sync::Arc;

use stead_catalog::{Schema, Value};
use stead_grammar::ast::Span;

use super::{At, Declared, Group, Host, Reach, Word};
use crate::eval::World;
use crate::issue::{Issue, Loc};
use crate::lower::{self, Draft, Given, Part};
use crate::project::Project;

/// Evaluates the inventory blocks of the project.
pub(crate) fn declared(project: &Project, issues: &mut Vec<Issue>) -> Declared {
    let nothing = || Value::map([]);
    let tree = crate::data::Node::new(crate::data::Kind::Map(Arc::default()), &"".into(), Span::at(0));
    // No node is asked: an inventory says which there are.
    let world = World { project, facts: nothing(), data: nothing(), node: nothing(), data_tree: tree, is_wanted: &|| true };
    let mut reader = Reader { project, issues, declared: Declared::default() };
    for block in &project.code.inventories {
        let lowered = lower::lower(&world, Part { file: block.file, body: &block.body, inherited: &[] });
        reader.issues.extend(lowered.issues);
        for draft in &lowered.drafts {
            let schema = project.program.schemas.at(draft.schema);
            match &*schema.name {
                "host" => reader.host(draft, schema),
                _ => reader.group(draft, schema),
            }
        }
    }
    reader.declared
}

struct Reader<'a> {
    project: &'a Project,
    issues: &'a mut Vec<Issue>,
    declared: Declared,
}

impl Reader<'_> {
    fn at(&self, loc: Loc) -> At {
        At { file: self.project.program.files[loc.file as usize].name.clone(), span: loc.span }
    }

    /// Holds a text to what it is for.
    fn word(&mut self, text: Option<Arc<str>>, word: Word, at: Loc) -> Option<Arc<str>> {
        let text = text?;
        if word.fits(&text) {
            return Some(text);
        }
        let message = format!("found {}, expected {}", Value::String(text), word.expected());
        self.issues.push(Issue::error("invalid-value", at, message));
        None
    }

    fn labels(&mut self, given: &Given) -> Vec<Arc<str>> {
        texts(&given.value).into_iter().filter_map(|text| self.word(Some(text), Word::Label, given.at)).collect()
    }

    fn host(&mut self, draft: &Draft, schema: &Schema) {
        let Some(name) = self.word(Some(draft.id.name.clone()), Word::Name, draft.at) else { return };
        let mut host = Host {
            name,
            at: self.at(draft.at),
            reach: Reach::default(),
            elsewhere: Reach::default(),
            tags: Vec::new(),
            groups: Vec::new(),
        };
        for given in &draft.given {
            match &*schema.attributes[given.attribute as usize].name {
                "address" => host.reach.address = self.word(text(&given.value), Word::Argument, given.at),
                "groups" => host.groups = self.labels(given),
                "tags" => host.tags = self.labels(given),
                other => self.reach(&mut host.reach, other, given),
            }
        }
        self.declared.hosts.push(host);
    }

    fn group(&mut self, draft: &Draft, schema: &Schema) {
        let Some(name) = self.word(Some(draft.id.name.clone()), Word::Label, draft.at) else { return };
        let mut group = Group {
            name,
            at: self.at(draft.at),
            hosts: Vec::new(),
            children: Vec::new(),
            reach: Reach::default(),
            elsewhere: Reach::default(),
            tags: Vec::new(),
        };
        for given in &draft.given {
            let at = self.at(given.at);
            let placed = |texts: Vec<Arc<str>>| texts.into_iter().map(|text| (text, at.clone())).collect();
            match &*schema.attributes[given.attribute as usize].name {
                "hosts" => group.hosts = placed(texts(&given.value)),
                "children" => group.children = placed(self.labels(given)),
                "tags" => group.tags = self.labels(given),
                other => self.reach(&mut group.reach, other, given),
            }
        }
        self.declared.groups.push(group);
    }

    fn reach(&mut self, reach: &mut Reach, attribute: &str, given: &Given) {
        match (attribute, &given.value) {
            ("user", value) => reach.user = self.word(text(value), Word::Argument, given.at),
            ("port", Value::Int(port)) => reach.port = u16::try_from(*port).ok(),
            ("identity", value) => reach.identity = self.word(text(value), Word::Argument, given.at),
            ("become", Value::Bool(becomes)) => {
                (reach.becomes, reach.become_user) = (Some(*becomes), becomes.then(|| "root".into()));
            }
            ("become", Value::String(_)) => {
                reach.become_user = self.word(text(&given.value), Word::Argument, given.at);
                reach.becomes = reach.become_user.is_some().then_some(true);
            }
            ("local", Value::Bool(is_local)) => reach.is_local = Some(*is_local),
            _ => {}
        }
    }
}

fn text(value: &Value) -> Option<Arc<str>> {
    value.as_shared_str().cloned()
}

fn texts(value: &Value) -> Vec<Arc<str>> {
    match value {
        Value::List(items) => items.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}
