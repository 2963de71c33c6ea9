//! A project from an earlier version of itself: what does not depend on the changed files is taken over.
//!
//! Definitions are collected and resolved anew each time, which is cheap. What costs is kept: syntax trees, checked code, data. The
//! checked code of a file can stay when the definitions of the whole project have the same numbers and signatures, when its imports are the same, when
//! no finding in it points into a changed file, and when it looked at none of the changed files.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use crate::check::{Code, FileCode, let_count};
use crate::data::DataSet;
use crate::defs::{Callable, Module, Program};
use crate::diagnostic::Diagnostic;
use crate::index::FileIndex;
use crate::issue::Place;
use crate::project::{Project, SourceFile};
use crate::sources::{Sources, Watched};
use crate::template::{Templates, Whitespace};

/// An earlier version of a project, and what changed since.
pub(crate) struct Earlier<'a> {
    pub(crate) project: &'a Project,
    changed: &'a BTreeSet<Arc<str>>,
    files: HashMap<Arc<str>, u32>,
    /// The earlier version goes on being used.
    is_beside: bool,
}

impl<'a> Earlier<'a> {
    /// `None` where everything has to be looked at again.
    pub(crate) fn of(project: &'a Project, changed: &'a BTreeSet<Arc<str>>) -> Option<Self> {
        if changed.contains(crate::config::FILE_NAME) || project.diagnostics().iter().any(is_about_config) {
            return None;
        }
        let files = project.program.files.iter().zip(0..).map(|(file, id)| (file.name.clone(), id)).collect();
        Some(Self { project, changed, files, is_beside: false })
    }

    /// Shares nothing with the earlier version that either could change.
    pub(crate) fn beside(self) -> Self {
        Self { is_beside: true, ..self }
    }

    /// The file, where it is the same.
    pub(crate) fn file(&self, name: &str, is_dependency: bool) -> Option<SourceFile> {
        if self.changed.contains(name) {
            return None;
        }
        let file = &self.project.program.files[*self.files.get(name)? as usize];
        Some(file.clone()).filter(|file| file.is_dependency == is_dependency)
    }

    /// The files as code sees them, and the templates. New ones where a template or another file that was looked at changed.
    pub(crate) fn watched(&self, sources: &Arc<dyn Sources>, whitespace: Whitespace) -> (Arc<Watched>, Arc<Templates>) {
        if self.is_beside {
            return watch(sources, whitespace);
        }
        let watched = &self.project.watched;
        watched.replace(sources.clone());
        if self.changed.iter().any(|name| watched.depends_on(name)) {
            return watch(sources, whitespace);
        }
        (watched.clone(), self.project.templates.clone())
    }

    /// The data, where it is the same.
    pub(crate) fn data(&self) -> Option<(Arc<DataSet>, Arc<[Diagnostic]>)> {
        let directory = &*self.project.config.data.directory;
        let is_data = |name: &str| name.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let is_same = !self.changed.iter().any(|name| is_data(name)) && !directory.is_empty();
        is_same.then(|| (self.project.data.clone(), self.project.data_mistakes.clone()))
    }

    /// The indexes of files whose code stayed and that name nothing in a changed file.
    pub(crate) fn indexes(&self, code: &Code) -> Vec<OnceLock<Arc<FileIndex>>> {
        let known = |(id, code): (usize, &Arc<FileCode>)| {
            let before = self.project.code.files.get(id).filter(|before| Arc::ptr_eq(before, code));
            let index = before.and_then(|_| self.project.indexes.get(id)?.get());
            let points_away = |index: &&Arc<FileIndex>| {
                index.uses.iter().any(|one| one.target.place().is_some_and(|place| self.changed.contains(&place.file)))
            };
            match index.filter(|index| !points_away(index)) {
                Some(index) => OnceLock::from(index.clone()),
                None => OnceLock::new(),
            }
        };
        code.files.iter().enumerate().map(known).collect()
    }

    /// Looks which checked code can stay.
    pub(crate) fn reuse<'s>(&'s self, program: &Program, watched: &Arc<Watched>) -> Reuse<'s> {
        let is_same_shape = same_shape(&self.project.program, program);
        Reuse { earlier: self, is_same_shape, must_look: !Arc::ptr_eq(watched, &self.project.watched) }
    }

    fn is_changed(&self, place: &Place) -> bool {
        match place {
            Place::Source(loc) => {
                let file = self.project.program.files.get(loc.file as usize);
                file.is_none_or(|file| self.changed.contains(&file.name))
            }
            Place::Named(location) => self.changed.contains(&location.file),
        }
    }
}

/// Findings about the settings are not kept, so they are looked for again.
fn is_about_config(found: &Diagnostic) -> bool {
    found.labels.iter().any(|label| &*label.file == crate::config::FILE_NAME)
}

/// The files as code sees them, from now on, and the templates among them.
pub(crate) fn watch(sources: &Arc<dyn Sources>, whitespace: Whitespace) -> (Arc<Watched>, Arc<Templates>) {
    let watched = Arc::new(Watched::new(sources.clone()));
    let templates = Templates::new(watched.clone(), whitespace);
    (watched, Arc::new(templates))
}

/// The checked code that can stay.
pub(crate) struct Reuse<'a> {
    earlier: &'a Earlier<'a>,
    is_same_shape: bool,
    /// Files that looked at others look again.
    must_look: bool,
}

impl Reuse<'_> {
    /// The code of a file, where it can stay. What the file uses is noted in the new program.
    pub(crate) fn code(&self, file: u32, program: &Program) -> Option<Arc<FileCode>> {
        let earlier = self.earlier;
        let source = &program.files[file as usize];
        if !self.is_same_shape || earlier.changed.contains(&source.name) {
            return None;
        }
        let id = file as usize;
        let before = &earlier.project.program;
        let code = earlier.project.code.files.get(id)?;
        let same_imports = before.imports[id].len() == program.imports[id].len()
            && before.broken_imports[id] == program.broken_imports[id]
            && program.imports[id].iter().all(|(name, import)| before.imports[id].get(name).is_some_and(|b| b.def == import.def));
        if !same_imports || (self.must_look && code.has_looked) {
            return None;
        }
        let points_away = code.issues.iter().flat_map(|issue| &issue.labels).any(|(place, _)| earlier.is_changed(place))
            || code.diagnostics.iter().flat_map(|found| &found.labels).any(|label| earlier.changed.contains(&label.file));
        if points_away {
            return None;
        }
        program.used[id].get().extend(before.used[id].get().iter().copied());
        let was_used = |name: &Arc<str>| before.imports[id].get(name).is_some_and(|before| before.is_used.get());
        program.imports[id].iter().filter(|(name, _)| was_used(name)).for_each(|(_, import)| import.is_used.note());
        Some(code.clone())
    }
}

/// Says whether two programs have the same files, modules and definitions in the same order, as far as their use goes.
fn same_shape(a: &Program, b: &Program) -> bool {
    let same_files = a.files.len() == b.files.len()
        && a.files.iter().zip(&b.files).all(|(a, b)| {
            a.name == b.name
                && a.module == b.module
                && a.is_dependency == b.is_dependency
                && (Arc::ptr_eq(&a.tree, &b.tree) || let_count(&a.tree.items) == let_count(&b.tree.items))
        });
    same_files
        && a.modules.len() == b.modules.len()
        && a.modules.iter().zip(&b.modules).all(|(a, b)| same_module(a, b))
        && a.types.len() == b.types.len()
        && a.types
            .iter()
            .zip(&b.types)
            .all(|(a, b)| a.at.file == b.at.file && a.name.name == b.name.name && a.ty == b.ty && a.deprecated == b.deprecated)
        && same_callables(&a.fns, &b.fns)
        && same_callables(&a.states, &b.states)
        && a.facts == b.facts
        && a.custom_facts.len() == b.custom_facts.len()
        && Arc::ptr_eq(&a.schemas, &b.schemas)
}

fn same_module(a: &Module, b: &Module) -> bool {
    a.directory == b.directory
        && a.root == b.root
        && a.names.len() == b.names.len()
        && a.names.iter().all(|(name, (def, _))| b.names.get(name).is_some_and(|(other, _)| other == def))
}

fn same_callables(a: &[Callable], b: &[Callable]) -> bool {
    let same = |a: &Callable, b: &Callable| {
        a.at.file == b.at.file
            && a.name.name == b.name.name
            && a.result == b.result
            && a.deprecated == b.deprecated
            && a.params.len() == b.params.len()
            && a.params
                .iter()
                .zip(&b.params)
                .all(|(a, b)| a.name == b.name && a.ty == b.ty && a.has_default == b.has_default && a.deprecated == b.deprecated)
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}
