//! The tree as text without spans: what the samples are compared with, and how two trees are compared for meaning.

use std::fmt::{self, Write as _};

use crate::ast::*;

/// Returns the tree as nested lists, a line for each item and statement. Two files with the same dump mean the same.
pub fn dump(file: &File) -> String {
    let mut out = Dump { out: String::new(), indent: 0 };
    for item in &file.items {
        out.item(item);
    }
    out.out
}

struct Dump {
    out: String,
    indent: usize,
}

impl Dump {
    fn line(&mut self, text: impl fmt::Display) {
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{text}");
    }

    fn nested(&mut self, head: impl fmt::Display, inside: impl FnOnce(&mut Self)) {
        self.line(head);
        self.indent += 1;
        inside(self);
        self.indent -= 1;
    }

    fn doc(&mut self, doc: &MaybeDoc) {
        if let Some(doc) = doc {
            self.line(format_args!("## {:?}", doc.text));
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Use(item) => {
                let binding = match &item.binding {
                    UseBinding::Module => String::new(),
                    UseBinding::Alias(alias) => format!(" as {}", alias.name),
                    UseBinding::Members(members) => {
                        let names = members.iter().map(|member| match &member.alias {
                            Some(alias) => format!("{} as {}", member.name.name, alias.name),
                            None => member.name.name.to_string(),
                        });
                        format!(" {{{}}}", names.collect::<Vec<_>>().join(" "))
                    }
                };
                self.line(format_args!("(use {}{binding})", item.path));
            }
            Item::Type(item) => {
                self.doc(&item.doc);
                match &item.body {
                    TypeDefBody::Record(fields) => {
                        self.nested(format_args!("(type {}", item.name.name), |out| out.fields(fields))
                    }
                    TypeDefBody::Alias(ty) => self.line(format_args!("(type {} = {})", item.name.name, Type(ty))),
                }
            }
            Item::Enum(item) => {
                self.doc(&item.doc);
                self.nested(format_args!("(enum {}", item.name.name), |out| {
                    for member in &item.members {
                        out.doc(&member.doc);
                        out.line(&member.name.name);
                    }
                });
            }
            Item::Fn(item) => {
                self.doc(&item.doc);
                self.nested(format_args!("(fn {}", item.name.name), |out| {
                    out.fields(&item.params);
                    match &item.result {
                        Some(result) => out.line(format_args!("-> {}", Type(result))),
                        None => out.line("-> error"),
                    }
                    out.line(Value(&item.body));
                });
            }
            Item::Fact(item) => {
                self.doc(&item.doc);
                self.line(format_args!("(fact {}: {}{})", item.name.name, Type(&item.ty), Default(&item.default)));
            }
            Item::State(item) => {
                self.doc(&item.doc);
                self.nested(format_args!("(state {}", item.name.name), |out| {
                    out.fields(&item.params);
                    out.block(&item.body);
                });
            }
            Item::Node(item) => {
                self.doc(&item.doc);
                let selector = match &item.selector {
                    NodeSelector::Where(condition) => format!("where {}", Value(condition)),
                    NodeSelector::Error(_) => "error".to_owned(),
                    NodeSelector::Names(names) => {
                        let names = names.iter().map(|name| match name {
                            NodePattern::Glob(glob, _) => format!("{glob:?}"),
                            NodePattern::Regex(regex) => format!("/{}/", regex.pattern),
                        });
                        names.collect::<Vec<_>>().join(" ")
                    }
                };
                self.nested(format_args!("(node {selector}"), |out| out.block(&item.body));
            }
            Item::Inventory(item) => {
                self.doc(&item.doc);
                self.nested("(inventory", |out| out.block(&item.body));
            }
            Item::Stmt(stmt) => self.stmt(stmt),
            Item::Error(_) => self.line("(error)"),
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            self.doc(&field.doc);
            self.line(format_args!("{}: {}{}", field.name.name, Type(&field.ty), Default(&field.default)));
        }
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
    }

    fn body(&mut self, body: &Body) {
        for attribute in &body.attributes {
            self.doc(&attribute.doc);
            self.line(format_args!("{} = {}", attribute.name.name, Value(&attribute.value)));
        }
    }

    fn resource(&mut self, head: &str, resource: &Resource) {
        let kind = &resource.type_name.name;
        match &resource.body {
            Some(body) => self.nested(format_args!("{head}({kind} {}", Value(&resource.name)), |out| out.body(body)),
            None => self.line(format_args!("{head}({kind} {})", Value(&resource.name))),
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Resource(resource) => {
                self.doc(&resource.doc);
                self.resource("", resource);
            }
            Stmt::Let(stmt) => {
                self.doc(&stmt.doc);
                let ty = stmt.ty.as_ref().map(|ty| format!(": {}", Type(ty))).unwrap_or_default();
                let head = format!("let {}{ty} = ", stmt.name.name);
                match &stmt.value {
                    LetValue::Resource(resource) => self.resource(&head, resource),
                    LetValue::Expr(value) => self.line(format_args!("{head}{}", Value(value))),
                }
            }
            Stmt::Call(call) => self.line(CallOf(call)),
            Stmt::For(stmt) => self.nested(
                format_args!("(for {} in {}{}", Binding(&stmt.binding), Value(&stmt.iterable), Filter(&stmt.filter)),
                |out| out.block(&stmt.body),
            ),
            Stmt::If(stmt) => {
                for (index, branch) in stmt.branches.iter().enumerate() {
                    let word = if index == 0 { "if" } else { "else-if" };
                    self.nested(format_args!("({word} {}", Value(&branch.condition)), |out| out.block(&branch.body));
                }
                if let Some(otherwise) = &stmt.otherwise {
                    self.nested("(else", |out| out.block(otherwise));
                }
            }
            Stmt::Match(stmt) => self.nested(format_args!("(match {}", Value(&stmt.subject)), |out| {
                for arm in &stmt.arms {
                    out.nested(format_args!("({} =>", Patterns(&arm.patterns)), |out| out.block(&arm.body));
                }
            }),
            Stmt::Extend(stmt) => self.nested(format_args!("(extend {}", Value(&stmt.target)), |out| out.body(&stmt.body)),
            Stmt::Defaults(stmt) => self.nested(format_args!("(defaults {}", stmt.type_name.name), |out| out.body(&stmt.body)),
            Stmt::Arrow(stmt) => {
                let rest =
                    stmt.rest.iter().map(|step| format!(" {} {}", step.op.as_str(), Value(&step.operand))).collect::<String>();
                self.line(format_args!("({}{rest})", Value(&stmt.first)));
            }
            Stmt::Error(_) => self.line("(error)"),
        }
    }
}

struct Default<'a>(&'a Option<Expr>);

impl fmt::Display for Default<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, " = {}", Value(value)),
            None => Ok(()),
        }
    }
}

struct Filter<'a>(&'a Option<Expr>);

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, " if {}", Value(value)),
            None => Ok(()),
        }
    }
}

struct Binding<'a>(&'a ForBinding);

impl fmt::Display for Binding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.second {
            Some(second) => write!(f, "{}, {}", self.0.first.name, second.name),
            None => write!(f, "{}", self.0.first.name),
        }
    }
}

/// Writes the elements with a blank before each.
fn each<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for item in items {
        f.write_str(" ")?;
        write(f, item)?;
    }
    Ok(())
}

struct Type<'a>(&'a TypeExpr);

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            TypeExprKind::Named(named) => {
                write!(f, "{}", named.path)?;
                if !named.args.is_empty() {
                    f.write_str("<")?;
                    each(f, &named.args, |f, arg| write!(f, "{}", Type(arg)))?;
                    f.write_str(" >")?;
                }
                match &named.refinement {
                    Some(Refinement::Regex(regex)) => write!(f, "(/{}/)", regex.pattern),
                    Some(Refinement::Range(range)) => {
                        f.write_str("(")?;
                        if let Some(start) = &range.start {
                            write!(f, "{}", Value(start))?;
                        }
                        f.write_str(if range.inclusive { "..=" } else { ".." })?;
                        if let Some(end) = &range.end {
                            write!(f, "{}", Value(end))?;
                        }
                        f.write_str(")")
                    }
                    None => Ok(()),
                }
            }
            TypeExprKind::Optional(inner) => write!(f, "{}?", Type(inner)),
            TypeExprKind::Record(fields) => {
                f.write_str("{")?;
                each(f, fields, |f, field| write!(f, "{}: {}{}", field.name.name, Type(&field.ty), Default(&field.default)))?;
                f.write_str(" }")
            }
            TypeExprKind::Union(members) => {
                f.write_str("(|")?;
                each(f, members, |f, member| write!(f, "{}", Type(member)))?;
                f.write_str(")")
            }
            TypeExprKind::Literal(literal) => write!(f, "{}", Lit(literal)),
            TypeExprKind::Error => f.write_str("error"),
        }
    }
}

struct Lit<'a>(&'a Literal);

impl fmt::Display for Lit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Literal::None => f.write_str("none"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Int(value) => write!(f, "{value}"),
            Literal::Float(value) => write!(f, "{value:?}"),
            Literal::Mode(value) => write!(f, "mode:{value:o}"),
            Literal::Duration(value) => write!(f, "ns:{value}"),
            Literal::Size(value) => write!(f, "bytes:{value}"),
            Literal::String(value) => write!(f, "{value:?}"),
        }
    }
}

struct Value<'a>(&'a Expr);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ExprKind::Literal(literal) => write!(f, "{}", Lit(literal)),
            ExprKind::Template(template) => {
                f.write_str("(str")?;
                each(f, &template.parts, |f, part| match part {
                    TemplatePart::Text(text, _) => write!(f, "{text:?}"),
                    TemplatePart::Expr(expr) => write!(f, "{}", Value(expr)),
                })?;
                f.write_str(")")
            }
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::List(elements) => {
                f.write_str("[")?;
                each(f, elements, |f, element| write!(f, "{}", Value(element)))?;
                f.write_str(" ]")
            }
            ExprKind::Record(entries) => {
                f.write_str("{")?;
                each(f, entries, |f, entry| {
                    match &entry.key {
                        RecordKey::Name(name) => write!(f, "{}", name.name)?,
                        RecordKey::String(key) => write!(f, "{}", Value(key))?,
                    }
                    entry.value.as_ref().map_or(Ok(()), |value| write!(f, "={}", Value(value)))
                })?;
                f.write_str(" }")
            }
            ExprKind::ListFor(list) => write!(f, "[{}: {}]", Clause(&list.clause), Value(&list.element)),
            ExprKind::MapFor(map) => write!(f, "{{{}: {} = {}}}", Clause(&map.clause), Value(&map.key), Value(&map.value)),
            ExprKind::Paren(inner) => write!(f, "(paren {})", Value(inner)),
            ExprKind::Unary(unary) => write!(f, "({} {})", unary.op.as_str(), Value(&unary.operand)),
            ExprKind::Binary(binary) => write!(f, "({} {} {})", binary.op.as_str(), Value(&binary.left), Value(&binary.right)),
            ExprKind::Range(range) => {
                write!(f, "({} {} {})", if range.inclusive { "..=" } else { ".." }, Value(&range.start), Value(&range.end))
            }
            ExprKind::Field(field) => {
                write!(f, "({} {} {})", if field.optional { "?." } else { "." }, Value(&field.object), field.name.name)
            }
            ExprKind::Call(call) => write!(f, "{}", CallOf(call)),
            ExprKind::Index(index) => write!(f, "(index {} {})", Value(&index.object), Value(&index.index)),
            ExprKind::Lambda(lambda) => {
                f.write_str("(lambda")?;
                each(f, &lambda.params, |f, param| f.write_str(&param.name))?;
                write!(f, " => {})", Value(&lambda.body))
            }
            ExprKind::If(value) => {
                f.write_str("(if")?;
                each(f, &value.branches, |f, (condition, value)| write!(f, "{} {}", Value(condition), Value(value)))?;
                match &value.otherwise {
                    Some(value) => write!(f, " else {})", Value(value)),
                    None => f.write_str(")"),
                }
            }
            ExprKind::Match(value) => {
                write!(f, "(match {}", Value(&value.subject))?;
                each(f, &value.arms, |f, arm| write!(f, "({} => {})", Patterns(&arm.patterns), Value(&arm.value)))?;
                f.write_str(")")
            }
            ExprKind::Error => f.write_str("error"),
        }
    }
}

struct CallOf<'a>(&'a Call);

impl fmt::Display for CallOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(call {}", Value(&self.0.callee))?;
        each(f, &self.0.args, |f, arg| match &arg.name {
            Some(name) => write!(f, "{}={}", name.name, Value(&arg.value)),
            None => write!(f, "{}", Value(&arg.value)),
        })?;
        f.write_str(")")
    }
}

struct Clause<'a>(&'a ForClause);

impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = self.0;
        write!(f, "for {} in {}{}", Binding(&clause.binding), Value(&clause.iterable), Filter(&clause.filter))
    }
}

struct Patterns<'a>(&'a [Pattern]);

impl fmt::Display for Patterns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            match &pattern.kind {
                PatternKind::Wildcard => f.write_str("_")?,
                PatternKind::Name(name) => f.write_str(&name.name)?,
                PatternKind::Member(path) => write!(f, "{path}")?,
                PatternKind::Literal(literal) => write!(f, "{}", Lit(literal))?,
                PatternKind::Regex(regex) => write!(f, "/{}/", regex.pattern)?,
                PatternKind::Error => f.write_str("error")?,
                PatternKind::Range(range) => {
                    if let Some((start, _)) = &range.start {
                        write!(f, "{}", Lit(start))?;
                    }
                    f.write_str(if range.inclusive { "..=" } else { ".." })?;
                    if let Some((end, _)) = &range.end {
                        write!(f, "{}", Lit(end))?;
                    }
                }
            }
        }
        Ok(())
    }
}
