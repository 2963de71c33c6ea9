//! Types as they are written become types as they are: named types, refinements, signatures, the facts.

use std::sync::Arc;

use stead_catalog::{EnumType, Field, Pattern, RecordType, Span64, Type, Value, closest};
use stead_grammar::ast::{
    self, Expr, ExprKind, Ident, Item, Literal, NamedType, Refinement, TypeDefBody, TypeExpr, TypeExprKind,
};

use crate::constant;
use crate::defs::{Def, ItemAt, Param, Program};
use crate::index::notes::Notes;
use crate::index::{Context, ContextKind, MARKER, Target};
use crate::issue::{Issue, Loc};
use crate::typing;

/// Types that every file knows.
const BUILTIN_TYPES: [&str; 23] = [
    "Any", "Bool", "Int", "Float", "String", "Path", "Mode", "Duration", "Size", "Port", "Ip", "Cidr", "Hostname", "Url",
    "Regex", "Version", "Source", "Command", "List", "Map", "Optional", "Secret", "Ref",
];

/// The types of the language.
pub(crate) fn builtin_types() -> &'static [&'static str] {
    &BUILTIN_TYPES
}

/// Says whether `name` is a type of the language.
pub(crate) fn is_builtin_type(name: &str) -> bool {
    BUILTIN_TYPES.contains(&name)
}

/// The type of the language that another one calls so.
fn other_type(name: &str) -> Option<&'static str> {
    Some(match name {
        "Str" | "str" | "Text" | "Char" => "String",
        "Integer" | "integer" | "Number" | "number" | "int" | "Uint" | "Numeric" => "Int",
        "Boolean" | "boolean" | "bool" => "Bool",
        "Double" | "double" | "Real" | "Decimal" | "float" => "Float",
        "Array" | "array" | "Vec" | "Tuple" | "Seq" | "Set" | "list" => "List",
        "Dict" | "dict" | "Hash" | "hash" | "Object" | "object" | "Mapping" | "HashMap" | "map" => "Map",
        "Option" | "Maybe" | "Nullable" => "Optional",
        "Sensitive" | "Password" => "Secret",
        "Filepath" | "FilePath" | "Dir" => "Path",
        "IPAddress" | "IpAddr" | "IP" => "Ip",
        "Network" | "Subnet" => "Cidr",
        "Fqdn" | "FQDN" | "Host" => "Hostname",
        "Uri" | "URI" => "Url",
        "Bytes" => "Size",
        _ => return None,
    })
}

/// Resolves every named type, signature and fact of the program.
pub(crate) fn resolve(program: &mut Program, issues: &mut Vec<Issue>) {
    let count = program.types.len();
    let mut resolver =
        Resolver { program, done: vec![None; count], path: Vec::new(), depths: vec![0; count], deepest: 0, issues, notes: None };
    for id in 0..resolver.done.len() {
        resolver.named(id);
    }
    let types: Vec<Type> = resolver.done.iter().map(|ty| ty.clone().unwrap_or(Type::Any)).collect();
    let fns = resolver.callables(|p| p.fns.iter().map(|f| f.at).collect());
    let states = resolver.callables(|p| p.states.iter().map(|s| s.at).collect());
    let fact_types: Vec<Type> = resolver.facts();
    for (info, ty) in program.types.iter_mut().zip(types) {
        info.ty = ty;
    }
    for (info, (params, result)) in program.fns.iter_mut().zip(fns) {
        (info.params, info.result) = (params, result);
    }
    for (info, (params, _)) in program.states.iter_mut().zip(states) {
        info.params = params;
    }
    for (info, ty) in program.custom_facts.iter_mut().zip(fact_types) {
        info.ty = ty;
    }
    program.facts = facts_type(program, issues);
}

/// The facts that every node tells, and those the project declares.
fn facts_type(program: &Program, issues: &mut Vec<Issue>) -> Type {
    let base = stead_catalog::facts_type();
    let Type::Record(known) = &base else { return base };
    if program.custom_facts.is_empty() {
        return base;
    }
    let mut fields = known.fields.clone();
    for (i, fact) in program.custom_facts.iter().enumerate() {
        if fact.name.is_missing() {
            continue;
        }
        let at = Loc::new(fact.at.file, fact.name.span);
        if known.fields.iter().any(|field| field.name == fact.name.name) {
            let message = format!("`{}` is a fact that every node tells", fact.name.name);
            issues.push(Issue::error("duplicate-definition", at, message).hint("choose another name"));
        } else if let Some(first) = program.custom_facts[..i].iter().find(|other| other.name.name == fact.name.name) {
            let issue = Issue::error("duplicate-definition", at, format!("the fact `{}` is declared twice", fact.name.name));
            issues.push(issue.label(Loc::new(first.at.file, first.name.span), "first declared here"));
        } else {
            let docs = match program.item(fact.at) {
                Item::Fact(def) => def.doc.as_ref().map_or_else(|| "".into(), |doc| doc.text.clone()),
                _ => "".into(),
            };
            fields.push(Field { name: fact.name.name.clone(), ty: fact.ty.clone(), default: None, docs });
        }
    }
    Type::Record(Arc::new(RecordType { name: known.name.clone(), fields }))
}

/// Deepest nesting of named types, and of the type of a `let`.
pub(crate) const MAX_TYPE_DEPTH: usize = 64;

struct Resolver<'a> {
    program: &'a Program,
    /// The resolved named types.
    done: Vec<Option<Type>>,
    /// Named types that are being resolved, outermost first.
    path: Vec<usize>,
    /// How deep each resolved type is nested, in named types.
    depths: Vec<usize>,
    /// The deepest of the types that the one being resolved has named so far.
    deepest: usize,
    issues: &'a mut Vec<Issue>,
    /// What names stand for is noted here, where an index is asked for.
    notes: Option<&'a mut Notes>,
}

impl Resolver<'_> {
    fn named(&mut self, id: usize) -> Type {
        if let Some(done) = &self.done[id] {
            self.deepest = self.deepest.max(self.depths.get(id).copied().unwrap_or(0));
            return done.clone();
        }
        // A chain of names that is written backwards is walked down at once.
        if self.path.len() > 2 * MAX_TYPE_DEPTH {
            return self.too_deep(id);
        }
        let around = std::mem::take(&mut self.deepest);
        if let Some(start) = self.path.iter().position(|other| *other == id) {
            self.recursive_type(start);
            return Type::Any;
        }
        self.path.push(id);
        let info = &self.program.types[id];
        let file = info.at.file;
        let ty = match self.program.item(info.at) {
            Item::Type(def) => match &def.body {
                TypeDefBody::Alias(alias) => self.type_expr(file, alias),
                TypeDefBody::Record(fields) => self.record(file, def.name.name.clone(), fields),
            },
            Item::Enum(def) => self.enumeration(file, &def.name, &def.members),
            _ => Type::Any,
        };
        self.path.pop();
        let depth = self.deepest + 1;
        self.deepest = around.max(depth);
        if depth > MAX_TYPE_DEPTH {
            self.deepest = around;
            return self.too_deep(id);
        }
        self.depths[id] = depth;
        self.done[id] = Some(ty.clone());
        ty
    }

    fn too_deep(&mut self, id: usize) -> Type {
        let info = &self.program.types[id];
        let at = Loc::new(info.at.file, info.name.span);
        let message = format!("`{}` is nested more than {MAX_TYPE_DEPTH} types deep", info.name.name);
        self.issues.push(Issue::error("nesting-too-deep", at, message).hint("make the types flatter"));
        self.done[id] = Some(Type::Any);
        Type::Any
    }

    fn recursive_type(&mut self, start: usize) {
        let members: Vec<usize> = self.path[start..].to_vec();
        let name = |id: usize| self.program.types[id].name.clone();
        let place = |id: usize| Loc::new(self.program.types[id].at.file, name(id).span);
        let first = members[0];
        let mut issue =
            Issue::error("recursive-definition", place(first), format!("type `{}` contains itself", name(first).name));
        for (i, id) in members.iter().enumerate() {
            let next = members[(i + 1) % members.len()];
            issue = issue.label(place(*id), format!("`{}` uses `{}`", name(*id).name, name(next).name));
        }
        self.issues.push(issue);
    }

    fn enumeration(&mut self, file: u32, name: &Ident, members: &[ast::EnumMember]) -> Type {
        let mut names: Vec<Arc<str>> = Vec::with_capacity(members.len());
        for (i, member) in members.iter().enumerate() {
            if names.contains(&member.name.name) {
                let at = Loc::new(file, member.name.span);
                let issue = Issue::error("duplicate-definition", at, format!("`{}` is a member already", member.name.name));
                let first = members[..i].iter().find(|other| other.name.name == member.name.name);
                self.issues.push(match first {
                    Some(first) => issue.label(Loc::new(file, first.name.span), "first written here"),
                    None => issue,
                });
            } else if !member.name.is_missing() {
                names.push(member.name.name.clone());
            }
        }
        if names.is_empty() && members.is_empty() {
            let issue = Issue::error("empty-enum", Loc::new(file, name.span), format!("enum `{}` has no members", name.name));
            self.issues.push(issue.hint("name at least one member"));
        }
        let old = |member: &ast::EnumMember| Some((member.name.name.clone(), crate::defs::deprecation(&member.doc)?));
        let deprecated = members.iter().filter_map(old).collect();
        Type::Enum(Arc::new(EnumType { name: name.name.clone(), members: names, deprecated }))
    }

    fn record(&mut self, file: u32, name: Arc<str>, fields: &[ast::Field]) -> Type {
        let mut done: Vec<Field> = Vec::with_capacity(fields.len());
        for (i, field) in fields.iter().enumerate() {
            let ty = self.type_expr(file, &field.ty);
            if let Some(first) = fields[..i].iter().find(|other| other.name.name == field.name.name) {
                let at = Loc::new(file, field.name.span);
                let issue = Issue::error("duplicate-field", at, format!("the field `{}` is there twice", field.name.name));
                self.issues.push(issue.label(Loc::new(file, first.name.span), "first written here"));
                continue;
            }
            let default = field.default.as_ref().and_then(|expr| self.constant(file, expr, &ty));
            let docs = field.doc.as_ref().map_or_else(|| "".into(), |doc| doc.text.clone());
            done.push(Field { name: field.name.name.clone(), ty, default, docs });
        }
        Type::Record(Arc::new(RecordType { name, fields: done }))
    }

    fn constant(&mut self, file: u32, expr: &Expr, ty: &Type) -> Option<Value> {
        match constant::evaluate(expr) {
            Ok(value) => match ty.admit(&value, false) {
                Ok(admitted) => Some(admitted),
                Err(mismatch) => {
                    self.issues.push(Issue::mismatch(Loc::new(file, expr.span), &mismatch));
                    None
                }
            },
            Err(None) => None,
            Err(Some(span)) => {
                let issue = Issue::error("not-constant", Loc::new(file, span), "the default of a field is a constant");
                self.issues.push(issue.hint("write a literal, an enum member, or a list or record of them"));
                None
            }
        }
    }

    fn type_expr(&mut self, file: u32, expr: &TypeExpr) -> Type {
        match &expr.kind {
            TypeExprKind::Named(named) => self.named_type(file, expr, named),
            TypeExprKind::Optional(inner) => Type::optional(self.type_expr(file, inner)),
            TypeExprKind::Record(fields) => self.record(file, "".into(), fields),
            TypeExprKind::Union(options) => {
                let options: Vec<Type> = options.iter().map(|option| self.type_expr(file, option)).collect();
                if options.contains(&Type::Any) { Type::Any } else { typing::union(options) }
            }
            TypeExprKind::Literal(Literal::None) => Type::None,
            TypeExprKind::Literal(literal) => Type::Literal(constant::literal(literal)),
            TypeExprKind::Error => Type::Any,
        }
    }

    fn named_type(&mut self, file: u32, expr: &TypeExpr, named: &NamedType) -> Type {
        let [first, rest @ ..] = named.path.segments.as_slice() else { return Type::Any };
        if named.path.segments.iter().any(Ident::is_missing) {
            return Type::Any;
        }
        if rest.is_empty() && is_builtin_type(first.as_str()) {
            return self.builtin(file, expr, named, first.as_str());
        }
        let Some(id) = self.find_type(file, first, rest) else { return Type::Any };
        if !named.args.is_empty() {
            let issue =
                Issue::error("type-arguments", Loc::new(file, expr.span), format!("`{}` takes no type arguments", named.path));
            self.issues.push(issue);
        }
        let base = self.named(id as usize);
        match &named.refinement {
            Some(refinement) => self.refine(file, expr, base, refinement),
            None => base,
        }
    }

    fn find_type(&mut self, file: u32, first: &Ident, rest: &[Ident]) -> Option<u32> {
        let mut def = self.program.lookup(file, first.as_str());
        let mut last = first;
        self.note(first, def);
        self.note_marker(first, || ContextKind::TypeName);
        for segment in rest {
            let Some(Def::Module(module)) = def else { break };
            let directory = &self.program.modules[module as usize].directory;
            self.note_marker(segment, || ContextKind::ModuleMember {
                module: directory.clone(),
                is_statement: false,
                is_type: true,
            });
            def = self.program.member(file, module, segment.as_str());
            last = segment;
            self.note(segment, def);
        }
        let at = Loc::new(file, last.span);
        match def {
            Some(Def::Type(id)) => {
                let info = &self.program.types[id as usize];
                let declared = Loc::new(info.at.file, info.name.span);
                self.issues.extend(crate::lints::deprecated::of_type(self.program, id, at, declared));
                return Some(id);
            }
            Some(_) => self.issues.push(Issue::error("unknown-type", at, format!("`{}` is not a type", last.name))),
            None => {
                let known: Vec<&str> = if rest.is_empty() { self.program.visible(file) } else { Vec::new() };
                let known = known.into_iter().filter(|name| matches!(self.program.lookup(file, name), Some(Def::Type(_))));
                let other = other_type(last.as_str()).filter(|_| rest.is_empty());
                let best = other.or_else(|| closest(last.as_str(), known.chain(BUILTIN_TYPES)));
                self.issues.push(Issue::error("unknown-type", at, format!("there is no type `{}`", last.name)).suggest(best));
            }
        }
        None
    }

    fn note(&mut self, name: &Ident, def: Option<Def>) {
        if let (Some(notes), Some(def)) = (&mut self.notes, def) {
            notes.add(name.span, self.program.target(def), false);
        }
    }

    fn note_marker(&mut self, name: &Ident, kind: impl FnOnce() -> ContextKind) {
        if let Some(notes) = &mut self.notes
            && name.as_str() == MARKER
            && notes.context.is_none()
        {
            notes.context = Some(Context { kind: kind(), span: name.span, variables: Vec::new(), in_state: false });
        }
    }

    fn builtin(&mut self, file: u32, expr: &TypeExpr, named: &NamedType, name: &str) -> Type {
        let at = Loc::new(file, expr.span);
        if let (Some(notes), Some(first)) = (&mut self.notes, named.path.segments.first()) {
            notes.add(first.span, Target::BuiltinType(name.into()), false);
        }
        let takes = usize::from(matches!(name, "List" | "Map" | "Secret" | "Optional"));
        if name == "Ref" {
            return self.reference(file, named);
        }
        if named.args.len() != takes {
            let message = match takes {
                0 => format!("`{name}` takes no type arguments"),
                _ => format!("`{name}` takes one type argument, found {}", named.args.len()),
            };
            let issue = Issue::error("type-arguments", at, message);
            self.issues.push(if takes == 1 { issue.hint(format!("write `{name}<String>`, for example")) } else { issue });
        }
        let mut argument = || named.args.first().map_or(Type::Any, |arg| self.type_expr(file, arg));
        let base = match name {
            "Bool" => Type::Bool,
            "Int" => Type::INT,
            "Float" => Type::Float(None),
            "String" => Type::STRING,
            "Path" => Type::Path,
            "Mode" => Type::Mode,
            "Duration" => Type::Duration,
            "Size" => Type::Size,
            "Port" => Type::Port,
            "Ip" => Type::Ip,
            "Cidr" => Type::Cidr,
            "Hostname" => Type::Hostname,
            "Url" => Type::Url,
            "Regex" => Type::Regex,
            "Version" => Type::Version,
            "Source" => Type::Source,
            "Command" => Type::Command,
            "List" => Type::list(argument()),
            "Map" => Type::Map(Arc::new(argument())),
            "Optional" => Type::optional(argument()),
            "Secret" => typing::secret(argument()),
            _ => Type::Any,
        };
        match &named.refinement {
            Some(refinement) => self.refine(file, expr, base, refinement),
            None => base,
        }
    }

    fn reference(&mut self, file: u32, named: &NamedType) -> Type {
        let Some(argument) = named.args.first() else { return Type::Ref(None) };
        let TypeExprKind::Named(target) = &argument.kind else { return Type::Ref(None) };
        let Some(name) = target.path.last().filter(|_| target.path.segments.len() == 1) else { return Type::Ref(None) };
        self.note_marker(name, || ContextKind::ResourceType);
        if let Some(notes) = &mut self.notes {
            notes.add(name.span, Target::ResourceType(name.name.clone()), false);
        }
        if self.program.schemas.index(name.as_str()).is_none() && !name.is_missing() {
            let issue = unknown_resource_type(self.program, Loc::new(file, name.span), name.as_str());
            self.issues.push(issue);
            return Type::Ref(None);
        }
        Type::Ref(Some(name.name.clone()))
    }

    fn refine(&mut self, file: u32, expr: &TypeExpr, base: Type, refinement: &Refinement) -> Type {
        let at = Loc::new(file, expr.span);
        match (base, refinement) {
            (Type::Any, _) => Type::Any,
            (Type::Int(_), Refinement::Range(range)) => Type::Int(self.int_range(file, range)),
            (Type::Float(_), Refinement::Range(range)) => self.float_range(file, range),
            (Type::String(pattern, _), Refinement::Range(range)) => Type::String(pattern, self.length_range(file, range)),
            (Type::List(item, _), Refinement::Range(range)) => Type::List(item, self.length_range(file, range)),
            (Type::String(_, length), Refinement::Regex(regex)) => match Pattern::new(&regex.pattern) {
                Ok(pattern) => Type::String(Some(pattern), length),
                Err(error) => {
                    self.issues.push(invalid_regex(Loc::new(file, regex.span), &error.to_string()));
                    Type::STRING
                }
            },
            (other, _) => {
                let message = format!("`{other}` cannot be refined like this");
                let hint = "`Int`, `Float`, `String` and `List` take a range, `String` takes a pattern";
                self.issues.push(Issue::error("invalid-refinement", at, message).hint(hint));
                other
            }
        }
    }

    fn length_range(&mut self, file: u32, range: &ast::TypeRange) -> Span64 {
        let mut span = self.int_range(file, range);
        if span.max.is_some_and(|max| max < 0) {
            let at = Loc::new(file, range.span);
            self.issues.push(Issue::error("invalid-refinement", at, "a length is never negative"));
            span.max = None;
        }
        span
    }

    fn bound(&mut self, file: u32, expr: Option<&Expr>) -> Option<Value> {
        let expr = expr?;
        match constant::evaluate(expr) {
            Ok(value) => Some(value),
            Err(None) => None,
            Err(Some(span)) => {
                let issue = Issue::error("not-constant", Loc::new(file, span), "a bound is a number");
                self.issues.push(issue.hint("write the number itself"));
                None
            }
        }
    }

    fn int_range(&mut self, file: u32, range: &ast::TypeRange) -> Span64 {
        let at = Loc::new(file, range.span);
        let mut number = |expr: Option<&Expr>| match self.bound(file, expr)? {
            Value::Int(n) => Some(n),
            other => {
                let place = Loc::new(file, expr.map_or(range.span, |e| e.span));
                self.issues.push(Issue::error(
                    "invalid-refinement",
                    place,
                    format!("found {}, expected an integer", other.kind()),
                ));
                None
            }
        };
        let min = number(range.start.as_ref());
        let max = number(range.end.as_ref());
        let max = if range.inclusive { max } else { max.map(|n| n.saturating_sub(1)) };
        if let (Some(low), Some(high)) = (min, max)
            && low > high
        {
            self.issues.push(Issue::error("invalid-refinement", at, "the range is empty").hint("`1..=64` includes both ends"));
            return Span64::FULL;
        }
        Span64 { min, max }
    }

    fn float_range(&mut self, file: u32, range: &ast::TypeRange) -> Type {
        let mut number = |expr: Option<&Expr>, open: f64| match self.bound(file, expr) {
            Some(Value::Float(x)) => x,
            #[expect(clippy::cast_precision_loss, reason = "a bound that is written as an integer is small")]
            Some(Value::Int(n)) => n as f64,
            _ => open,
        };
        let min = number(range.start.as_ref(), f64::MIN);
        let max = number(range.end.as_ref(), f64::MAX);
        if min > max {
            let issue = Issue::error("invalid-refinement", Loc::new(file, range.span), "the range is empty");
            self.issues.push(issue);
            return Type::Float(None);
        }
        Type::Float(Some((min, max)))
    }

    fn callables(&mut self, which: fn(&Program) -> Vec<ItemAt>) -> Vec<(Vec<Param>, Type)> {
        let mut done = Vec::new();
        for at in which(self.program) {
            done.push(match self.program.item(at) {
                Item::Fn(def) => {
                    let params = self.params(at.file, &def.params);
                    (params, def.result.as_ref().map_or(Type::Any, |ty| self.type_expr(at.file, ty)))
                }
                Item::State(def) => (self.params(at.file, &def.params), Type::None),
                _ => (Vec::new(), Type::Any),
            });
        }
        done
    }

    fn params(&mut self, file: u32, fields: &[ast::Field]) -> Vec<Param> {
        let mut params: Vec<Param> = Vec::with_capacity(fields.len());
        for field in fields {
            if let Some(first) = params.iter().find(|param| param.name == field.name.name && !param.name.is_empty()) {
                let at = Loc::new(file, field.name.span);
                let issue =
                    Issue::error("duplicate-definition", at, format!("the parameter `{}` is there twice", field.name.name));
                self.issues.push(issue.label(Loc::new(file, first.span), "first written here"));
            }
            let ty = self.type_expr(file, &field.ty);
            params.push(Param {
                name: field.name.name.clone(),
                ty,
                has_default: field.default.is_some(),
                span: field.name.span,
                deprecated: crate::defs::deprecation(&field.doc),
            });
        }
        params
    }

    fn facts(&mut self) -> Vec<Type> {
        let facts: Vec<ItemAt> = self.program.custom_facts.iter().map(|fact| fact.at).collect();
        facts
            .into_iter()
            .map(|at| match self.program.item(at) {
                Item::Fact(def) => self.type_expr(at.file, &def.ty),
                _ => Type::Any,
            })
            .collect()
    }
}

/// Resolves a type inside a body: `let x: T`.
pub(crate) fn resolve_type_expr(
    program: &Program,
    file: u32,
    expr: &TypeExpr,
    issues: &mut Vec<Issue>,
    notes: Option<&mut Notes>,
) -> Type {
    let done = program.types.iter().map(|info| Some(info.ty.clone())).collect();
    Resolver { program, done, path: Vec::new(), depths: Vec::new(), deepest: 0, issues, notes }.type_expr(file, expr)
}

/// A resource type that no schema describes.
pub(crate) fn unknown_resource_type(program: &Program, at: Loc, name: &str) -> Issue {
    let issue = Issue::error("unknown-resource-type", at, format!("there is no resource type `{name}`"));
    if let Some(Def::State(_)) = program.lookup(at.file, name) {
        return issue.hint(format!("`{name}` is a state, which is called: `{name}(…)`"));
    }
    let other = match name {
        "pkg" | "apt" | "yum" | "dnf" => Some("package"),
        "cmd" | "command" | "shell" | "run" => Some("exec"),
        "dir" | "folder" => Some("directory"),
        "link" => Some("symlink"),
        "svc" | "systemd" => Some("service"),
        _ => None,
    };
    let known = other.filter(|other| program.schemas.index(other).is_some());
    issue.suggest(known.or_else(|| closest(name, program.schemas.iter().map(|schema| &*schema.name))))
}

/// A regular expression that is not well formed.
pub(crate) fn invalid_regex(at: Loc, error: &str) -> Issue {
    let last = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
    Issue::error("invalid-regex", at, format!("the regular expression is not well formed: {last}"))
}

/// Where the last name of `a.b` stands; the whole of what is no such path.
pub(crate) fn last_name(expr: &Expr) -> ast::Span {
    let expr = expr.unparen();
    match &expr.kind {
        ExprKind::Field(access) => access.name.span,
        _ => expr.span,
    }
}

/// The syntax of a name, where an expression is no more than that.
pub(crate) fn bare_name(expr: &Expr) -> Option<&Arc<str>> {
    match &expr.unparen().kind {
        ExprKind::Name(name) => Some(name),
        _ => None,
    }
}
