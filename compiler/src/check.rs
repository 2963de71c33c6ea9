//! Type checking: syntax trees to checked code, file by file in parallel.
//!
//! Every definition is checked once, whether or not anything uses it. A mistake leaves a hole of type `Any`, so that
//! nothing spurious follows from it.

mod calls;
mod collections;
mod expr;
mod names;
mod narrow;
mod ops;
mod patterns;
mod recursion;
mod resources;
mod scope;
mod special;
mod stmts;
mod unused;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use rayon::prelude::*;
use stead_catalog::{Field, Pattern, RecordType, Type};
use stead_grammar::ast::{self, Item, LetValue, NodePattern, NodeSelector, Stmt};

pub(crate) use resources::{DefaultsInScope, admit_names, meta_names};
pub(crate) use scope::Checker;

use crate::defs::{Def, Program, index};
use crate::diagnostic::Diagnostic;
use crate::hir;
use crate::index::notes::Notes;
use crate::issue::{Issue, Loc};
use crate::sources::Sources;
use crate::template::Templates;
pub(crate) use scope::User;
use scope::{Global, Use};
use unused::What;

/// The checked code of a program.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) fns: Vec<Arc<FnCode>>,
    pub(crate) states: Vec<Arc<StateCode>>,
    pub(crate) nodes: Vec<Arc<NodeCode>>,
    pub(crate) inventories: Vec<Arc<InventoryCode>>,
    /// The top level of each file.
    pub(crate) tops: Vec<Arc<hir::Body>>,
    /// `defaults` at the top level of each file.
    pub(crate) top_defaults: Vec<Arc<Vec<TopDefaults>>>,
    pub(crate) globals: Vec<Arc<GlobalCode>>,
    /// The default of each custom fact.
    pub(crate) fact_defaults: Vec<Option<Arc<(hir::Expr, u32)>>>,
    /// What each file gave.
    pub(crate) files: Vec<Arc<FileCode>>,
}

/// A function: its parameters are the first slots.
#[derive(Debug)]
pub(crate) struct FnCode {
    pub(crate) file: u32,
    pub(crate) defaults: Box<[Option<hir::Expr>]>,
    pub(crate) body: hir::Expr,
    pub(crate) slots: u32,
}

/// A state: its parameters are the first slots.
#[derive(Debug)]
pub(crate) struct StateCode {
    pub(crate) file: u32,
    pub(crate) defaults: Box<[Option<hir::Expr>]>,
    pub(crate) body: hir::Body,
    /// How many of the file's top-level `defaults` stand before it.
    pub(crate) inherited: usize,
}

/// A node block.
#[derive(Debug)]
pub(crate) struct NodeCode {
    pub(crate) at: Loc,
    pub(crate) selector: Selector,
    pub(crate) body: hir::Body,
    pub(crate) inherited: usize,
}

/// An inventory block.
#[derive(Debug)]
pub(crate) struct InventoryCode {
    pub(crate) file: u32,
    pub(crate) body: hir::Body,
}

/// Which nodes a block is for.
#[derive(Debug)]
pub(crate) enum Selector {
    Names(Vec<NameTest>),
    Where(hir::Expr),
}

/// A test of a node's name.
#[derive(Debug)]
pub(crate) enum NameTest {
    Glob(globset::GlobMatcher),
    Regex(Pattern),
}

/// A constant of a file.
#[derive(Debug)]
pub(crate) struct GlobalCode {
    pub(crate) file: u32,
    pub(crate) expr: hir::Expr,
    pub(crate) slots: u32,
}

/// A `defaults` statement at the top level of a file, with a frame of its own.
#[derive(Clone, Debug)]
pub(crate) struct TopDefaults {
    pub(crate) defaults: hir::Defaults,
    pub(crate) slots: u32,
}

/// The type of `node`.
pub(crate) fn node_type() -> Type {
    static TYPE: LazyLock<Arc<RecordType>> = LazyLock::new(|| {
        let field = |name: &str, ty: Type| Field { name: name.into(), ty, default: None, docs: "".into() };
        let fields =
            vec![field("name", Type::STRING), field("tags", Type::list(Type::STRING)), field("groups", Type::list(Type::STRING))];
        Arc::new(RecordType { name: "node".into(), fields })
    });
    Type::Record(TYPE.clone())
}

/// What one file gave.
#[derive(Debug, Default)]
pub(crate) struct FileCode {
    fns: Vec<Arc<FnCode>>,
    states: Vec<Arc<StateCode>>,
    nodes: Vec<Arc<NodeCode>>,
    inventories: Vec<Arc<InventoryCode>>,
    top: Arc<hir::Body>,
    top_defaults: Arc<Vec<TopDefaults>>,
    globals: Vec<Arc<GlobalCode>>,
    facts: Vec<Option<Arc<(hir::Expr, u32)>>>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    uses: Vec<Use>,
    unused: Vec<Issue>,
    /// The types of `let` bindings.
    pub(crate) bindings: Vec<(Loc, Type)>,
    /// Whether anything depended on a file besides the source itself.
    pub(crate) has_looked: bool,
}

/// Checks all code of a program.
pub(crate) fn check_program(
    program: &Program,
    sources: &dyn Sources,
    templates: &Templates,
    known: &(dyn Fn(u32) -> Option<Arc<FileCode>> + Sync),
    issues: &mut Vec<Issue>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Code {
    let (bases, next) = constant_bases(program);
    let checked: Vec<Arc<FileCode>> = (0..program.files.len())
        .into_par_iter()
        .map(|file| {
            let check = || check_file(program, sources, templates, index(file), bases[file], None).0.into();
            known(index(file)).unwrap_or_else(check)
        })
        .collect();
    let mut code = Code::default();
    let mut uses = Vec::new();
    let mut unused = Vec::new();
    for (i, file) in checked.iter().enumerate() {
        code.fns.extend(file.fns.iter().cloned());
        code.states.extend(file.states.iter().cloned());
        code.nodes.extend(file.nodes.iter().cloned());
        code.inventories.extend(file.inventories.iter().cloned());
        code.tops.push(file.top.clone());
        code.top_defaults.push(file.top_defaults.clone());
        let end = bases.get(i + 1).copied().unwrap_or(next) as usize;
        code.globals.extend(file.globals.iter().cloned());
        let hole = || GlobalCode { file: index(i), expr: hir::Expr::error(ast::Span::default()), slots: 0 }.into();
        code.globals.resize_with(end, hole);
        code.fact_defaults.extend(file.facts.iter().cloned());
        issues.extend(file.issues.iter().cloned());
        diagnostics.extend(file.diagnostics.iter().cloned());
        uses.extend(file.uses.iter().copied());
        unused.extend(file.unused.iter().cloned());
    }
    code.files = checked;
    recursion::report(program, &uses, issues);
    // What uses a name may stand where a mistake hides it.
    if !issues.iter().any(|issue| issue.is_error) && !diagnostics.iter().any(Diagnostic::is_error) {
        issues.append(&mut unused);
        unused::definitions(program, issues);
    }
    code
}

/// The number of the first constant of each file, and how many there are. Constants are numbered through all files; a `let` that
/// turns out to be local leaves a number unused.
pub(crate) fn constant_bases(program: &Program) -> (Vec<u32>, u32) {
    let mut bases = Vec::with_capacity(program.files.len());
    let mut next = 0;
    for file in &program.files {
        bases.push(next);
        next += let_count(&file.tree.items);
    }
    (bases, next)
}

/// How many `let` stand at the top level of a file.
pub(crate) fn let_count(items: &[Item]) -> u32 {
    index(items.iter().filter(|item| matches!(item, Item::Stmt(Stmt::Let(_)))).count())
}

/// Checks one file. What is known about its places is written to `notes`, where they are wanted, and given back.
pub(crate) fn check_file(
    program: &Program,
    sources: &dyn Sources,
    templates: &Templates,
    file: u32,
    base: u32,
    notes: Option<Box<Notes>>,
) -> (FileCode, Option<Box<Notes>>) {
    let mut checker = Checker::new(program, sources, templates, file);
    checker.notes = notes;
    let mut code = FileCode::default();
    let items = &program.files[file as usize].tree.items;
    let constants = constants(program, file);
    for (i, item) in items.iter().enumerate() {
        if let Item::Stmt(Stmt::Let(binding)) = item
            && constants.contains(&i)
            && let LetValue::Expr(expr) = &binding.value
        {
            let id = base + index(code.globals.len());
            checker.start(User::Global(id));
            let (value, ty) = checker.let_value(binding, expr);
            if let Some(first) = checker.globals.iter().find(|global| global.name == binding.name.name) {
                let message = format!("`{}` is defined twice", first.name);
                let issue = Issue::error("duplicate-definition", checker.loc(binding.name.span), message);
                let issue = issue.label(checker.loc(first.span), "first defined here").hint("give one of them another name");
                checker.report(issue);
            }
            checker.bindings.push((checker.loc(binding.name.span), ty.clone()));
            checker.note_declared(&binding.name, &ty, binding.ty.is_some());
            checker.unused.declare(&binding.name, What::Let);
            checker.globals.push(Global { name: binding.name.name.clone(), id, ty, span: binding.name.span });
            code.globals.push(GlobalCode { file, expr: value, slots: checker.slots }.into());
        }
    }
    check_items(&mut checker, items, &mut code);
    checker.defaults.clear();
    check_top(&mut checker, items, &constants, &mut code);
    if !program.files[file as usize].is_dependency {
        code.unused = checker.unused.report(file);
    }
    code.issues = checker.issues;
    code.diagnostics = checker.diagnostics;
    code.uses = checker.uses;
    code.bindings = checker.bindings;
    code.has_looked = checker.has_looked;
    (code, checker.notes)
}

/// Functions, states, node blocks and facts, and the `defaults` that stand before them.
fn check_items(checker: &mut Checker<'_>, items: &[Item], code: &mut FileCode) {
    let file = checker.file;
    let base_fn = checker.program.fns.iter().position(|f| f.at.file == file).unwrap_or(0);
    let mut top_defaults = Vec::new();
    let base_state = checker.program.states.iter().position(|s| s.at.file == file).unwrap_or(0);
    for item in items {
        match item {
            Item::Fn(def) => {
                let id = base_fn + code.fns.len();
                let function = &checker.program.fns[id];
                checker.start(User::Fn(index(id)));
                let defaults = params(checker, &def.params, &function.params);
                let body = checker.check(&def.body, &function.result);
                code.fns.push(FnCode { file, defaults, body, slots: checker.slots }.into());
            }
            Item::State(def) => {
                let id = base_state + code.states.len();
                let state = &checker.program.states[id];
                checker.start(User::State(index(id)));
                let defaults = params(checker, &def.params, &state.params);
                let stmts = checker.block(&def.body);
                let body = hir::Body { stmts, slots: checker.slots };
                code.states.push(StateCode { file, defaults, body, inherited: top_defaults.len() }.into());
            }
            Item::Node(def) => {
                checker.start(User::Root);
                let selector = selector(checker, &def.selector);
                let stmts = checker.block(&def.body);
                let body = hir::Body { stmts, slots: checker.slots };
                let at = checker.loc(def.span);
                let inherited = top_defaults.len();
                code.nodes.extend(selector.map(|selector| Arc::new(NodeCode { at, selector, body, inherited })));
            }
            Item::Inventory(def) => {
                checker.start(User::Root);
                if checker.program.files[file as usize].is_dependency {
                    let hint = "declare hosts in your project";
                    checker.error_hint("misplaced-statement", def.span, "a dependency has no hosts of its own", hint);
                }
                checker.in_inventory = true;
                let stmts = checker.block(&def.body);
                checker.in_inventory = false;
                let body = hir::Body { stmts, slots: checker.slots };
                code.inventories.push(InventoryCode { file, body }.into());
            }
            Item::Fact(def) => {
                checker.start(User::Root);
                let declared = checker.program.custom_facts.iter().find(|fact| fact.at.file == file && fact.name == def.name);
                let ty = declared.map_or(Type::Any, |fact| fact.ty.clone());
                let default = def.default.as_ref().map(|expr| checker.check(expr, &ty));
                code.facts.push(default.map(|expr| Arc::new((expr, checker.slots))));
            }
            Item::Stmt(Stmt::Defaults(defaults)) => {
                checker.start(User::Root);
                // Mistakes in it are told when the top level is checked.
                let (issues, diagnostics) = (checker.issues.len(), checker.diagnostics.len());
                let checked = checker.defaults_stmt(defaults);
                checker.issues.truncate(issues);
                checker.diagnostics.truncate(diagnostics);
                let slots = checker.slots;
                top_defaults.extend(checked.map(|defaults| TopDefaults { defaults, slots }));
            }
            Item::Use(_) | Item::Type(_) | Item::Enum(_) | Item::Stmt(_) | Item::Error(_) => {}
        }
    }
    code.top_defaults = top_defaults.into();
}

/// The statements at the top level.
fn check_top(checker: &mut Checker<'_>, items: &[Item], constants: &HashSet<usize>, code: &mut FileCode) {
    checker.start(User::Root);
    let mut stmts = Vec::new();
    let is_dependency = checker.program.files[checker.file as usize].is_dependency;
    for (i, item) in items.iter().enumerate() {
        let Item::Stmt(stmt) = item else { continue };
        if is_dependency && !matches!(stmt, Stmt::Let(_) | Stmt::Defaults(_) | Stmt::Error(_)) {
            let hint = "put it into a state, and call the state from your project";
            checker.error_hint("misplaced-statement", stmt.span(), "a dependency has no resources of its own", hint);
        }
        if !constants.contains(&i) {
            stmts.extend(checker.stmt(stmt));
        }
    }
    code.top = hir::Body { stmts: stmts.into(), slots: checker.slots }.into();
}

/// Binds parameters to the first slots and checks their defaults; a default may use the parameters before it.
fn params(checker: &mut Checker<'_>, fields: &[ast::Field], params: &[crate::defs::Param]) -> Box<[Option<hir::Expr>]> {
    let mut defaults = Vec::with_capacity(fields.len());
    for (slot, (field, param)) in fields.iter().zip(params).enumerate() {
        // The slots of parameters come first, whatever a default binds.
        checker.slots = checker.slots.max(index(fields.len()));
        let default = field.default.as_ref().map(|expr| checker.check(expr, &param.ty));
        defaults.push(default);
        checker.unused.declare(&field.name, What::Parameter);
        checker.lint_shadowing(&field.name);
        checker.note_declared(&field.name, &param.ty, true);
        let (slot, depth) = (index(slot), checker.depth);
        let local = scope::Local { name: param.name.clone(), slot, ty: param.ty.clone(), span: param.span, depth };
        checker.locals.push(local);
    }
    checker.depth += 1;
    defaults.into()
}

fn selector(checker: &mut Checker<'_>, selector: &NodeSelector) -> Option<Selector> {
    match selector {
        NodeSelector::Names(patterns) => {
            let mut tests = Vec::with_capacity(patterns.len());
            for pattern in patterns {
                match pattern {
                    NodePattern::Glob(glob, span) => match globset::GlobBuilder::new(glob).build() {
                        Ok(compiled) => tests.push(NameTest::Glob(compiled.compile_matcher())),
                        Err(error) => {
                            let message = format!("the pattern is not well formed: {}", error.kind());
                            checker.error("invalid-glob", *span, message);
                        }
                    },
                    NodePattern::Regex(regex) => match Pattern::new(&regex.pattern) {
                        Ok(compiled) => tests.push(NameTest::Regex(compiled)),
                        Err(error) => {
                            let issue = crate::resolve::invalid_regex(checker.loc(regex.span), &error.to_string());
                            checker.report(issue);
                        }
                    },
                }
            }
            Some(Selector::Names(tests))
        }
        NodeSelector::Where(condition) => {
            let checked = checker.condition(condition);
            checker.lint_condition(&checked, condition.span);
            Some(Selector::Where(checked))
        }
        NodeSelector::Error(_) => None,
    }
}

/// The positions of the `let` items that are constants of the file: values that use no resource of its top level.
fn constants(program: &Program, file: u32) -> HashSet<usize> {
    let source = &program.files[file as usize];
    let mut local_names: HashSet<&str> = HashSet::new();
    let mut constants = HashSet::new();
    for (i, item) in source.tree.items.iter().enumerate() {
        let Item::Stmt(Stmt::Let(binding)) = item else { continue };
        let is_constant = match &binding.value {
            LetValue::Resource(_) => false,
            LetValue::Expr(expr) => {
                let is_state_call = match &expr.unparen().kind {
                    ast::ExprKind::Call(call) => matches!(top_definition(program, file, &call.callee), Some(Def::State(_))),
                    _ => false,
                };
                let text = expr.span.text(&source.text);
                let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                !is_state_call && (local_names.is_empty() || !words.any(|word| local_names.contains(word)))
            }
        };
        if is_constant {
            constants.insert(i);
        } else {
            local_names.insert(binding.name.as_str());
        }
    }
    constants
}

fn top_definition(program: &Program, file: u32, callee: &ast::Expr) -> Option<Def> {
    match &callee.unparen().kind {
        ast::ExprKind::Name(name) => program.lookup(file, name),
        ast::ExprKind::Field(access) => match program.lookup(file, crate::resolve::bare_name(&access.object)?) {
            Some(Def::Module(module)) => program.member(file, module, &access.name.name),
            _ => None,
        },
        _ => None,
    }
}
