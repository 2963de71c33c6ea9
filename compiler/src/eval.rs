//! Evaluation of checked expressions: total, deterministic and bounded.

mod access;
mod budget;
mod calls;
mod extent;
pub(crate) mod locked;
mod operators;
mod text;

use std::sync::Arc;

use stead_catalog::{Map, SourceLocation, Type, Value};
use stead_grammar::ast::Span;

pub(crate) use budget::{Budget, MAX_DEPTH, MAX_RESOURCES};

use crate::diagnostic::Diagnostic;
use crate::hir::{Expr, Key, Kind, Loop, Test};
use crate::issue::{Issue, Loc};
use crate::position::LineIndex;
use crate::project::Project;

/// Says whether what is being made is still of use to who asked for it.
pub(crate) type Wanted<'a> = &'a (dyn Fn() -> bool + Sync);

/// What every evaluation for one node looks at.
pub(crate) struct World<'a> {
    pub(crate) project: &'a Project,
    pub(crate) facts: Value,
    pub(crate) data: Value,
    pub(crate) node: Value,
    /// The data with its places.
    pub(crate) data_tree: crate::data::Node,
    pub(crate) is_wanted: Wanted<'a>,
}

impl World<'_> {
    /// Line and column of a place in a data file.
    pub(crate) fn data_location(&self, place: &crate::data::Place) -> Option<SourceLocation> {
        let text = self.project.text(&place.file)?;
        Some(LineIndex::new(&text).location(&place.file, &text, place.span))
    }
}

/// Evaluation stopped; why was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halt;

pub(crate) type Outcome = Result<Value, Halt>;

/// What a `for` goes over: each element, with its key or position where that has a name.
type Elements = Vec<(Option<Value>, Value)>;

/// A call on the way to the place that is evaluated.
#[derive(Clone, Debug)]
pub(crate) struct CallSite {
    pub(crate) name: Arc<str>,
    pub(crate) at: Loc,
}

/// Evaluates the code of one file, and of what it calls.
pub(crate) struct Evaluator<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) file: u32,
    frame: Vec<Value>,
    base: usize,
    depth: u32,
    pub(crate) trace: Vec<CallSite>,
    pub(crate) budget: Budget,
    pub(crate) issues: Vec<Issue>,
    /// Findings in other files: data, templates.
    pub(crate) diagnostics: Vec<Diagnostic>,
    globals: Vec<Option<Outcome>>,
    extents: extent::Extents,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(world: &'a World<'a>, file: u32) -> Self {
        let globals = vec![None; world.project.code.globals.len()];
        Self {
            world,
            file,
            frame: Vec::new(),
            base: 0,
            depth: 0,
            trace: Vec::new(),
            budget: Budget::default(),
            issues: Vec::new(),
            diagnostics: Vec::new(),
            globals,
            extents: extent::Extents::default(),
        }
    }

    pub(crate) fn loc(&self, span: Span) -> Loc {
        Loc::new(self.file, span)
    }

    /// Reports an issue together with the calls that led to it.
    pub(crate) fn fail(&mut self, issue: Issue) -> Halt {
        let mut issue = issue;
        for call in self.trace.iter().rev().take(8) {
            issue = issue.label(call.at, format!("in `{}`, called here", call.name));
        }
        self.issues.push(issue);
        Halt
    }

    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Halt {
        let issue = Issue::error(code, self.loc(span), message);
        self.fail(issue)
    }

    /// Counts work; ends everything when there is too much of it.
    pub(crate) fn spend(&mut self, steps: u64, span: Span) -> Result<(), Halt> {
        match self.budget.spend(steps) {
            Ok(()) => Ok(()),
            Err(limit) => Err(self.too_large(limit, span)),
        }
    }

    pub(crate) fn too_large(&mut self, limit: &str, span: Span) -> Halt {
        let issue = Issue::error("evaluation-too-large", self.loc(span), format!("evaluating this takes more than {limit}"));
        self.fail(issue.hint("make the list or the range shorter"))
    }

    /// Pays for walking through a value.
    pub(crate) fn walk(&mut self, value: &Value, span: Span) -> Result<(), Halt> {
        let size = self.extents.of(value).size;
        self.spend(size, span)
    }

    /// Holds the nesting of a value that was made to a limit: what walks through it recurses.
    fn nested(&mut self, value: Value, span: Span) -> Outcome {
        if self.extents.of(&value).depth > budget::MAX_NESTING {
            return Err(self.too_large(&format!("{} levels of lists and maps", budget::MAX_NESTING), span));
        }
        Ok(value)
    }

    /// Runs `inside` in a new frame of code in `file`.
    pub(crate) fn in_frame<T>(&mut self, file: u32, slots: u32, inside: impl FnOnce(&mut Self) -> T) -> T {
        let kept = self.push_frame(file, slots);
        let result = inside(self);
        self.pop_frame(kept);
        result
    }

    /// Starts a frame; what it returns goes to [`Self::pop_frame`].
    pub(crate) fn push_frame(&mut self, file: u32, slots: u32) -> (usize, u32, usize) {
        let kept = (self.base, self.file, self.frame.len());
        self.frame.resize(kept.2 + slots as usize, Value::None);
        (self.base, self.file) = (kept.2, file);
        kept
    }

    /// Ends a frame.
    pub(crate) fn pop_frame(&mut self, kept: (usize, u32, usize)) {
        self.frame.truncate(kept.2);
        (self.base, self.file) = (kept.0, kept.1);
    }

    pub(crate) fn set(&mut self, slot: u32, value: Value) {
        self.frame[self.base + slot as usize] = value;
    }

    fn get(&self, slot: u32) -> Value {
        self.frame[self.base + slot as usize].clone()
    }

    pub(crate) fn eval(&mut self, expr: &Expr) -> Outcome {
        if let Kind::Const(value) = &expr.kind {
            return Ok(value.clone());
        }
        self.spend(1, expr.span)?;
        if self.depth >= MAX_DEPTH {
            return Err(self.too_large(&format!("{MAX_DEPTH} levels of nesting and calls"), expr.span));
        }
        self.depth += 1;
        let result = self.eval_kind(expr);
        self.depth -= 1;
        result
    }

    fn eval_kind(&mut self, expr: &Expr) -> Outcome {
        match &expr.kind {
            Kind::Const(value) => Ok(value.clone()),
            Kind::Local(slot) => Ok(self.get(*slot)),
            Kind::Global(id) => self.global(*id),
            Kind::Facts => Ok(self.world.facts.clone()),
            Kind::Data => Ok(self.world.data.clone()),
            Kind::Node => Ok(self.world.node.clone()),
            Kind::Template(parts) => self.template(parts),
            Kind::List(items) => {
                let values: Result<Vec<Value>, Halt> = items.iter().map(|item| self.eval(item)).collect();
                self.nested(Value::List(Arc::new(values?)), expr.span)
            }
            Kind::Map(entries) => {
                let map = self.map(entries)?;
                self.nested(map, expr.span)
            }
            Kind::ListFor(clause) => {
                let list = self.list_for(clause, expr.span)?;
                self.nested(list, expr.span)
            }
            Kind::MapFor(clause) => {
                let map = self.map_for(clause, expr.span)?;
                self.nested(map, expr.span)
            }
            Kind::Not(operand) => {
                let value = self.eval(operand)?;
                if value.is_locked() {
                    return Ok(locked::made_of("not", [&value]));
                }
                let secret = matches!(value, Value::Secret(_));
                let result = Value::Bool(!self.truth(&value, operand.span)?);
                Ok(if secret { result.secret() } else { result })
            }
            Kind::Negate(operand) => self.negate(operand, expr.span),
            Kind::Binary(binary) => self.binary(binary, expr.span),
            Kind::Range(range) => self.range(&range.0, &range.1, range.2, expr.span),
            Kind::Field(field) => self.field(field),
            Kind::Index(index) => self.index(&index.0, &index.1, expr.span),
            Kind::Function(id, args) => self.function(*id, args, expr.span),
            Kind::Builtin(call) => self.builtin(call, expr.span),
            Kind::Render(render) => self.render(&render.0, &render.1, expr.span),
            Kind::RenderText(render) => self.render_text(&render.0, &render.1, expr.span),
            Kind::ReadFile(path, as_bytes) => self.read_file(path, *as_bytes),
            Kind::ListFiles(path, directories) => self.list_files(path, *directories),
            Kind::Reference(type_name, name) => self.reference(type_name, name),
            Kind::If(branches, otherwise) => {
                for (i, (condition, value)) in branches.iter().enumerate() {
                    match self.decide(condition)? {
                        Ok(true) => return self.eval(value),
                        Ok(false) => {}
                        Err(unknown) => {
                            let rest = branches[i + 1..].iter().flat_map(|(condition, value)| [condition, value]);
                            let rest: Vec<&Expr> = [value].into_iter().chain(rest).chain([&**otherwise]).collect();
                            return self.any_branch(unknown, &rest);
                        }
                    }
                }
                self.eval(otherwise)
            }
            Kind::Match(matched) => {
                let subject = self.eval(&matched.subject)?;
                if subject.is_locked() {
                    return self.any_arm(subject, matched.arms.iter().map(|(tests, value)| (&**tests, value)));
                }
                for (tests, value) in &matched.arms {
                    if self.matches(tests, &subject) {
                        return self.eval(value);
                    }
                }
                Err(self.error("non-exhaustive-match", matched.subject.span, "no case covers the value"))
            }
            Kind::Admit(admit) => self.admit(&admit.0, &admit.1, admit.2),
            Kind::Conceal(inner) => Ok(self.eval(inner)?.secret()),
            // The project has an error and is not evaluated; an unused constant has no value.
            Kind::Error => Err(Halt),
        }
    }

    fn admit(&mut self, expr: &Expr, ty: &Type, from_data: bool) -> Outcome {
        let world = self.world;
        if let Some(path) = crate::provenance::data_path(expr)
            && let Some(node) = world.data_tree.lookup(path.iter().map(|key| &**key))
        {
            // What does not fit is reported where it stands in the data.
            return node.bind(ty, &path.join(".")).map_err(|found| {
                let file = world.project.program.files[self.file as usize].name.clone();
                self.diagnostics.extend(found.into_iter().map(|one| one.also(&file, expr.span, "used here")));
                Halt
            });
        }
        let value = self.eval(expr)?;
        self.walk(&value, expr.span)?;
        ty.admit(&value, from_data).map_err(|mismatch| {
            let issue = Issue::mismatch(self.loc(expr.span), &mismatch);
            self.fail(issue)
        })
    }

    /// Evaluates a condition.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Result<bool, Halt> {
        let value = self.eval(expr)?;
        self.truth(&value, expr.span)
    }

    fn truth(&mut self, value: &Value, span: Span) -> Result<bool, Halt> {
        match value.reveal() {
            Value::Bool(b) => Ok(*b),
            other => Err(self.error("type-mismatch", span, format!("found {}, expected a bool", other.kind()))),
        }
    }

    /// A constant of a file: evaluated when first used.
    fn global(&mut self, id: u32) -> Outcome {
        if let Some(known) = &self.globals[id as usize] {
            return known.clone();
        }
        let world = self.world;
        let code = &world.project.code.globals[id as usize];
        let result = self.in_frame(code.file, code.slots, |this| this.eval(&code.expr));
        self.globals[id as usize] = Some(result.clone());
        result
    }

    fn map(&mut self, entries: &[(Key, Expr)]) -> Outcome {
        let mut map = Map::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, span) = match key {
                Key::Name(name) => (name.clone(), value.span),
                Key::Computed(expr) => (self.key(expr)?, expr.span),
            };
            let value = self.eval(value)?;
            if map.insert(name.clone(), value).is_some() {
                return Err(self.error("duplicate-field", span, format!("the key {} is there twice", Value::String(name))));
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    /// The key of a map; it is shown, so it is never secret.
    fn key(&mut self, expr: &Expr) -> Result<Arc<str>, Halt> {
        match self.eval(expr)? {
            Value::String(text) | Value::Member(text) => Ok(text),
            Value::Secret(_) => Err(self.error("secret-exposed", expr.span, "the key of a map is shown and cannot be secret")),
            other => Err(self.error("type-mismatch", expr.span, format!("found {}, expected a string", other.kind()))),
        }
    }

    /// Goes over a list, a map or a record, with the names of a `for` bound. `each` is called where the filter holds. Returns what it goes
    /// over where nobody knows that; the names stand for one of its elements then.
    pub(crate) fn each(
        &mut self,
        head: (u32, Option<u32>, &Expr, Option<&Expr>),
        mut each: impl FnMut(&mut Self) -> Result<(), Halt>,
    ) -> Result<Option<Value>, Halt> {
        let (first, second, iterable, filter) = head;
        // Going over a range makes no list of it.
        if let (Kind::Range(range), None) = (&iterable.kind, second) {
            let (start, end) = match self.range_bounds(&range.0, &range.1, range.2)? {
                Ok(bounds) => bounds,
                Err(unknown) => {
                    self.set(first, locked::made_of("element", [&unknown]));
                    return Ok(Some(unknown));
                }
            };
            for n in start..end {
                self.set(first, Value::Int(n));
                self.spend(1, iterable.span)?;
                match self.passes(filter)? {
                    Ok(true) => each(self)?,
                    Ok(false) => {}
                    Err(unknown) => return Ok(Some(locked::made_of("filter", [&unknown, &Value::Int(start), &Value::Int(end)]))),
                }
            }
            return Ok(None);
        }
        let value = self.eval(iterable)?;
        if value.is_locked() {
            let element = locked::made_of("element", [&value]);
            // A key is never secret.
            self.set(first, if second.is_some() { Value::string("key") } else { element.clone() });
            if let Some(second) = second {
                self.set(second, element);
            }
            return Ok(Some(value));
        }
        let secret = matches!(value, Value::Secret(_));
        let wrap = |value: &Value| if secret { value.clone().secret() } else { value.clone() };
        match value.reveal() {
            Value::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    match second {
                        Some(second) => {
                            self.set(first, Value::Int(i64::try_from(i).unwrap_or(i64::MAX)));
                            self.set(second, wrap(item));
                        }
                        None => self.set(first, wrap(item)),
                    }
                    self.spend(1, iterable.span)?;
                    match self.passes(filter)? {
                        Ok(true) => each(self)?,
                        Ok(false) => {}
                        Err(unknown) => return Ok(Some(locked::made_of("filter", [&unknown, &value]))),
                    }
                }
            }
            Value::Map(map) if second.is_some() => {
                for (key, item) in map.iter() {
                    self.set(first, Value::String(key.clone()));
                    self.set(second.unwrap_or(first), wrap(item));
                    self.spend(1, iterable.span)?;
                    match self.passes(filter)? {
                        Ok(true) => each(self)?,
                        Ok(false) => {}
                        Err(unknown) => return Ok(Some(locked::made_of("filter", [&unknown, &value]))),
                    }
                }
            }
            other => {
                let message =
                    format!("found {}, expected a list{}", other.kind(), if second.is_some() { " or a map" } else { "" });
                return Err(self.error("not-iterable", iterable.span, message));
            }
        }
        Ok(None)
    }

    /// The elements of what a `for` goes over, with the key or position where `with_keys`; `None` where nobody knows them.
    pub(crate) fn elements(&mut self, iterable: &Expr, with_keys: bool) -> Result<Option<Elements>, Halt> {
        let value = self.eval(iterable)?;
        if value.is_locked() {
            return self.left_out(iterable.span).map(|()| None);
        }
        let secret = matches!(value, Value::Secret(_));
        let wrap = |value: &Value| if secret { value.clone().secret() } else { value.clone() };
        match value.reveal() {
            Value::List(items) => {
                let position = |i: usize| with_keys.then(|| Value::Int(i64::try_from(i).unwrap_or(i64::MAX)));
                Ok(Some(items.iter().enumerate().map(|(i, item)| (position(i), wrap(item))).collect()))
            }
            Value::Map(map) if with_keys => {
                Ok(Some(map.iter().map(|(key, item)| (Some(Value::String(key.clone())), wrap(item))).collect()))
            }
            other => {
                let message = format!("found {}, expected a list{}", other.kind(), if with_keys { " or a map" } else { "" });
                Err(self.error("not-iterable", iterable.span, message))
            }
        }
    }

    fn passes(&mut self, filter: Option<&Expr>) -> Result<Result<bool, Value>, Halt> {
        filter.map_or(Ok(Ok(true)), |filter| self.decide(filter))
    }

    fn list_for(&mut self, clause: &Loop, span: Span) -> Outcome {
        let mut items = Vec::new();
        let unknown = self.each((clause.first, clause.second, &clause.iterable, clause.filter.as_ref()), |this| {
            let value = this.eval(&clause.element)?;
            items.push(value);
            this.room(items.len(), span)
        })?;
        if let Some(unknown) = unknown {
            let exprs: Vec<&Expr> = clause.filter.iter().chain([&clause.element]).collect();
            return self.any_element(&unknown, &exprs);
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn map_for(&mut self, clause: &Loop, span: Span) -> Outcome {
        let mut map = Map::new();
        let Some(key_expr) = &clause.key else { return Ok(Value::Map(Arc::new(map))) };
        let unknown = self.each((clause.first, clause.second, &clause.iterable, clause.filter.as_ref()), |this| {
            let key = this.key(key_expr)?;
            let value = this.eval(&clause.element)?;
            if map.insert(key.clone(), value).is_some() {
                let issue = Issue::error(
                    "duplicate-field",
                    this.loc(key_expr.span),
                    format!("the key {} is made twice", Value::String(key)),
                );
                return Err(this.fail(issue.hint("make the keys differ, or filter the elements with `if`")));
            }
            this.room(map.len(), span)
        })?;
        if let Some(unknown) = unknown {
            let exprs: Vec<&Expr> = clause.filter.iter().chain([key_expr, &clause.element]).collect();
            return self.any_element(&unknown, &exprs);
        }
        Ok(Value::Map(Arc::new(map)))
    }

    /// Holds the size of a list or map to the limit.
    fn room(&mut self, len: usize, span: Span) -> Result<(), Halt> {
        if len > budget::MAX_ITEMS {
            return Err(self.too_large(&format!("{} elements", budget::MAX_ITEMS), span));
        }
        match self.budget.allocate(24) {
            Ok(()) => Ok(()),
            Err(limit) => Err(self.too_large(limit, span)),
        }
    }

    /// Says whether one of the patterns matches, and binds what it binds.
    pub(crate) fn matches(&mut self, tests: &[Test], subject: &Value) -> bool {
        let value = subject.reveal();
        tests.iter().any(|test| match test {
            Test::Always => true,
            Test::Never => false,
            Test::Bind(slot) => {
                self.set(*slot, subject.clone());
                true
            }
            Test::Equals(expected) => match (expected, value) {
                // Data holds members as text.
                (Value::Member(a), Value::String(b)) | (Value::String(a), Value::Member(b)) => a == b,
                (a, b) => a == b,
            },
            Test::Int(min, max) => match value {
                Value::Int(n) => min.is_none_or(|min| *n >= min) && max.is_none_or(|max| *n <= max),
                _ => false,
            },
            Test::Float(min, max, inclusive) => match value {
                Value::Float(x) => {
                    min.is_none_or(|min| *x >= min) && max.is_none_or(|max| if *inclusive { *x <= max } else { *x < max })
                }
                _ => false,
            },
            Test::Regex(pattern) => value.as_str().is_some_and(|text| pattern.is_match(text)),
        })
    }
}
