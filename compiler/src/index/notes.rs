//! The recorder that the checker writes to when it is asked for an index.

use std::sync::Arc;

use stead_catalog::{EnumType, RecordType, ResourceId, Type, Value};
use stead_grammar::ast::{Call, Expr, ExprKind, Ident, Item, Literal, RecordEntry, RecordKey, Span, TypeDefBody};

use super::probe::{Context, ContextKind, MARKER, TextRole, Variable};
use super::template::{TemplateContext, TemplateIndex};
use super::{Argument, BodySite, CallSite, Callee, FileIndex, Place, Target, TemplateUse, Use};
use crate::check::Checker;
use crate::defs::{Def, Program, TypeInfo};
use crate::hir;
use crate::issue::Loc;

/// What was noted while one file was checked.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) index: FileIndex,
    /// What stands where the marker is, when there is one.
    pub(crate) context: Option<Context>,
    /// What the next text is for.
    pub(crate) role: Option<TextRole>,
    /// The names are those of shorthand entries.
    pub(crate) shorthand: bool,
}

/// What was noted while a template was checked.
#[derive(Debug, Default)]
pub(crate) struct TemplateNotes {
    pub(crate) index: TemplateIndex,
    pub(crate) context: Option<TemplateContext>,
}

impl Notes {
    pub(crate) fn add(&mut self, span: Span, target: Target, is_declaration: bool) {
        if !span.is_empty() {
            let is_shorthand = self.shorthand;
            self.index.uses.push(Use { span, target, is_declaration, is_shorthand });
        }
    }

    /// Puts everything in order; what was checked twice is there once.
    pub(crate) fn finish(mut self) -> (FileIndex, Option<Context>) {
        let index = &mut self.index;
        index.uses.sort_by_key(|one| (one.span, !one.is_declaration));
        index.uses.dedup_by(|later, first| later.span == first.span && later.target == first.target);
        let order = |span: Span| (span.start, std::cmp::Reverse(span.end));
        index.types.sort_by_key(|(span, _)| order(*span));
        index.types.dedup_by(|later, first| later == first);
        index.expected.sort_by_key(|(span, _)| order(*span));
        index.expected.dedup_by(|later, first| later == first);
        index.values.sort_by_key(|(span, _)| order(*span));
        index.values.dedup_by(|later, first| later.0 == first.0);
        index.calls.sort_by_key(|call| order(call.span));
        index.calls.dedup_by(|later, first| later == first);
        index.bodies.sort_by_key(|body| order(body.span));
        index.bodies.dedup_by(|later, first| later == first);
        index.templates.sort_by_key(|one| one.span);
        index.templates.dedup_by(|later, first| later.span == first.span);
        index.variables.sort_by_key(|(span, ..)| *span);
        index.variables.dedup_by(|later, first| later.0 == first.0);
        (self.index, self.context)
    }
}

impl Program {
    pub(crate) fn place(&self, loc: Loc) -> Place {
        Place { file: self.files[loc.file as usize].name.clone(), span: loc.span }
    }

    /// What a definition is to an index.
    pub(crate) fn target(&self, def: Def) -> Target {
        match def {
            Def::Type(id) => {
                let info = &self.types[id as usize];
                Target::Type(self.place(Loc::new(info.at.file, info.name.span)))
            }
            Def::Fn(id) => Target::Function(self.callable_place(&self.fns[id as usize])),
            Def::State(id) => Target::State(self.callable_place(&self.states[id as usize])),
            Def::Module(id) => Target::Module(self.modules[id as usize].directory.clone()),
        }
    }

    pub(crate) fn callable_place(&self, callable: &crate::defs::Callable) -> Place {
        self.place(Loc::new(callable.at.file, callable.name.span))
    }

    /// Where a member of an enum of the project is declared.
    pub(crate) fn member_place(&self, choice: &Arc<EnumType>, name: &str) -> Option<Place> {
        // An alias of an enum has the same type. What was noted of an earlier version of the project is equal, not the same.
        let is_enum = |info: &&TypeInfo| matches!(self.item(info.at), Item::Enum(_));
        let mut enums = self.types.iter().filter(is_enum);
        let same = |info: &&TypeInfo| matches!(&info.ty, Type::Enum(other) if Arc::ptr_eq(other, choice));
        let equal = |info: &&TypeInfo| matches!(&info.ty, Type::Enum(other) if !choice.name.is_empty() && other == choice);
        let info = enums.clone().find(same).or_else(|| enums.find(equal))?;
        match self.item(info.at) {
            Item::Enum(def) => {
                let member = def.members.iter().find(|member| member.name.as_str() == name)?;
                Some(self.place(Loc::new(info.at.file, member.name.span)))
            }
            _ => None,
        }
    }

    /// Where a field of a record type of the project is declared.
    pub(crate) fn field_place(&self, record: &Arc<RecordType>, name: &str) -> Option<Place> {
        let place = |info: &TypeInfo| {
            let Item::Type(def) = self.item(info.at) else { return None };
            let TypeDefBody::Record(fields) = &def.body else { return None };
            let field = fields.iter().find(|field| field.name.as_str() == name)?;
            Some(self.place(Loc::new(info.at.file, field.name.span)))
        };
        let same = |info: &&TypeInfo| matches!(&info.ty, Type::Record(other) if Arc::ptr_eq(other, record));
        let equal = |info: &&TypeInfo| matches!(&info.ty, Type::Record(other) if !record.name.is_empty() && other == record);
        let found = self.types.iter().filter(same).find_map(place);
        found.or_else(|| self.types.iter().filter(equal).find_map(place))
    }
}

/// The names of `a.b.c`, where an expression is no more than that.
pub(crate) fn dotted(expr: &Expr) -> Option<Vec<Arc<str>>> {
    match &expr.unparen().kind {
        ExprKind::Name(name) => Some(vec![name.clone()]),
        ExprKind::Field(access) => {
            let mut path = dotted(&access.object)?;
            path.push(access.name.name.clone());
            Some(path)
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// Notes what a name stands for, where an index is asked for.
    pub(crate) fn note(&mut self, span: Span, target: impl FnOnce(&Program) -> Option<Target>) {
        let program = self.program;
        if let Some(notes) = &mut self.notes
            && let Some(target) = target(program)
        {
            notes.add(span, target, false);
        }
    }

    /// Notes a use of something that stands in a file of the project.
    pub(crate) fn note_variable(&mut self, span: Span, declared: Span) {
        let file = self.file;
        self.note(span, |program| Some(Target::Variable(program.place(Loc::new(file, declared)))));
    }

    /// Notes a variable where it is declared.
    pub(crate) fn note_declared(&mut self, name: &Ident, ty: &Type, is_written: bool) {
        let place = self.program.place(Loc::new(self.file, name.span));
        if let Some(notes) = &mut self.notes
            && !name.is_missing()
        {
            notes.add(name.span, Target::Variable(place), true);
            notes.index.variables.push((name.span, ty.clone(), is_written));
        }
    }

    pub(crate) fn note_member(&mut self, span: Span, choice: &Arc<EnumType>, name: &str) {
        self.note(span, |program| program.member_place(choice, name).map(Target::Member));
    }

    pub(crate) fn note_field(&mut self, span: Span, object: &Expr, receiver: &Type, name: &str) {
        self.note(span, |program| {
            if let Some(path) = dotted(object)
                && let Some((root, below)) = path.split_first()
            {
                let below = below.iter().cloned().chain([name.into()]).collect();
                match (&**root, receiver) {
                    ("facts", _) => return Some(Target::Fact(below)),
                    ("data", Type::Any) => return Some(Target::Data(below)),
                    ("node", Type::Record(_)) if path.len() == 1 => return Some(Target::Node(below)),
                    _ => {}
                }
            }
            match receiver {
                Type::Record(record) => program.field_place(record, name).map(Target::Field),
                _ => None,
            }
        });
    }

    pub(crate) fn note_found(&mut self, expr: &Expr, checked: &hir::Expr, ty: &Type) {
        let span = expr.span;
        let Some(notes) = &mut self.notes else { return };
        notes.index.types.push((span, ty.clone()));
        if let Some(value) = checked.constant()
            && !matches!(value, Value::Blob(_))
        {
            notes.index.values.push((span, value.clone()));
        }
    }

    pub(crate) fn note_checked(&mut self, expr: &Expr, checked: &hir::Expr) {
        let Some(notes) = &mut self.notes else { return };
        if let Some(value) = checked.constant()
            && !matches!(value, Value::Blob(_))
        {
            notes.index.values.push((expr.span, value.clone()));
        }
    }

    pub(crate) fn note_expected(&mut self, expr: &Expr, want: &Type) {
        let Some(notes) = &mut self.notes else { return };
        notes.index.expected.push((expr.span, want.clone()));
    }

    /// Looks for the marker of a probe in a text.
    pub(crate) fn note_text(&mut self, expr: &Expr, want: Option<&Type>) {
        if self.notes.is_none() {
            return;
        }
        let text = match &expr.kind {
            ExprKind::Literal(Literal::String(text)) => text.clone(),
            _ => return,
        };
        let role = self.notes.as_mut().and_then(|notes| notes.role.take());
        if text.contains(MARKER) {
            let role = role.unwrap_or(TextRole::Plain);
            self.note_context(ContextKind::Text { role, expected: want.cloned(), text }, expr.span);
        }
    }

    /// Says what the next text is for.
    pub(crate) fn note_role(&mut self, role: impl FnOnce() -> TextRole) {
        if let Some(notes) = &mut self.notes {
            notes.role = Some(role());
        }
    }

    /// Notes what stands where the marker is. The first look counts: it knows most.
    pub(crate) fn note_context(&mut self, kind: ContextKind, span: Span) {
        if self.notes.as_ref().is_none_or(|notes| notes.context.is_some()) {
            return;
        }
        let program = self.program;
        let file = self.file;
        let place = |span: Span| program.place(Loc::new(file, span));
        let mut variables: Vec<Variable> = Vec::new();
        for local in self.locals.iter().rev() {
            if !variables.iter().any(|known| known.name == local.name) {
                let place = place(local.span);
                variables.push(Variable { name: local.name.clone(), ty: local.ty.clone(), place, is_global: false });
            }
        }
        for global in self.globals.iter().rev() {
            if !variables.iter().any(|known| known.name == global.name) {
                let place = place(global.span);
                variables.push(Variable { name: global.name.clone(), ty: global.ty.clone(), place, is_global: true });
            }
        }
        let in_state = matches!(self.user, crate::check::User::State(_));
        if let Some(notes) = &mut self.notes {
            notes.context = Some(Context { kind, span, variables, in_state });
        }
    }

    /// Notes the expectation at the marker, when the name is the marker.
    pub(crate) fn note_marker(&mut self, name: &str, span: Span, kind: impl FnOnce() -> ContextKind) {
        if self.notes.is_some() && name == MARKER {
            self.note_context(kind(), span);
        }
    }

    /// Notes a call; `position` finds a parameter by its name.
    pub(crate) fn note_call(
        &mut self,
        call: &Call,
        callee: Callee,
        is_state: bool,
        count: usize,
        position: &dyn Fn(&str) -> Option<usize>,
    ) {
        let Some(notes) = &mut self.notes else { return };
        let args = call.args.iter().enumerate().map(|(i, arg)| Argument {
            span: arg.span,
            parameter: match &arg.name {
                Some(name) => position(name.as_str()),
                None => Some(i).filter(|i| *i < count),
            },
            is_named: arg.name.is_some(),
            name: match &arg.value.unparen().kind {
                ExprKind::Name(name) => Some(name.clone()),
                ExprKind::Field(access) => Some(access.name.name.clone()),
                _ => None,
            },
        });
        let (args, callee_end) = (args.collect(), call.callee.span.end);
        notes.index.calls.push(CallSite { span: call.span, callee_end, callee, is_state, args });
    }

    /// Looks for the marker of a probe among the variables of a template.
    pub(crate) fn note_variables(&mut self, path: &hir::Expr, entries: &[RecordEntry]) {
        if self.notes.is_none() {
            return;
        }
        let names = entries.iter().filter_map(|entry| match &entry.key {
            RecordKey::Name(name) => Some(name),
            RecordKey::String(_) => None,
        });
        let given = names.clone().map(|name| name.name.clone()).filter(|name| **name != *MARKER).collect();
        let Some(name) = names.clone().find(|name| *name.name == *MARKER) else { return };
        let from = self.program.files[self.file as usize].name.clone();
        let template = path.constant().and_then(|path| crate::files::template_of(self, &from, path.reveal().as_str()?));
        self.note_context(ContextKind::TemplateVariable { template, given }, name.span);
    }

    pub(crate) fn note_body(&mut self, site: impl FnOnce() -> BodySite) {
        if let Some(notes) = &mut self.notes {
            notes.index.bodies.push(site());
        }
    }

    pub(crate) fn note_template(&mut self, template: &Arc<str>, span: Span, variables: Vec<(Arc<str>, Type, Span)>) {
        if let Some(notes) = &mut self.notes {
            notes.add(span, Target::File(template.clone()), false);
            notes.index.templates.push(TemplateUse { template: template.clone(), span, variables });
        }
    }

    /// Notes the resources that an expression names.
    pub(crate) fn note_resource(&mut self, type_name: &Arc<str>, name: &Expr, checked: &hir::Expr, is_declaration: bool) {
        if self.notes.is_none() {
            return;
        }
        if let ExprKind::List(items) = &name.unparen().kind {
            let names: Vec<(Span, Arc<str>)> = items
                .iter()
                .filter_map(|item| match &item.kind {
                    ExprKind::Literal(Literal::String(text)) => Some((item.span, text.clone())),
                    _ => None,
                })
                .collect();
            for (span, text) in names {
                self.add_resource(type_name, span, text, is_declaration);
            }
        } else if let Some(Value::String(text) | Value::Member(text)) = checked.constant() {
            self.add_resource(type_name, name.span, text.clone(), is_declaration);
        }
    }

    fn add_resource(&mut self, type_name: &Arc<str>, span: Span, name: Arc<str>, is_declaration: bool) {
        if let Some(notes) = &mut self.notes {
            let id = ResourceId { type_name: type_name.clone(), name };
            notes.add(span, Target::Resource(id), is_declaration);
        }
    }
}
