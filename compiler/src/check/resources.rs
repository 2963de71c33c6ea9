//! Resource declarations: attributes held to the schema, and what every resource takes besides.

use std::sync::{Arc, LazyLock};

use stead_catalog::{DriftPolicy, EdgeKind, EnumType, Field, RecordType, Schema, Span64, Type, Value, closest};
use stead_grammar::ast::{self, Attribute, Body, Expr, ExprKind, Ident, Span};

use super::expr::describe;
use super::scope::Checker;
use crate::hir::{self, Kind, Meta, Setting, Settings};
use crate::index::{BodySite, ContextKind, MARKER, Target, TextRole};
use crate::issue::Issue;
use crate::typing;

/// Every meta-attribute, in the order of documentation.
const METAS: [(&str, Meta); 21] = [
    ("require", Meta::Requisite(EdgeKind::Require, false)),
    ("watch", Meta::Requisite(EdgeKind::Watch, false)),
    ("on_changes", Meta::Requisite(EdgeKind::OnChanges, false)),
    ("on_fail", Meta::Requisite(EdgeKind::OnFail, false)),
    ("prereq", Meta::Requisite(EdgeKind::Prereq, false)),
    ("listen", Meta::Requisite(EdgeKind::Listen, false)),
    ("require_in", Meta::Requisite(EdgeKind::Require, true)),
    ("watch_in", Meta::Requisite(EdgeKind::Watch, true)),
    ("on_changes_in", Meta::Requisite(EdgeKind::OnChanges, true)),
    ("on_fail_in", Meta::Requisite(EdgeKind::OnFail, true)),
    ("prereq_in", Meta::Requisite(EdgeKind::Prereq, true)),
    ("listen_in", Meta::Requisite(EdgeKind::Listen, true)),
    ("only_if", Meta::OnlyIf),
    ("unless", Meta::Unless),
    ("when", Meta::When),
    ("retry", Meta::Retry),
    ("timeout", Meta::Timeout),
    ("tags", Meta::Tags),
    ("noop", Meta::Noop),
    ("on_drift", Meta::OnDrift),
    ("alias", Meta::Alias),
];

/// What Salt, Puppet and Ansible call them.
const FOREIGN_METAS: [(&str, &str); 14] = [
    ("onlyif", "only_if"),
    ("onchanges", "on_changes"),
    ("onchanges_in", "on_changes_in"),
    ("onfail", "on_fail"),
    ("onfail_in", "on_fail_in"),
    ("notify", "watch_in"),
    ("subscribe", "watch"),
    ("before", "require_in"),
    ("requires", "require"),
    ("depends_on", "require"),
    ("tag", "tags"),
    ("retries", "retry"),
    ("creates", "unless"),
    ("check_mode", "noop"),
];

static ON_DRIFT: LazyLock<Type> = LazyLock::new(|| {
    Type::Enum(Arc::new(EnumType {
        name: "".into(),
        members: [DriftPolicy::Fix, DriftPolicy::Report].map(|p| p.name().into()).into(),
        deprecated: Vec::new(),
    }))
});

static RETRY: LazyLock<Arc<RecordType>> = LazyLock::new(|| {
    let field = |name: &str, ty: Type, default: Option<Value>| Field { name: name.into(), ty, default, docs: "".into() };
    let attempts = Type::Int(Span64 { min: Some(1), max: Some(1000) });
    let fields = vec![field("attempts", attempts, None), field("delay", Type::Duration, Some(Value::Duration(0)))];
    Arc::new(RecordType { name: "retry".into(), fields })
});

/// The attributes that a `defaults` in scope gives to a resource type.
#[derive(Clone, Debug)]
pub(crate) struct DefaultsInScope {
    pub(crate) schema: u32,
    pub(crate) attributes: Vec<u32>,
}

/// The meta-attributes by name, each with a sentence about it.
pub(crate) fn meta_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    METAS.iter().map(|(name, meta)| (*name, meta.summary()))
}

impl Meta {
    /// A sentence about it.
    fn summary(self) -> &'static str {
        match self {
            Self::Requisite(EdgeKind::Require, false) => "Comes after these resources, and only where they succeeded.",
            Self::Requisite(EdgeKind::Watch, false) => "As `require`; reacts when one of them changed.",
            Self::Requisite(EdgeKind::OnChanges, false) => "Runs only when one of these resources changed.",
            Self::Requisite(EdgeKind::OnFail, false) => "Runs only when one of these resources failed.",
            Self::Requisite(EdgeKind::Prereq, false) => "Runs before these resources, and only when one of them will change.",
            Self::Requisite(EdgeKind::Listen, false) => "Reacts at the end of the run when one of these resources changed.",
            Self::Requisite(_, false) => "Comes after these resources.",
            Self::Requisite(EdgeKind::Require, true) => "These resources require this one.",
            Self::Requisite(EdgeKind::Watch, true) => "These resources watch this one.",
            Self::Requisite(EdgeKind::OnChanges, true) => "These resources run only when this one changed.",
            Self::Requisite(EdgeKind::OnFail, true) => "These resources run only when this one failed.",
            Self::Requisite(EdgeKind::Prereq, true) => "These resources run before this one, when it will change.",
            Self::Requisite(EdgeKind::Listen, true) => "These resources react at the end of the run when this one changed.",
            Self::Requisite(_, true) => "These resources come after this one.",
            Self::OnlyIf => "A command, or several: the resource is managed only where all succeed on the node.",
            Self::Unless => "A command, or several: the resource is left alone where one succeeds on the node.",
            Self::When => "A condition that is known when the catalog is made: without it the resource is not there.",
            Self::Retry => "How often a change is tried: a number, or `{ attempts = 3, delay = 5s }`.",
            Self::Timeout => "How long a change may take.",
            Self::Tags => "Words by which `--only` and `--except` choose resources.",
            Self::Noop => "Planned and shown, never changed.",
            Self::OnDrift => "What an agent does when the resource drifted: `fix` it or `report` it.",
            Self::Alias => "Other names that references may use.",
        }
    }
}

impl Checker<'_> {
    /// Checks a declaration; the type is that of a reference to it.
    pub(crate) fn resource(&mut self, resource: &ast::Resource) -> Option<(hir::Resource, Type)> {
        let type_name = &resource.type_name;
        self.note_marker(type_name.as_str(), type_name.span, || ContextKind::ResourceType);
        let Some(schema_id) = self.schema_index(type_name.as_str()) else {
            if !type_name.is_missing() {
                self.unknown_type(type_name);
            }
            self.infer_all(resource);
            return None;
        };
        let program = self.program;
        let schema = program.schemas.at(schema_id);
        if let Some(reason) = &schema.deprecated {
            let message = format!("`{}` is deprecated: {reason}", schema.name);
            let issue = Issue::warning("deprecated-type", self.loc(type_name.span), message);
            self.report(issue);
        }
        self.note(type_name.span, |_| Some(Target::ResourceType(schema.name.clone())));
        self.note_role(|| TextRole::ResourceName(schema.name.clone()));
        let (mut name, is_list) = self.resource_name(&resource.name);
        self.note_resource(&schema.name, &resource.name, &name, true);
        self.note_body(|| {
            let at = Span::at(resource.span.end);
            let span = resource.body.as_ref().map_or(at, |body| body.span);
            let given = resource.attributes().iter().map(|attribute| attribute.name.name.clone()).collect();
            let names = match name.constant() {
                Some(Value::String(text)) => vec![text.clone()],
                Some(Value::List(items)) => items.iter().filter_map(Value::as_shared_str).cloned().collect(),
                _ => Vec::new(),
            };
            let head = Some(type_name.span.to(resource.name.span));
            BodySite { span, type_name: schema.name.clone(), given, head, names }
        });
        let settings = match &resource.body {
            Some(body) => self.settings(schema_id, schema, body, true),
            None => Settings::default(),
        };
        let head = type_name.span.to(resource.name.span);
        self.complete(schema_id, schema, &settings, head);
        let key_given = settings.attributes.iter().any(|setting| setting.attribute == 0);
        if !key_given && let (Some(key), Some(value)) = (schema.attributes.first(), name.constant()) {
            match admit_names(&key.ty, value) {
                Ok(admitted) => name.kind = Kind::Const(admitted),
                Err(mismatch) => {
                    let issue = Issue::mismatch(self.loc(name.span), &mismatch);
                    self.report(issue);
                }
            }
        }
        let reference = Type::Ref(Some(schema.name.clone()));
        let ty = if is_list { Type::list(reference) } else { reference };
        let checked = hir::Resource { schema: schema_id, name, settings, slot: None, head };
        Some((checked, ty))
    }

    /// What a name declares here.
    fn schema_index(&self, name: &str) -> Option<u32> {
        match self.in_inventory {
            true => self.program.schemas.inventory_index(name),
            false => self.program.schemas.index(name),
        }
    }

    fn unknown_type(&mut self, name: &Ident) {
        let at = self.loc(name.span);
        let issue = match self.in_inventory {
            false => crate::resolve::unknown_resource_type(self.program, at, name.as_str()),
            true => {
                let known = self.program.schemas.of_inventory().iter().map(|schema| &*schema.name);
                let hint = match closest(name.as_str(), known) {
                    Some(best) => format!("did you mean `{best}`?"),
                    None => "it declares `host` and `group`; resources stand in states and node blocks".to_owned(),
                };
                Issue::error("misplaced-statement", at, format!("an inventory has no `{}`", name.name)).hint(hint)
            }
        };
        self.report(issue);
    }

    /// Looks at the expressions of a resource whose type is not known.
    fn infer_all(&mut self, resource: &ast::Resource) {
        self.resource_name(&resource.name);
        for attribute in resource.attributes() {
            // A bare word may be a member of what the attribute would take.
            if !matches!(attribute.value.unparen().kind, ExprKind::Name(_) | ExprKind::List(_) | ExprKind::Record(_)) {
                self.infer(&attribute.value);
            }
        }
    }

    fn resource_name(&mut self, name: &Expr) -> (hir::Expr, bool) {
        let (checked, ty) = self.infer(name);
        if matches!(checked.kind, Kind::Error) {
            return (checked, matches!(name.unparen().kind, ExprKind::List(_)));
        }
        if ty.is_secret() || matches!(&ty, Type::List(item, _) if item.is_secret()) {
            self.error_hint(
                "secret-exposed",
                name.span,
                "the name of a resource is shown and cannot be secret",
                "name it by something else",
            );
            return (hir::Expr::error(name.span), false);
        }
        match &ty {
            Type::List(item, _) if matches!(**item, Type::Any) => {
                let want = Type::list(Type::STRING);
                (self.coerce(checked, &ty, &want), true)
            }
            Type::List(item, _) => {
                let want = Type::list(Type::STRING);
                if typing::is_text(item) { (checked, true) } else { (self.coerce(checked, &ty, &want), true) }
            }
            Type::Any => {
                let want = Type::Union(Arc::new(vec![Type::STRING, Type::list(Type::STRING)]));
                (self.coerce(checked, &ty, &want), false)
            }
            text if typing::is_text(text) => (checked, false),
            Type::Literal(Value::String(_)) => (checked, false),
            other => {
                let message = format!("found {}, expected the name of the resource or a list of names", describe(other));
                self.error("type-mismatch", name.span, message);
                (hir::Expr::error(name.span), false)
            }
        }
    }

    /// Reports required attributes that are given neither here nor by a `defaults` in scope.
    fn complete(&mut self, schema_id: u32, schema: &Schema, settings: &Settings, head: Span) {
        for (i, attribute) in schema.attributes.iter().enumerate().skip(1) {
            if !attribute.required || attribute.default.is_some() {
                continue;
            }
            let i = crate::defs::index(i);
            let by_default = || self.defaults.iter().any(|d| d.schema == schema_id && d.attributes.contains(&i));
            if !settings.attributes.iter().any(|setting| setting.attribute == i) && !by_default() {
                let message = format!("`{}` needs the attribute `{}`", schema.name, attribute.name);
                let hint = format!("add `{} = …` ({})", attribute.name, attribute.ty.describe());
                self.error_hint("missing-attribute", head, message, hint);
            }
        }
    }

    /// Checks a body against a schema. `key_allowed` is false where the resource exists already.
    pub(crate) fn settings(&mut self, schema_id: u32, schema: &Schema, body: &Body, key_allowed: bool) -> Settings {
        let program = self.program;
        if !key_allowed {
            self.note_body(|| {
                let given = body.attributes.iter().map(|attribute| attribute.name.name.clone()).collect();
                BodySite { span: body.span, type_name: schema.name.clone(), given, head: None, names: Vec::new() }
            });
        }
        let mut attributes: Vec<Setting> = Vec::with_capacity(body.attributes.len());
        let mut metas: Vec<(Meta, hir::Expr)> = Vec::new();
        for (i, attribute) in body.attributes.iter().enumerate() {
            let name = &attribute.name;
            self.note_marker(name.as_str(), name.span, || ContextKind::Attribute {
                type_name: schema.name.clone(),
                given: body.attributes.iter().map(|other| other.name.name.clone()).filter(|other| **other != *MARKER).collect(),
                is_declaration: key_allowed,
            });
            if let Some(first) = body.attributes[..i].iter().find(|other| other.name.name == name.name && !name.is_missing()) {
                let issue = Issue::error("duplicate-attribute", self.loc(name.span), format!("`{}` is there twice", name.name));
                let issue = issue.label(self.loc(first.name.span), "first written here").hint("keep one of them");
                self.report(issue);
                continue;
            }
            if let Some(at) = schema.attributes.iter().position(|known| known.name == name.name) {
                if at == 0 && !key_allowed {
                    let message = format!("`{}` identifies the resource and cannot be changed", name.name);
                    self.error("key-attribute", name.span, message);
                    continue;
                }
                if let Some(reason) = &schema.attributes[at].deprecated {
                    let message = format!("`{}` is deprecated: {reason}", name.name);
                    let issue = Issue::warning("deprecated-attribute", self.loc(name.span), message);
                    self.report(issue);
                }
                self.note(name.span, |_| Some(Target::Attribute(schema.name.clone(), name.name.clone())));
                let value = self.check(&attribute.value, program.schemas.wanted(schema_id, at));
                if key_allowed {
                    self.lint_default(schema_id, at, name, &value);
                }
                attributes.push(Setting { attribute: crate::defs::index(at), value });
            } else if let Some((_, meta)) = METAS.iter().find(|(known, _)| **known == *name.name)
                && !self.in_inventory
            {
                self.note(name.span, |_| Some(Target::Meta(name.name.clone())));
                let value = self.meta(*meta, attribute);
                metas.push((*meta, value));
            } else if !name.is_missing() {
                self.unknown_attribute(schema, attribute);
            }
        }
        attributes.retain(|setting| !matches!(setting.value.kind, Kind::Error));
        metas.retain(|(_, value)| !matches!(value.kind, Kind::Error));
        Settings { attributes: attributes.into(), metas: metas.into() }
    }

    fn unknown_attribute(&mut self, schema: &Schema, attribute: &Attribute) {
        let name = attribute.name.as_str();
        let message = format!("`{}` has no attribute `{name}`", schema.name);
        let issue = Issue::error("unknown-attribute", self.loc(attribute.name.span), message);
        let alias = schema.aliases.iter().find(|(other, _)| &**other == name).map(|(_, ours)| &**ours);
        let metas = if self.in_inventory { &[][..] } else { &FOREIGN_METAS[..] };
        let foreign = || metas.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
        let mut names: Vec<&str> = schema.attributes.iter().map(|known| &*known.name).collect();
        if !self.in_inventory {
            names.extend(METAS.iter().map(|(name, _)| *name));
        }
        let issue = match alias.or_else(foreign).or_else(|| closest(name, names)) {
            Some(best) => issue.suggest(Some(best)),
            None => {
                let known: Vec<&str> = schema.attributes.iter().map(|known| &*known.name).collect();
                issue.hint(format!("its attributes are {}", known.join(", ")))
            }
        };
        self.report(issue);
        if !matches!(attribute.value.unparen().kind, ExprKind::Name(_) | ExprKind::List(_) | ExprKind::Record(_)) {
            self.infer(&attribute.value);
        }
    }

    fn meta(&mut self, meta: Meta, attribute: &Attribute) -> hir::Expr {
        let value = &attribute.value;
        match meta {
            Meta::Requisite(..) => self.resources(value),
            Meta::When => {
                let checked = self.condition(value);
                if matches!(checked.constant(), Some(Value::Secret(_))) { hir::Expr::error(value.span) } else { checked }
            }
            Meta::Noop => self.check(value, &Type::Bool),
            Meta::OnDrift => self.check(value, &ON_DRIFT),
            Meta::Timeout => self.check(value, &Type::Duration),
            Meta::Tags | Meta::Alias => match &value.unparen().kind {
                ExprKind::List(_) => self.check(value, &Type::list(Type::STRING)),
                _ => {
                    let (checked, ty) = self.infer(value);
                    let want = if matches!(ty, Type::List(..)) { Type::list(Type::STRING) } else { Type::STRING };
                    self.coerce(checked, &ty, &want)
                }
            },
            Meta::Retry => match &value.unparen().kind {
                ExprKind::Record(_) => self.check(value, &Type::Record(RETRY.clone())),
                _ => {
                    let (checked, ty) = self.infer(value);
                    let want = match ty {
                        Type::Record(_) => Type::Record(RETRY.clone()),
                        _ => Type::Int(Span64 { min: Some(1), max: Some(1000) }),
                    };
                    match checked.constant() {
                        Some(constant) => self.admit_constant(constant.clone(), &want, value.span),
                        None => self.coerce(checked, &ty, &want),
                    }
                }
            },
            Meta::OnlyIf | Meta::Unless => self.guard(value),
        }
    }

    /// A command, or a list of commands that are lists of words.
    fn guard(&mut self, value: &Expr) -> hir::Expr {
        let (checked, ty) = self.infer(value);
        if matches!(checked.kind, Kind::Error) {
            return checked;
        }
        let (plain, _) = typing::without_secret(&ty);
        match &typing::without_none(&plain) {
            Type::Bool => {
                let hint = "use `when` for a condition that is known now";
                self.error_hint("type-mismatch", value.span, "found a bool, expected a command that is run on the node", hint);
                hir::Expr::error(value.span)
            }
            Type::List(item, _) if matches!(**item, Type::List(..)) => {
                self.coerce(checked, &ty, &Type::optional(Type::list(Type::Command)))
            }
            _ => self.coerce(checked, &ty, &Type::optional(Type::Command)),
        }
    }

    /// Looks for the marker of a probe where a resource is to be named.
    pub(crate) fn note_reference(&mut self, expr: &Expr) {
        let name = match &expr.unparen().kind {
            ExprKind::Index(index) => &index.object,
            _ => expr.unparen(),
        };
        if let ExprKind::Name(text) = &name.kind {
            self.note_marker(text, name.span, || ContextKind::Value { expected: Some(Type::Ref(None)) });
        }
    }

    pub(crate) fn extend(&mut self, extend: &ast::Extend) -> Option<hir::Extend> {
        self.note_reference(&extend.target);
        let (target, ty) = self.infer(&extend.target);
        let program = self.program;
        let schema = match &ty {
            Type::Ref(Some(name)) => program.schemas.index(name)?,
            Type::Any if matches!(target.kind, Kind::Error) => return None,
            other => {
                let message = format!("found {}, expected a reference such as `file[\"/etc/x\"]`", describe(other));
                self.error("type-mismatch", extend.target.span, message);
                return None;
            }
        };
        let settings = self.settings(schema, program.schemas.at(schema), &extend.body, false);
        if matches!(target.kind, Kind::Error) {
            return None;
        }
        Some(hir::Extend { target, settings })
    }

    pub(crate) fn defaults_stmt(&mut self, defaults: &ast::Defaults) -> Option<hir::Defaults> {
        let name = &defaults.type_name;
        let program = self.program;
        self.note_marker(name.as_str(), name.span, || ContextKind::ResourceType);
        let Some(schema) = self.schema_index(name.as_str()) else {
            if !name.is_missing() {
                self.unknown_type(name);
            }
            return None;
        };
        self.note(name.span, |_| Some(Target::ResourceType(name.name.clone())));
        let settings = self.settings(schema, program.schemas.at(schema), &defaults.body, false);
        let attributes = settings.attributes.iter().map(|setting| setting.attribute).collect();
        self.defaults.push(DefaultsInScope { schema, attributes });
        Some(hir::Defaults { schema, settings })
    }
}

/// Holds a name, or each name of a list, to the type of the key.
pub(crate) fn admit_names(key: &Type, names: &Value) -> Result<Value, stead_catalog::Mismatch> {
    match (key, names) {
        (Type::List(..) | Type::Command, _) if key.admit(names, false).is_ok() => Ok(names.clone()),
        (_, Value::List(items)) => {
            let admitted: Result<Vec<Value>, _> = items.iter().map(|item| admit_names(key, item)).collect();
            Ok(Value::List(Arc::new(admitted?)))
        }
        (Type::Enum(_), Value::String(_)) => key.admit(names, true).map(|_| names.clone()),
        (_, Value::String(_)) => match key.admit(names, false)? {
            Value::String(text) => Ok(Value::String(text)),
            _ => Ok(names.clone()),
        },
        _ => Ok(names.clone()),
    }
}
