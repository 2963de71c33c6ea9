//! What a project defines: modules and the names in them, types, functions, states, facts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use stead_catalog::{SourceLocation, Type, closest};
use stead_grammar::ast::{self, Ident, Item, Span};

use crate::issue::{Issue, Loc};
use crate::project::{Input, Schemas, SourceFile};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The root of its project: where its imports start.
    pub(crate) root: Arc<str>,
    pub(crate) names: HashMap<Arc<str>, (Def, Loc)>,
}

/// A named type: record, alias or enum.
#[derive(Debug)]
pub(crate) struct TypeInfo {
    pub(crate) at: ItemAt,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// A parameter of a function or state.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub(crate) name: Arc<str>,
    pub(crate) ty: Type,
    pub(crate) has_default: bool,
    pub(crate) span: Span,
}

/// A function or a state.
#[derive(Debug)]
pub(crate) struct Callable {
    pub(crate) at: ItemAt,
    pub(crate) name: Ident,
    pub(crate) params: Vec<Param>,
    /// `None` for a state.
    pub(crate) result: Type,
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
    pub(crate) imports: Vec<HashMap<Arc<str>, (Def, Loc)>>,
    /// The names that each file would import if their modules were there: using one is not told again.
    pub(crate) broken_imports: Vec<HashSet<Arc<str>>>,
    pub(crate) types: Vec<TypeInfo>,
    pub(crate) fns: Vec<Callable>,
    pub(crate) states: Vec<Callable>,
    pub(crate) custom_facts: Vec<FactInfo>,
    pub(crate) facts: Type,
    pub(crate) schemas: Arc<Schemas>,
}

impl Program {
    /// Looks a name up in the imports of a file and then in its module.
    pub(crate) fn lookup(&self, file: u32, name: &str) -> Option<Def> {
        let module = self.files[file as usize].module as usize;
        self.imports[file as usize].get(name).or_else(|| self.modules[module].names.get(name)).map(|(def, _)| *def)
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

/// Names that cannot be defined: they mean something everywhere.
const RESERVED: [&str; 3] = ["facts", "data", "node"];

/// Gathers the definitions of all files and resolves the imports.
pub(crate) fn collect(mut files: Vec<SourceFile>, input: &Input, issues: &mut Vec<Issue>) -> Program {
    let mut modules = vec![Module { name: "".into(), root: "".into(), names: HashMap::new() }];
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
    for file in 0..index(program.files.len()) {
        resolve_imports(&mut program, file, &by_dir, input, issues);
    }
    program
}

fn is_below(dir: &str, root: &str) -> bool {
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
    modules.push(Module { name: shown.into(), root: root.into(), names: HashMap::new() });
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
        let callable = |name: &Ident| Callable { at, name: name.clone(), params: Vec::new(), result: Type::None };
        match item {
            Item::Type(def) => {
                found.push((def.name.clone(), Def::Type(index(types))));
                new_types.push(TypeInfo { at, name: def.name.clone(), ty: Type::Any });
                types += 1;
            }
            Item::Enum(def) => {
                found.push((def.name.clone(), Def::Type(index(types))));
                new_types.push(TypeInfo { at, name: def.name.clone(), ty: Type::Any });
                types += 1;
            }
            Item::Fn(def) => {
                found.push((def.name.clone(), Def::Fn(index(fns))));
                new_fns.push(callable(&def.name));
                fns += 1;
            }
            Item::State(def) => {
                found.push((def.name.clone(), Def::State(index(states))));
                new_states.push(callable(&def.name));
                states += 1;
            }
            Item::Fact(def) => new_facts.push(FactInfo { at, name: def.name.clone(), ty: Type::Any }),
            Item::Use(_) | Item::Node(_) | Item::Stmt(_) | Item::Error(_) => {}
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
        issues.push(Issue::error("duplicate-definition", at, format!("`{}` has a meaning of its own", name.name)).hint("choose another name"));
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

fn resolve_imports(
    program: &mut Program,
    file: u32,
    by_dir: &BTreeMap<Arc<str>, u32>,
    input: &Input,
    issues: &mut Vec<Issue>,
) {
    let mut imports: HashMap<Arc<str>, (Def, Loc)> = HashMap::new();
    let mut broken: HashSet<Arc<str>> = HashSet::new();
    let module = &program.modules[program.files[file as usize].module as usize];
    for item in &program.files[file as usize].tree.items {
        let Item::Use(import) = item else { continue };
        let Some(target) = find_module(program, &module.root, &import.path, by_dir, input) else {
            issues.extend(unresolved_import(&module.root, file, &import.path, by_dir, input));
            broken.extend(match &import.binding {
                ast::UseBinding::Module => import.path.last().map(|last| last.name.clone()).into_iter().collect::<Vec<_>>(),
                ast::UseBinding::Alias(alias) => vec![alias.name.clone()],
                ast::UseBinding::Members(members) => {
                    members.iter().map(|member| member.alias.as_ref().unwrap_or(&member.name).name.clone()).collect()
                }
            });
            continue;
        };
        let mut bind = |name: &Ident, def: Def| {
            let at = Loc::new(file, name.span);
            let earlier = imports.get(&name.name).or_else(|| module.names.get(&name.name)).map(|(_, at)| *at);
            if let Some(earlier) = earlier {
                let issue = Issue::error("duplicate-definition", at, format!("`{}` is defined twice", name.name));
                issues.push(issue.label(earlier, "first defined here").hint("give the import another name with `as`"));
            } else {
                imports.insert(name.name.clone(), (def, at));
            }
        };
        match &import.binding {
            ast::UseBinding::Module => {
                if let Some(last) = import.path.last() {
                    bind(last, Def::Module(target));
                }
            }
            ast::UseBinding::Alias(alias) => bind(alias, Def::Module(target)),
            ast::UseBinding::Members(members) => {
                let mut missing = Vec::new();
                for member in members {
                    match program.modules[target as usize].names.get(&member.name.name) {
                        Some((def, _)) => bind(member.alias.as_ref().unwrap_or(&member.name), *def),
                        None if member.name.is_missing() => {}
                        None => missing.push(member),
                    }
                }
                for member in missing {
                    let names = sorted_names(&program.modules[target as usize]);
                    let message = format!("module `{}` has no `{}`", import.path, member.name.name);
                    let issue = Issue::error("unknown-name", Loc::new(file, member.name.span), message);
                    issues.push(issue.suggest(closest(&member.name.name, names)));
                }
            }
        }
    }
    program.imports[file as usize] = imports;
    program.broken_imports[file as usize] = broken;
}

/// The names a module defines, in order.
pub(crate) fn sorted_names(module: &Module) -> Vec<&str> {
    let mut names: Vec<&str> = module.names.keys().map(|name| &**name).collect();
    names.sort_unstable();
    names
}

fn find_module(
    program: &Program,
    root: &str,
    path: &ast::Path,
    by_dir: &BTreeMap<Arc<str>, u32>,
    input: &Input,
) -> Option<u32> {
    let segments: Vec<&str> = path.segments.iter().map(Ident::as_str).collect();
    let join = |base: &str, rest: &[&str]| {
        let rest = rest.join("/");
        if base.is_empty() || rest.is_empty() { format!("{base}{rest}") } else { format!("{base}/{rest}") }
    };
    let own = by_dir.get(join(root, &segments).as_str()).copied().filter(|id| *id != 0);
    own.or_else(|| {
        let base = input.dependencies.get(*segments.first()?)?;
        by_dir.get(join(base, &segments[1..]).as_str()).copied()
    })
    .filter(|id| program.modules.get(*id as usize).is_some())
}

fn unresolved_import(
    root: &str,
    file: u32,
    path: &ast::Path,
    by_dir: &BTreeMap<Arc<str>, u32>,
    input: &Input,
) -> Option<Issue> {
    if path.segments.iter().any(Ident::is_missing) {
        return None;
    }
    let shown = path.to_string();
    let dir = path.segments.iter().map(Ident::as_str).collect::<Vec<_>>().join("/");
    let issue = Issue::error("unresolved-import", Loc::new(file, path.span), format!("there is no module `{shown}`"));
    if input.single_file.is_none() && input.sources.read(&format!("{dir}.stead")).is_ok() {
        return Some(issue.hint(format!("a module is a directory: move `{dir}.stead` to `{dir}/{}.stead`", path.segments.last()?.name)));
    }
    let known: Vec<String> = by_dir
        .keys()
        .filter(|dir| is_below(dir, root) && dir.len() > root.len())
        .map(|dir| dir[root.len()..].trim_start_matches('/').replace('/', "."))
        .chain(input.dependencies.keys().map(ToString::to_string))
        .collect();
    let best = closest(&shown, known.iter().map(String::as_str)).map(str::to_owned);
    Some(match best {
        Some(best) => issue.hint(format!("did you mean `{best}`?")),
        None => issue.hint(format!("a module is a directory with `.stead` files: `{dir}/`, from the root of the project")),
    })
}
