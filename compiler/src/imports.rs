//! Imports: which module each one names, what it binds, and that no module imports itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use stead_catalog::{Suggestions, closest};
use stead_grammar::ast::{self, Ident, Item};

use crate::defs::{Def, Import, Module, Program, Used, index, is_below, sorted_names};
use crate::issue::{Issue, Loc};
use crate::project::Input;

/// An import of one module by another.
type Edge = (u32, u32, Loc);

/// Resolves the imports of every file.
pub(crate) fn resolve(program: &mut Program, by_dir: &BTreeMap<Arc<str>, u32>, input: &Input, issues: &mut Vec<Issue>) {
    let mut edges: Vec<Edge> = Vec::new();
    for file in 0..index(program.files.len()) {
        resolve_imports(program, file, by_dir, input, &mut edges, issues);
    }
    cycles(program, &edges, issues);
    for (_, target, _) in edges {
        program.modules[target as usize].is_imported = true;
    }
}

/// Reports modules that import one another in a circle.
fn cycles(program: &Program, edges: &[Edge], issues: &mut Vec<Issue>) {
    let mut from: BTreeMap<u32, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        from.entry(edge.0).or_default().push(edge);
    }
    let mut done = vec![false; program.modules.len()];
    for start in from.keys().copied() {
        let mut path: Vec<(u32, usize)> = vec![(start, 0)];
        let mut taken: Vec<&Edge> = Vec::new();
        while let Some((module, next)) = path.last_mut() {
            let edge = from.get(module).and_then(|edges| edges.get(*next)).filter(|_| !done[*module as usize]);
            let Some(edge) = edge else {
                done[*module as usize] = true;
                path.pop();
                taken.pop();
                continue;
            };
            *next += 1;
            if let Some(at) = path.iter().position(|(on_path, _)| *on_path == edge.1) {
                let circle: Vec<&Edge> = taken[at..].iter().copied().chain([*edge]).collect();
                issues.push(tell(program, &circle));
                path.iter().for_each(|(module, _)| done[*module as usize] = true);
                break;
            }
            if !done[edge.1 as usize] {
                path.push((edge.1, 0));
                taken.push(edge);
            }
        }
    }
}

fn tell(program: &Program, circle: &[&Edge]) -> Issue {
    let name = |module: u32| match &*program.modules[module as usize].name {
        "" => "the root of the project".to_owned(),
        name => format!("`{name}`"),
    };
    let first = circle[0];
    let mut issue = Issue::error("module-cycle", first.2, format!("{} imports itself", name(first.0)));
    issue.labels.clear();
    for edge in circle {
        issue = issue.label(edge.2, format!("{} imports {}", name(edge.0), name(edge.1)));
    }
    issue.hint("move what both need into a module of its own")
}

fn resolve_imports(
    program: &mut Program,
    file: u32,
    by_dir: &BTreeMap<Arc<str>, u32>,
    input: &Input,
    edges: &mut Vec<Edge>,
    issues: &mut Vec<Issue>,
) {
    let mut imports: HashMap<Arc<str>, Import> = HashMap::new();
    let mut broken: HashSet<Arc<str>> = HashSet::new();
    let module_id = program.files[file as usize].module;
    let module = &program.modules[module_id as usize];
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
        edges.push((module_id, target, Loc::new(file, import.path.span)));
        let mut bind = |name: &Ident, def: Def| {
            let at = Loc::new(file, name.span);
            let imported = imports.get(&name.name).map(|import| (import.def, import.at));
            let own = module.names.get(&name.name).map(|(def, at)| (*def, *at));
            if let Some((known, earlier)) = imported.or(own) {
                let is_same = known == def && imported.is_some();
                let message = format!("`{}` is {} twice", name.name, if is_same { "imported" } else { "defined" });
                let issue = Issue::error("duplicate-definition", at, message);
                issues.push(match is_same {
                    true => issue.label(earlier, "first imported here").hint("remove one of them"),
                    false => issue.label(earlier, "first defined here").hint("give the import another name with `as`"),
                });
            } else {
                imports.insert(name.name.clone(), Import { def, at, is_used: Used::default() });
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
                let mut suggestions = Suggestions::default();
                for member in missing {
                    let at = Loc::new(file, member.name.span);
                    let module = &program.modules[target as usize];
                    issues.push(missing_member(module, &import.path.to_string(), &member.name, at, &mut suggestions));
                }
            }
        }
    }
    program.imports[file as usize] = imports;
    program.broken_imports[file as usize] = broken;
}

/// What is said of a name that a module does not offer.
pub(crate) fn missing_member(module: &Module, shown: &str, name: &Ident, at: Loc, suggestions: &mut Suggestions) -> Issue {
    let issue = Issue::error("unknown-name", at, format!("module `{shown}` has no `{}`", name.name));
    match suggestions.closest(&name.name, sorted_names(module)) {
        Some(best) => issue.suggest(Some(best)),
        None => issue.hint("a module offers its types, functions and states; a `let` is known only in its own file"),
    }
}

pub(crate) fn find_module(
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

fn unresolved_import(root: &str, file: u32, path: &ast::Path, by_dir: &BTreeMap<Arc<str>, u32>, input: &Input) -> Option<Issue> {
    if path.segments.iter().any(Ident::is_missing) {
        return None;
    }
    let shown = path.to_string();
    let dir = path.segments.iter().map(Ident::as_str).collect::<Vec<_>>().join("/");
    let issue = Issue::error("unresolved-import", Loc::new(file, path.span), format!("there is no module `{shown}`"));
    if input.single_file.is_none() && input.sources.read(&format!("{dir}.stead")).is_ok() {
        return Some(
            issue.hint(format!("a module is a directory: move `{dir}.stead` to `{dir}/{}.stead`", path.segments.last()?.name)),
        );
    }
    let known: Vec<String> = by_dir
        .keys()
        .filter(|dir| is_below(dir, root) && dir.len() > root.len())
        .map(|dir| dir[root.len()..].trim_start_matches('/').replace('/', "."))
        .chain(input.dependencies.keys().map(ToString::to_string))
        .collect();
    let best = closest(&shown, known.iter().map(String::as_str)).map(str::to_owned);
    Some(match best {
        Some(best) => issue.suggest(Some(&best)),
        None => issue.hint(format!("a module is a directory with `.stead` files: `{dir}/`, from the root of the project")),
    })
}
