//! What the names of a template stand for.

use std::sync::Arc;

use stead_catalog::{RecordType, Type};
use stead_grammar::ast::Span;

use super::TemplateUse;
use super::notes::TemplateNotes;
use crate::project::Project;

/// A name in a template.
#[derive(Clone, Debug)]
pub struct TemplateName {
    /// Where it stands.
    pub span: Span,
    /// The name.
    pub name: Arc<str>,
    /// Its type, as far as it is known.
    pub ty: Type,
    /// A variable that the template is given; else one of its own, or an attribute.
    pub is_given: bool,
    /// The record that it is a field of.
    pub owner: Option<Arc<RecordType>>,
}

/// What is known about the places of a template.
#[derive(Clone, Debug, Default)]
pub struct TemplateIndex {
    /// The names, in the order of places.
    pub uses: Vec<TemplateName>,
    /// Where the template is rendered: the source file, and what it is given there.
    pub rendered: Vec<(Arc<str>, TemplateUse)>,
}

impl TemplateIndex {
    /// The name that touches an offset.
    pub fn at(&self, offset: u32) -> Option<&TemplateName> {
        self.uses.iter().filter(|one| one.span.touches(offset)).min_by_key(|one| one.span.len())
    }
}

/// What stands where the marker is in a template.
#[derive(Clone, Debug)]
pub enum TemplateContext {
    /// A name: what can be named, with its type.
    Name(Vec<(Arc<str>, Type)>),
    /// An attribute of a value of this type.
    Member(Type),
    /// A filter, with the names of all.
    Filter(Vec<&'static str>),
    /// A test, with the names of all.
    Test(Vec<&'static str>),
}

impl Project {
    /// Where a template is rendered.
    pub fn renderings(&self, template: &str) -> Vec<(Arc<str>, TemplateUse)> {
        let mut found = Vec::new();
        for (file, index) in self.indexes() {
            let uses = index.templates.iter().filter(|one| &*one.template == template);
            found.extend(uses.map(|one| (file.clone(), one.clone())));
        }
        found
    }

    /// What the names of a template stand for, seen from the first place that renders it.
    pub fn template_index(&self, template: &str) -> Option<TemplateIndex> {
        let text = self.text(template)?;
        Some(self.template_notes(template, &text).index)
    }

    /// The names that a template uses and that nothing in it gives a value to, when it is given `given`.
    pub fn missing_in_template(&self, template: &str, given: &[Arc<str>]) -> Vec<Arc<str>> {
        let variables: Vec<(Arc<str>, Type)> = given.iter().map(|name| (name.clone(), Type::Any)).collect();
        let checked = crate::stack::with_room(|| self.templates.check(template, &variables));
        let undefined = checked.problems.iter().filter(|one| one.code == "undefined-template-variable");
        let mut names: Vec<Arc<str>> = undefined.filter_map(|one| Some(one.message.split('`').nth(1)?.into())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What stands where the marker is in `text`, as the text of the template.
    pub fn probe_template(&self, template: &str, text: &str) -> Option<TemplateContext> {
        self.template_notes(template, text).context
    }

    fn template_notes(&self, template: &str, text: &str) -> TemplateNotes {
        let rendered = self.renderings(template);
        let mut variables: Vec<(Arc<str>, Type)> = Vec::new();
        for (name, ty, _) in rendered.iter().flat_map(|(_, one)| &one.variables) {
            if !variables.iter().any(|(known, _)| known == name) {
                variables.push((name.clone(), ty.clone()));
            }
        }
        let mut notes = TemplateNotes::default();
        crate::stack::with_room(|| self.templates.note(&template.into(), text, &variables, &mut notes));
        notes.index.uses.sort_by_key(|one| (one.span, !one.is_given));
        notes.index.uses.dedup_by(|later, first| later.span == first.span && later.name == first.name);
        notes.index.rendered = rendered;
        notes
    }
}
