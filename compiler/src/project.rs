//! A project: its files, parsed in parallel, and the modules they make up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use stead_catalog::{Inventory, Map, Schema, SourceLocation, Type};
use stead_grammar::ast::{self, Span};

use crate::check::Code;
use crate::config::{self, Config, DependencySource, InventoryFile};
use crate::defs::{self, Program};
use crate::diagnostic::{self, Diagnostic};
use crate::incremental::{self, Earlier};
use crate::index::FileIndex;
use crate::inventory::{InventoryFormat, InventoryText};
use crate::issue::{Issue, Loc};
use crate::lints::Stage;
use crate::lints::allow::{self, Allow};
use crate::nodes::NodeContext;
use crate::position::LineIndex;
use crate::secrets::{NoKeys, Opened, Unseal};
use crate::sources::{SourceError, Sources, Watched};
use crate::template::Templates;

/// One source file with its syntax tree.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path in the project.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// The lines of the text.
    pub lines: Arc<LineIndex>,
    /// What was parsed, with holes where it was not understood.
    pub tree: Arc<ast::File>,
    /// The comments, in the order of the text.
    pub comments: Arc<[stead_grammar::Comment]>,
    /// What is wrong with its syntax.
    pub(crate) mistakes: Arc<[Diagnostic]>,
    /// Index of the module it belongs to.
    pub(crate) module: u32,
    /// The comments that silence lints.
    pub(crate) allows: Vec<Allow>,
    /// Part of a dependency, not of the project itself.
    pub(crate) is_dependency: bool,
}

/// The schemas of the resource types that the language knows, by name.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    /// Those of the resource types, and behind them those of an inventory's declarations.
    list: Vec<Schema>,
    resource_types: usize,
    by_name: HashMap<Arc<str>, u32>,
    /// What each attribute takes when written: its type, or `none` for absent.
    wanted: Vec<Vec<Type>>,
}

impl Schemas {
    /// Takes the schemas in the order of documentation; the first of a name counts.
    pub fn new(list: impl IntoIterator<Item = Schema>) -> Self {
        let mut list: Vec<Schema> = list.into_iter().collect();
        let resource_types = list.len();
        let mut by_name = HashMap::with_capacity(list.len());
        for (i, schema) in list.iter().enumerate() {
            by_name.entry(schema.name.clone()).or_insert(u32::try_from(i).unwrap_or(u32::MAX));
        }
        list.extend(crate::inventory::schemas());
        let wanted = |schema: &Schema| schema.attributes.iter().map(|attribute| Type::optional(attribute.ty.clone())).collect();
        let wanted = list.iter().map(wanted).collect();
        Self { list, resource_types, by_name, wanted }
    }

    /// Returns the schema of a resource type.
    pub fn get(&self, name: &str) -> Option<&Schema> {
        self.index(name).map(|i| self.at(i))
    }

    /// Iterates over all schemas.
    pub fn iter(&self) -> impl Iterator<Item = &Schema> {
        self.list[..self.resource_types].iter()
    }

    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// What may be declared in an inventory.
    pub(crate) fn of_inventory(&self) -> &[Schema] {
        &self.list[self.resource_types..]
    }

    /// Finds what `name` declares in an inventory.
    pub(crate) fn inventory_index(&self, name: &str) -> Option<u32> {
        let at = self.of_inventory().iter().position(|schema| &*schema.name == name)?;
        u32::try_from(self.resource_types + at).ok()
    }

    pub(crate) fn wanted(&self, index: u32, attribute: usize) -> &Type {
        &self.wanted[index as usize][attribute]
    }

    pub(crate) fn at(&self, index: u32) -> &Schema {
        &self.list[index as usize]
    }
}

/// What a project is made of.
#[derive(Clone)]
pub struct Input {
    /// The files.
    pub sources: Arc<dyn Sources>,
    /// The resource types.
    pub schemas: Arc<Schemas>,
    /// The file to compile alone; the whole directory when it is `None`.
    pub single_file: Option<Arc<str>>,
    /// Modules of other projects: the name they are used by, and the directory in `sources` that holds them.
    pub dependencies: BTreeMap<Arc<str>, Arc<str>>,
    /// Inventories of other tools, by their paths in `stead.toml`. Those that are not here are looked for in `sources`.
    pub inventories: BTreeMap<Arc<str>, Vec<InventoryText>>,
    /// Some inventories were not read: there may be more machines, in more groups, than are known.
    pub has_unread_inventories: bool,
    /// Inventories that must be neither run nor read, by their paths in `stead.toml`: their listings stand for them.
    pub withheld: BTreeSet<Arc<str>>,
    /// What opens secrets in data files. Nothing does unless it is handed in.
    pub secrets: Arc<dyn Unseal>,
}

impl Input {
    /// A whole directory.
    pub fn directory(sources: Arc<dyn Sources>, schemas: Arc<Schemas>) -> Self {
        Self {
            sources,
            schemas,
            single_file: None,
            dependencies: BTreeMap::new(),
            inventories: BTreeMap::new(),
            has_unread_inventories: false,
            withheld: BTreeSet::new(),
            secrets: Arc::new(NoKeys),
        }
    }

    /// One file; data and templates are still found beside it.
    pub fn file(sources: Arc<dyn Sources>, schemas: Arc<Schemas>, path: impl Into<Arc<str>>) -> Self {
        Self { single_file: Some(path.into()), ..Self::directory(sources, schemas) }
    }
}

/// A project that was parsed and checked, ready to be compiled for any node.
pub struct Project {
    pub(crate) input: Input,
    pub(crate) program: Program,
    pub(crate) code: Code,
    pub(crate) hierarchy: crate::data::Hierarchy,
    pub(crate) merge_rules: crate::data::MergeRules,
    pub(crate) data: Arc<crate::data::DataSet>,
    /// What is wrong with the data files.
    pub(crate) data_mistakes: Arc<[Diagnostic]>,
    pub(crate) templates: Arc<Templates>,
    /// The files as they were handed in; `input` has them as code sees them.
    pub(crate) sources: Arc<dyn Sources>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) config: Config,
    pub(crate) indexes: Vec<OnceLock<Arc<FileIndex>>>,
    inventory: Inventory,
    pub(crate) opened: Opened,
    diagnostics: Vec<Diagnostic>,
}

impl std::fmt::Debug for Project {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Project").field("files", &self.program.files.len()).finish_non_exhaustive()
    }
}

impl Project {
    /// Reads, parses and checks everything. What is wrong stands in [`Project::diagnostics`].
    pub fn load(input: Input) -> Self {
        crate::stack::with_room(|| Self::load_here(input, None))
    }

    /// Loads what an earlier version of the project has become. `changed` names every file that may differ from when that was loaded:
    /// changed, added or removed. What does not depend on them is taken over; the result is that of [`Project::load`].
    pub fn reload(&self, input: Input, changed: &BTreeSet<Arc<str>>) -> Self {
        crate::stack::with_room(|| Self::load_here(input, Earlier::of(self, changed)))
    }

    /// Loads as [`Project::reload`] does, in the background: this version goes on being of use meanwhile.
    pub fn reload_in_background(&self, input: Input, changed: &BTreeSet<Arc<str>>) -> Self {
        let earlier = || Earlier::of(self, changed).map(Earlier::beside);
        crate::stack::in_background(|| Self::load_here(input, earlier()))
    }

    fn load_here(mut input: Input, earlier: Option<Earlier<'_>>) -> Self {
        let mut diagnostics = Vec::new();
        let mut issues = Vec::new();
        let config = match &earlier {
            Some(earlier) => earlier.project.config.clone(),
            None => read_config(&input, &mut diagnostics),
        };
        add_dependencies(&mut input, &config, &mut diagnostics);
        let earlier = earlier.filter(|earlier| earlier.project.input.dependencies == input.dependencies);
        let sources = input.sources.clone();
        let (watched, templates) = match &earlier {
            Some(earlier) => earlier.watched(&sources, config.templates),
            None => incremental::watch(&sources, config.templates),
        };
        let files = read_files(&input, earlier.as_ref(), &mut diagnostics);
        let mut program = defs::collect(files, &input, &mut issues);
        crate::resolve::resolve(&mut program, &mut issues);
        let reuse = earlier.as_ref().map(|earlier| earlier.reuse(&program, &watched));
        let known = |file: u32| reuse.as_ref().and_then(|reuse| reuse.code(file, &program));
        let code = crate::check::check_program(&program, &*watched, &templates, &known, &mut issues, &mut diagnostics);
        diagnostics.extend(issues.into_iter().map(|issue: Issue| issue.into_diagnostic(&program.files)));
        let (data, data_mistakes) = match earlier.as_ref().and_then(Earlier::data) {
            Some(known) => known,
            None => read_data(&input, &config.data.directory),
        };
        diagnostics.extend(data_mistakes.iter().cloned());
        let hierarchy = config.data.hierarchy.clone();
        diagnostics.extend(data.unreachable_files(&hierarchy));
        diagnostics.extend(hierarchy.check(&program.facts, &crate::check::node_type()));
        let merge_rules = config.data.merge.clone();
        let indexes = match &earlier {
            Some(earlier) => earlier.indexes(&code),
            None => program.files.iter().map(|_| OnceLock::new()).collect(),
        };
        input.sources = watched.clone();
        let mut project = Self {
            input,
            program,
            code,
            hierarchy,
            merge_rules,
            data,
            data_mistakes,
            templates,
            sources,
            watched,
            config,
            indexes,
            inventory: Inventory::default(),
            opened: Opened::default(),
            diagnostics,
        };
        project.find_machines();
        project.look_beforehand();
        allow::silence(&project.program.files, &mut project.diagnostics);
        if !project.has_errors() && !project.input.has_unread_inventories {
            project.diagnostics.extend(allow::unused(&project.program.files, Stage::Load));
        }
        project.config.apply_lints(&mut project.diagnostics);
        diagnostic::arrange(&mut project.diagnostics);
        project
    }

    /// Makes the inventory, as far as its declarations are understood.
    fn find_machines(&mut self) {
        let mut issues = Vec::new();
        let declared = if self.has_errors() { Default::default() } else { crate::inventory::declared(self, &mut issues) };
        let mut found: Vec<Diagnostic> =
            issues.into_iter().map(|issue: Issue| issue.into_diagnostic(&self.program.files)).collect();
        let mut sources = vec![declared];
        let texts = self.foreign_inventories(&mut found);
        sources.extend(crate::inventory::read(&texts, &mut found));
        let mut lines: BTreeMap<Arc<str>, (Arc<str>, LineIndex)> = BTreeMap::new();
        let mut locate = |at: &crate::inventory::At| {
            if !lines.contains_key(&at.file) {
                let text = self.text(&at.file)?;
                let index = LineIndex::new(&text);
                lines.insert(at.file.clone(), (text, index));
            }
            lines.get(&at.file).map(|(text, index)| index.location(&at.file, text, at.span))
        };
        let is_complete = !self.input.has_unread_inventories;
        let inventory = crate::inventory::resolve(sources, is_complete, &mut locate, &mut found);
        self.inventory = inventory;
        self.diagnostics.append(&mut found);
    }

    /// The inventories that `stead.toml` names: as they were handed in, else as files of the project. A path that leads out of the project is
    /// for who hands inventories in.
    fn foreign_inventories(&self, found: &mut Vec<Diagnostic>) -> Vec<InventoryText> {
        let mut texts: Vec<InventoryText> = Vec::new();
        // What lies beside several inventories is read once.
        let mut beside: HashSet<Arc<str>> = HashSet::new();
        for file in &self.config.inventory.files {
            let given = self.input.inventories.get(&file.path);
            let is_withheld = self.input.withheld.contains(&file.path);
            if is_withheld {
                texts.extend(self.listing(file, found));
            }
            let mut is_first = |text: &&InventoryText| text.variables_of.is_none() || beside.insert(text.name.clone());
            texts.extend(given.into_iter().flatten().filter(&mut is_first).cloned());
            if given.is_some() || is_withheld {
                continue;
            }
            if file.path.starts_with(['/', '~']) || file.path.split('/').any(|part| part == "..") {
                continue;
            }
            match self.input.sources.read(&file.path) {
                Ok(bytes) => {
                    let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
                    let format = file.format.unwrap_or_else(|| InventoryFormat::of(&file.path, &text));
                    texts.push(InventoryText::new(file.path.clone(), text, format));
                    if format.is_ansible() {
                        texts.extend(self.variables_beside(&file.path).into_iter().filter(|text| is_first(&text)));
                    }
                }
                Err(error) => {
                    let message = format!("cannot read the inventory `{}`: {error}", file.path);
                    let diagnostic = Diagnostic::error("missing-file", message);
                    found.push(diagnostic.at(&config::FILE_NAME.into(), file.span, ""));
                }
            }
        }
        texts
    }

    /// The variables in files beside an inventory of the project.
    fn variables_beside(&self, inventory: &str) -> Vec<InventoryText> {
        let directory = inventory.rfind('/').map_or("", |at| &inventory[..=at]);
        let folders = crate::inventory::VARIABLE_FOLDERS.map(|folder| self.sources.files(&format!("{directory}{folder}"), &[]));
        let relative = folders.iter().flatten().filter_map(|path| path.strip_prefix(directory));
        let texts = crate::inventory::variable_files(relative).into_iter().filter_map(|(of, path)| {
            let name: Arc<str> = format!("{directory}{path}").into();
            let bytes = self.input.sources.read(&name).ok()?;
            Some(InventoryText::variables(name, String::from_utf8_lossy(&bytes), of))
        });
        texts.collect()
    }

    /// What stands for an inventory that must be neither run nor read.
    fn listing(&self, file: &InventoryFile, found: &mut Vec<Diagnostic>) -> Option<InventoryText> {
        let toml: Arc<str> = config::FILE_NAME.into();
        let Some(listing) = &file.listing else {
            let message = format!("the inventory `{}` is neither run nor read here", file.path);
            let hint = format!(
                "keep what it lists in the project: {{ path = \"{}\", listing = \"hosts.json\" }}; of a program that is what it prints for `--list`",
                file.path
            );
            let label = "a program, or a file outside of the project";
            found.push(Diagnostic::error("withheld-inventory", message).at(&toml, file.span, label).hint(hint));
            return None;
        };
        match self.input.sources.read(listing) {
            Ok(bytes) => {
                let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
                let format = match InventoryFormat::of(listing, &text) {
                    _ if text.trim_start().starts_with('{') => InventoryFormat::AnsibleJson,
                    format => file.format.unwrap_or(format),
                };
                Some(InventoryText::new(listing.clone(), text, format))
            }
            Err(error) => {
                let message = format!("cannot read the listing `{listing}`: {error}");
                found.push(Diagnostic::error("missing-file", message).at(&toml, file.span, ""));
                None
            }
        }
    }

    /// Adds what is certain about code that no node may run.
    fn look_beforehand(&mut self) {
        if !self.has_errors() {
            let found = crate::beforehand::check(self);
            self.diagnostics.extend(found.into_iter().map(|issue| issue.into_diagnostic(&self.program.files)));
        }
    }

    /// What `stead.toml` says; the defaults when there is none.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Everything that is wrong with the project whatever the node.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Says whether nothing can be compiled.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The comments that silence lints of nodes, and silenced nothing in the catalogs that were compiled so far, of whose
    /// resources some stand on their lines. To be asked when all nodes that are known are compiled.
    pub fn unused_allows(&self) -> Vec<Diagnostic> {
        let mut found = allow::unused(&self.program.files, Stage::Node);
        self.config.apply_lints(&mut found);
        found
    }

    /// The source files in the order of their names.
    pub fn files(&self) -> &[SourceFile] {
        &self.program.files
    }

    /// Returns the text of a file of the project, for showing a diagnostic: a source, a data file or a template.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        if let Some(file) = self.program.files.iter().find(|file| &*file.name == name) {
            return Some(file.text.clone());
        }
        if let Some(inventory) = self.input.inventories.values().flatten().find(|inventory| &*inventory.name == name) {
            return Some(inventory.text.clone());
        }
        let bytes = self.sources.read(name).ok()?;
        Some(String::from_utf8_lossy(&bytes).into())
    }

    /// The patterns of the project's node blocks that are plain names: `node "web-1"`.
    pub fn node_names(&self) -> Vec<Arc<str>> {
        crate::nodes::plain_names(self)
    }

    /// The machines that the project knows.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The node `name` with what the inventory says of it; a name that the inventory has not gets neither tags nor groups.
    pub fn node(&self, name: impl Into<Arc<str>>, facts: Map) -> NodeContext {
        let name = name.into();
        let (tags, groups) = match self.inventory.target(&name) {
            Some(target) => (target.tags.clone(), target.groups.clone()),
            None => (Vec::new(), Vec::new()),
        };
        NodeContext { name, facts, tags, groups, packages: None }
    }

    /// The facts of a node as code sees them: with the defaults of those that it does not tell.
    pub fn completed_facts(&self, node: &NodeContext) -> Map {
        crate::nodes::completed_facts(self, node)
    }

    /// The type of `facts`: the facts every node tells, and those the project declares.
    pub fn facts_type(&self) -> &Type {
        &self.program.facts
    }

    /// The name of each `let` with the type of its value.
    pub fn binding_types(&self) -> impl Iterator<Item = (SourceLocation, &Type)> {
        self.code.files.iter().flat_map(|file| &file.bindings).map(|(at, ty)| (self.location(*at), ty))
    }

    pub(crate) fn location(&self, loc: Loc) -> SourceLocation {
        self.program.location(loc)
    }
}

/// Reads `stead.toml`, where there is one.
fn read_config(input: &Input, diagnostics: &mut Vec<Diagnostic>) -> Config {
    let name: Arc<str> = config::FILE_NAME.into();
    match input.sources.read(&name) {
        Ok(bytes) => {
            let (config, found) = Config::parse(&name, &bytes);
            diagnostics.extend(found);
            config
        }
        Err(SourceError::NotFound) => Config::default(),
        Err(error) => {
            diagnostics.push(unreadable(&name, &error));
            Config::default()
        }
    }
}

/// Takes over the dependencies that lie inside the project; the others are handed in by who fetches them.
fn add_dependencies(input: &mut Input, config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    for (name, dependency) in &config.dependencies {
        if input.dependencies.contains_key(name) {
            continue;
        }
        match &dependency.source {
            DependencySource::Path(path) if !path.starts_with('/') && !path.split('/').any(|part| part == "..") => {
                let path = path.trim_start_matches("./").trim_end_matches('/');
                input.dependencies.insert(name.clone(), path.into());
            }
            _ => diagnostics.push(
                Diagnostic::error("missing-dependency", format!("the dependency `{name}` is not there"))
                    .at(&config::FILE_NAME.into(), dependency.span, "")
                    .hint("it has to be fetched first, or be a directory inside the project: `{ path = \"modules/x\" }`"),
            ),
        }
    }
}

/// Reads the data files of the project.
fn read_data(input: &Input, directory: &str) -> (Arc<crate::data::DataSet>, Arc<[Diagnostic]>) {
    let mut diagnostics = Vec::new();
    let names = input.sources.files(directory, &["yaml", "yml", "toml", "json"]);
    let mut files = Vec::with_capacity(names.len());
    for name in &names {
        match input.sources.read(name) {
            Ok(bytes) => files.push((name.clone(), bytes)),
            Err(error) => diagnostics.push(unreadable(name, &error)),
        }
    }
    let below = |name: &'_ Arc<str>| name.strip_prefix(directory).map_or(0, |rest| name.len() - rest.len() + 1);
    let files: Vec<(Arc<str>, &str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.clone(), name.get(below(name)..).unwrap_or(name), &**bytes)).collect();
    let (data, found) = crate::data::DataSet::read(&files);
    diagnostics.extend(found);
    (data.into(), diagnostics.into())
}

/// Reads and parses the source files in parallel, in the order of their names.
fn read_files(input: &Input, earlier: Option<&Earlier<'_>>, diagnostics: &mut Vec<Diagnostic>) -> Vec<SourceFile> {
    let mut names: Vec<(Arc<str>, bool)> = match &input.single_file {
        Some(file) => vec![(file.clone(), false)],
        None => input.sources.files("", &["stead"]).into_iter().map(|name| (name, false)).collect(),
    };
    for root in input.dependencies.values() {
        names.extend(input.sources.files(root, &["stead"]).into_iter().map(|name| (name, true)));
    }
    // A file of a dependency that lies inside the project is listed twice, and counts as the dependency's.
    names.sort_by(|a, b| (&a.0, !a.1).cmp(&(&b.0, !b.1)));
    names.dedup_by(|later, first| later.0 == first.0);
    let read: Vec<_> = names
        .into_par_iter()
        .map(|(name, is_dependency)| match earlier.and_then(|earlier| earlier.file(&name, is_dependency)) {
            Some(file) => (Some(file), Vec::new()),
            None => read_file(&*input.sources, name, is_dependency),
        })
        .collect();
    let mut files = Vec::with_capacity(read.len());
    for (file, found) in read {
        diagnostics.extend(found);
        diagnostics.extend(file.iter().flat_map(|file| file.mistakes.iter().cloned()));
        files.extend(file);
    }
    files
}

fn read_file(sources: &dyn Sources, name: Arc<str>, is_dependency: bool) -> (Option<SourceFile>, Vec<Diagnostic>) {
    let bytes = match sources.read(&name) {
        Ok(bytes) => bytes,
        Err(error) => return (None, vec![unreadable(&name, &error)]),
    };
    let text: Arc<str> = match std::str::from_utf8(&bytes) {
        Ok(text) => text.into(),
        Err(error) => {
            let at = Span::at(u32::try_from(error.valid_up_to()).unwrap_or(u32::MAX));
            let diagnostic = Diagnostic::error("invalid-utf8", "the file is not UTF-8").at(&name, at, "the first wrong byte");
            return (None, vec![diagnostic.hint("save the file as UTF-8")]);
        }
    };
    if text.len() > MAX_SOURCE_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_SOURCE_BYTES} are read", text.len());
        return (None, vec![Diagnostic::error("file-too-large", message).at(&name, Span::at(0), "")]);
    }
    (Some(parse_file(name, text, is_dependency)), Vec::new())
}

/// Parses the text of a file.
pub(crate) fn parse_file(name: Arc<str>, text: Arc<str>, is_dependency: bool) -> SourceFile {
    let parsed = stead_grammar::parse(&text);
    let mut mistakes: Vec<Diagnostic> = parsed.errors.iter().map(|error| Diagnostic::from_syntax(&name, error)).collect();
    let lines = Arc::new(LineIndex::new(&text));
    let (allows, wrong) = allow::read(&name, &text, &lines, &parsed.comments);
    mistakes.extend(wrong);
    let (tree, comments) = (Arc::new(parsed.file), parsed.comments.into());
    SourceFile { name, text, lines, tree, comments, mistakes: mistakes.into(), module: 0, allows, is_dependency }
}

/// Offsets are 32 bits wide; a source this long is a mistake anyway.
const MAX_SOURCE_BYTES: usize = 256 << 20;

fn unreadable(name: &Arc<str>, error: &SourceError) -> Diagnostic {
    let code = match error {
        SourceError::NotFound => "missing-file",
        SourceError::TooLarge { .. } => "file-too-large",
        SourceError::Refused(_) | SourceError::Failed(_) => "unreadable-file",
    };
    Diagnostic::error(code, format!("cannot read `{name}`: {error}")).at(name, Span::at(0), "")
}
