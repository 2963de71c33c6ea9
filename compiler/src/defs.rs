//! What a project defines: modules and the names in them, types, functions, states, facts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use stead_catalog::{SourceLocation, Type};
use stead_grammar::ast::{Ident, Item, MaybeDoc, Span};

use crate::issue::{Issue, Loc};
use crate::project::{Input, Schemas, SourceFile};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Def {
    Type(u32),
    Fn(u32),
    State(u32),
    Module(u32),
}

/// An item of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemAt {
    pub(crate) file: u32,
    pub(crate) item: u32,
}

/// A directory of sources.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its dotted path, empty for the root.
    pub(crate) name: Arc<str>,
    /// Its directory.
    pub(crate) directory: Arc<str>,
    /// The root of its project: where its imports start.
    pub(crate) root: Arc<str>,
    pub(crate) names: HashMap<Arc<str>, (Def, Loc)>,
    /// Whether a file of another module imports it.
    pub(crate) is_imported: bool,
}

/// A name that a file imports.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) def: Def,
    pub(crate) at: Loc,
    pub(crate) is_used: Used,
}

/// The definitions that one file uses.
#[derive(Debug, Default)]
pub(crate) struct UsedDefs(Mutex<HashSet<Def>>);

impl UsedDefs {
    /// A panic elsewhere leaves the set whole: it only grows.
    pub(crate) fn get(&self) -> std::sync::MutexGuard<'_, HashSet<Def>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anything uses an import.
#[derive(Debug, Default)]
pub(crate) struct Used(AtomicBool);

impl Used {
    pub(crate) fn note(&self) {
        // Looking first keeps the cache line shared: almost every use is not the first.
        if !self.get() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A named type: record, alias or enum.
#[derive(Debug)]
pub(crate) struct TypeInfo {
    pub(crate) at: ItemAt,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// Why not to use it any more, and what to use.
    pub(crate) deprecated: Option<Arc<str>>,
}

/// A parameter of a function or state.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: Arc<str>,
    pub(crate) ty: Type,
    pub(crate) has_default: bool,
    pub(crate) span: Span,
    /// Why not to give it any more, and what to give.
    pub(crate) deprecated: Option<Arc<str>>,
}

/// A function or a state.
#[derive(Debug)]
pub(crate) struct Callable {
    pub(crate) at: ItemAt,
    pub(crate) name: Ident,
    pub(crate) params: Vec<Param>,
    /// `None` for a state.
    pub(crate) result: Type,
    /// Why not to call it any more, and what to call.
    pub(crate) deprecated: Option<Arc<str>>,
}

/// A fact that the project declares.
#[derive(Debug)]
pub(crate) struct FactInfo {
    pub(crate) at: ItemAt,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// Every definition of a project.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) modules: Vec<Module>,
    /// What each file imports.
    pub(crate) imports: Vec<HashMap<Arc<str>, Import>>,
    /// The names that each file would import if their modules were there: using one is not told again.
    pub(crate) broken_imports: Vec<HashSet<Arc<str>>>,
    pub(crate) types: Vec<TypeInfo>,
    pub(crate) fns: Vec<Callable>,
    pub(crate) states: Vec<Callable>,
    pub(crate) custom_facts: Vec<FactInfo>,
    pub(crate) facts: Type,
    pub(crate) schemas: Arc<Schemas>,
    /// What each file uses.
    pub(crate) used: Vec<UsedDefs>,
    /// The modules by their directories.
    pub(crate) by_dir: BTreeMap<Arc<str>, u32>,
}

impl Program {
    /// Looks a name up in the imports of a file and then in its module, and notes that it is used.
    pub(crate) fn lookup(&self, file: u32, name: &str) -> Option<Def> {
        if let Some(import) = self.imports[file as usize].get(name) {
            import.is_used.note();
            self.note_use(file, import.def);
            return Some(import.def);
        }
        self.member(file, self.files[file as usize].module, name)
    }

    /// Looks a name up in a module, and notes that the file uses it.
    pub(crate) fn member(&self, file: u32, module: u32, name: &str) -> Option<Def> {
        let (def, _) = self.modules[module as usize].names.get(name)?;
        self.note_use(file, *def);
        Some(*def)
    }

    fn note_use(&self, file: u32, def: Def) {
        if !matches!(def, Def::Module(_)) {
            self.used[file as usize].get().insert(def);
        }
    }

    /// Says whether an import that failed would have brought the name.
    pub(crate) fn is_broken_import(&self, file: u32, name: &str) -> bool {
        self.broken_imports[file as usize].contains(name)
    }

    /// Every name a file can use.
    pub(crate) fn visible(&self, file: u32) -> Vec<&str> {
        let module = self.files[file as usize].module as usize;
        let mut names: Vec<&str> =
            self.imports[file as usize].keys().chain(self.modules[module].names.keys()).map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// The syntax of an item.
    pub(crate) fn item(&self, at: ItemAt) -> &Item {
        &self.files[at.file as usize].tree.items[at.item as usize]
    }

    /// Line and column of a place.
    pub(crate) fn location(&self, loc: Loc) -> SourceLocation {
        let file = &self.files[loc.file as usize];
        file.lines.location(&file.name, &file.text, loc.span)
    }
}

/// Why not to use what a comment documents any more, and what to use.
pub(crate) fn deprecation(doc: &MaybeDoc) -> Option<Arc<str>> {
    stead_catalog::deprecation(&doc.as_ref()?.text).map(Arc::from)
}

/// Names that cannot be defined: they mean something everywhere.
const RESERVED: [&str; 3] = ["facts", "data", "node"];

/// Gathers the definitions of all files and resolves the imports.
pub(crate) fn collect(mut files: Vec<SourceFile>, input: &Input, issues: &mut Vec<Issue>) -> Program {
    let mut modules =
        vec![Module { name: "".into(), directory: "".into(), root: "".into(), names: HashMap::new(), is_imported: false }];
    let mut by_dir: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    by_dir.insert("".into(), 0);
    for root in input.dependencies.values() {
        add_module(&mut modules, &mut by_dir, root, root);
    }
    for file in &mut files {
        let dir = match (&input.single_file, file.is_dependency) {
            (Some(_), false) => "",
            _ => file.name.rsplit_once('/').map_or("", |(dir, _)| dir),
        };
        let root = input.dependencies.values().find(|root| file.is_dependency && is_below(dir, root)).map_or("", |r| r);
        file.module = add_module(&mut modules, &mut by_dir, dir, root);
    }
    let mut program = Program {
        imports: files.iter().map(|_| HashMap::new()).collect(),
        broken_imports: files.iter().map(|_| HashSet::new()).collect(),
        used: files.iter().map(|_| UsedDefs::default()).collect(),
        by_dir: BTreeMap::new(),
        files,
        modules,
        types: Vec::new(),
        fns: Vec::new(),
        states: Vec::new(),
        custom_facts: Vec::new(),
        facts: Type::Any,
        schemas: input.schemas.clone(),
    };
    for file in 0..index(program.files.len()) {
        collect_file(&mut program, file, issues);
    }
    crate::imports::resolve(&mut program, &by_dir, input, issues);
    program.by_dir = by_dir;
    program
}

pub(crate) fn is_below(dir: &str, root: &str) -> bool {
    dir == root || root.is_empty() || dir.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

pub(crate) fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn add_module(modules: &mut Vec<Module>, by_dir: &mut BTreeMap<Arc<str>, u32>, dir: &str, root: &str) -> u32 {
    if let Some(found) = by_dir.get(dir) {
        return *found;
    }
    let id = index(modules.len());
    let shown = dir.strip_prefix(root).unwrap_or(dir).trim_start_matches('/').replace('/', ".");
    let dir: Arc<str> = dir.into();
    modules.push(Module {
        name: shown.into(),
        directory: dir.clone(),
        root: root.into(),
        names: HashMap::new(),
        is_imported: false,
    });
    by_dir.insert(dir, id);
    id
}

fn collect_file(program: &mut Program, file: u32, issues: &mut Vec<Issue>) {
    let module = program.files[file as usize].module;
    let mut found: Vec<(Ident, Def)> = Vec::new();
    let (mut types, mut fns, mut states) = (program.types.len(), program.fns.len(), program.states.len());
    let mut new_types = Vec::new();
    let mut new_fns = Vec::new();
    let mut new_states = Vec::new();
    let mut new_facts: Vec<FactInfo> = Vec::new();
    for (i, item) in program.files[file as usize].tree.items.iter().enumerate() {
        let at = ItemAt { file, item: index(i) };
        let callable = |name: &Ident, doc: &MaybeDoc| {
            let deprecated = deprecation(doc);
            Callable { at, name: name.clone(), params: Vec::new(), result: Type::None, deprecated }
        };
        let named = |name: &Ident, doc: &MaybeDoc| {
            let deprecated = deprecation(doc);
            TypeInfo { at, name: name.clone(), ty: Type::Any, deprecated }
        };
        match item {
            Item::Type(def) => {
                found.push((def.name.clone(), Def::Type(index(types))));
                new_types.push(named(&def.name, &def.doc));
                types += 1;
            }
            Item::Enum(def) => {
                found.push((def.name.clone(), Def::Type(index(types))));
                new_types.push(named(&def.name, &def.doc));
                types += 1;
            }
            Item::Fn(def) => {
                found.push((def.name.clone(), Def::Fn(index(fns))));
                new_fns.push(callable(&def.name, &def.doc));
                fns += 1;
            }
            Item::State(def) => {
                found.push((def.name.clone(), Def::State(index(states))));
                new_states.push(callable(&def.name, &def.doc));
                states += 1;
            }
            Item::Fact(def) => new_facts.push(FactInfo { at, name: def.name.clone(), ty: Type::Any }),
            Item::Use(_) | Item::Node(_) | Item::Inventory(_) | Item::Stmt(_) | Item::Error(_) => {}
        }
    }
    program.types.extend(new_types);
    program.fns.extend(new_fns);
    program.states.extend(new_states);
    program.custom_facts.extend(new_facts);
    for (name, def) in found {
        define(&mut program.modules[module as usize].names, file, &name, def, &program.schemas, issues);
    }
}

fn define(
    names: &mut HashMap<Arc<str>, (Def, Loc)>,
    file: u32,
    name: &Ident,
    def: Def,
    schemas: &Schemas,
    issues: &mut Vec<Issue>,
) {
    if name.is_missing() {
        return;
    }
    let at = Loc::new(file, name.span);
    if RESERVED.contains(&name.as_str()) || crate::resolve::is_builtin_type(name.as_str()) {
        issues.push(
            Issue::error("duplicate-definition", at, format!("`{}` has a meaning of its own", name.name))
                .hint("choose another name"),
        );
        return;
    }
    if matches!(def, Def::State(_)) && schemas.index(name.as_str()).is_some() {
        let issue = Issue::error("duplicate-definition", at, format!("`{}` is a resource type", name.name));
        issues.push(issue.hint("choose another name for the state"));
        return;
    }
    if let Some((_, earlier)) = names.get(&name.name) {
        let issue = Issue::error("duplicate-definition", at, format!("`{}` is defined twice", name.name));
        issues.push(issue.label(*earlier, "first defined here"));
        return;
    }
    names.insert(name.name.clone(), (def, at));
}

/// The names a module defines, in order.
pub(crate) fn sorted_names(module: &Module) -> Vec<&str> {
    let mut names: Vec<&str> = module.names.keys().map(|name| &**name).collect();
    names.sort_unstable();
    names
}
