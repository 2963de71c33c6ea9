//! From PATH to a project that is loaded, and to the catalog of a node.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Catalog, Map, Type, Value};
use stead_compiler::config::Config;
use stead_compiler::diagnostic::render::SourceText;
use stead_compiler::{Diagnostic, Input, NodeContext, Project, Schemas};
use stead_engine::{Registry, facts};

use crate::args::{NetworkArguments, NodeArguments, SourceArguments};
use crate::dependencies::{self, Cache, Dependencies, Lock, Pinning, ProjectSources};
use crate::failure::Failure;
use crate::secrets::UserKeys;
use crate::sources::DirectorySources;
use crate::terminal::Terminal;
use crate::told;

/// A project, and the resource types it is written in.
pub(crate) struct Loaded {
    pub(crate) project: Project,
    pub(crate) registry: Registry,
    /// The project's directory.
    pub(crate) root: PathBuf,
    /// The files of facts that were read, for showing what is wrong in them.
    facts: RefCell<Vec<(Arc<str>, Arc<str>)>>,
}

/// Loads the file or project at `path`, with what it depends on.
pub(crate) fn load(path: &Path, network: NetworkArguments) -> Result<Loaded, Failure> {
    load_with(path, network, Secrets::Needed)
}

/// Whether secrets have to be opened, and whose programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// One that cannot be opened is a mistake.
    Needed,
    /// One that cannot be opened stays unknown: for what looks at types only.
    WhereOpen,
    /// None is opened, and no program of the project runs: for sources that somebody else wrote.
    Sealed,
    /// Encrypted values are opened, and no program of the project runs.
    KeysAlone,
}

/// Loads as [`load`] does, and once more without opening a secret: as a review sees the same sources.
pub(crate) fn load_with_sealed(path: &Path, network: NetworkArguments) -> Result<(Loaded, Project), Failure> {
    let (input, registry, root) = input(path, network, Secrets::Needed)?;
    let sealed = Input { secrets: Arc::new(UserKeys::new(&root, Secrets::Sealed)), ..input.clone() };
    let loaded = Loaded { project: Project::load(input), registry, root, facts: RefCell::default() };
    Ok((loaded, Project::load(sealed)))
}

impl Secrets {
    /// Says whether the project's programs may run: they do what their author wants, as the operator.
    pub(crate) fn runs_programs(self) -> bool {
        matches!(self, Self::Needed | Self::WhereOpen)
    }
}

/// Loads as [`load`] does.
pub(crate) fn load_with(path: &Path, network: NetworkArguments, with: Secrets) -> Result<Loaded, Failure> {
    let (input, registry, root) = input(path, network, with)?;
    Ok(Loaded { project: Project::load(input), registry, root, facts: RefCell::default() })
}

/// What a project is made of, with the resource types and the project's directory.
fn input(path: &Path, network: NetworkArguments, with: Secrets) -> Result<(Input, Registry, PathBuf), Failure> {
    let root = root_of(path)?;
    let registry = stead_stdlib::registry();
    let schemas = Arc::new(Schemas::new(registry.schemas()));
    let dependencies = dependencies(&root, network)?;
    let unreadable = |(path, source): (PathBuf, std::io::Error)| Failure::Unreadable { path, source };
    let own = DirectorySources::open(&root).map_err(|source| unreadable((root.clone(), source)))?;
    let sources = Arc::new(ProjectSources::open(own, &dependencies.trees).map_err(unreadable)?);
    let mut input = if path.is_dir() {
        Input::directory(sources, schemas)
    } else {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| Failure::NoSuchPath(path.to_owned()))?;
        Input::file(sources, schemas, name)
    };
    input.dependencies = dependencies.directories;
    let config = dependencies::read_config(&root);
    if with.runs_programs() {
        input.inventories = crate::inventories::read(&root, &config)?;
    } else {
        (input.inventories, input.withheld) = crate::inventories::read_alone(&root, &config)?;
    }
    input.secrets = Arc::new(UserKeys::new(&root, with));
    Ok((input, registry, root))
}

/// The directory of the file or project at `path`.
pub(crate) fn root_of(path: &Path) -> Result<PathBuf, Failure> {
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Failure::NoSuchPath(path.to_owned()),
        _ => Failure::Unreadable { path: path.to_owned(), source },
    })?;
    if metadata.is_dir() {
        if !path.join("stead.toml").is_file() {
            return Err(Failure::NotAProject { path: path.to_owned(), suggestion: suggest(path) });
        }
        return Ok(path.to_owned());
    }
    Ok(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned())
}

/// The repositories that a project depends on, as its lock pins them.
pub(crate) fn dependencies(root: &Path, network: NetworkArguments) -> Result<Dependencies, Failure> {
    let config = dependencies::read_config(root);
    if !dependencies::has_repositories(&config) {
        return Ok(Dependencies::default());
    }
    let lock = Lock::read(root)?;
    Ok(dependencies::find(&config, &lock, &Pinning::Kept, &Cache::of_user(network.offline))?)
}

/// What is meant most likely by a directory that is no project.
fn suggest(path: &Path) -> Option<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "stead"))
        .collect();
    files.sort();
    let above = std::path::absolute(path).ok()?;
    let project = above.ancestors().skip(1).find(|directory| directory.join("stead.toml").is_file());
    match (files.as_slice(), project) {
        ([file], _) => Some(format!("name the file: {}", file.strip_prefix("./").unwrap_or(file).display())),
        (_, Some(project)) => Some(format!("the project is {}", project.display())),
        ([], None) => Some("name a .stead file, or a directory with a stead.toml; `stead init` makes a project".into()),
        (_, None) => Some("name one of its .stead files, or make it a project with an empty stead.toml".into()),
    }
}

impl Loaded {
    /// The node to compile for: named by the arguments, else this machine.
    ///
    /// # Errors
    /// [`Failure::Diagnosed`] where a file of facts has mistakes; they were shown.
    pub(crate) fn node(&self, arguments: &NodeArguments, root: &Path, terminal: &Terminal) -> Result<NodeContext, Failure> {
        let facts = match &arguments.facts {
            Some(path) => {
                let (facts, found) = self.read_facts(path, &path.to_string_lossy())?;
                let failed = found.iter().any(Diagnostic::is_error);
                let texts = self.texts(&found);
                terminal.show_diagnostics(found, &texts);
                if failed {
                    return Err(Failure::Diagnosed);
                }
                facts
            }
            None => self.gather(root, terminal),
        };
        let hostname = facts.get("hostname").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("localhost");
        let name: Arc<str> = arguments.node.as_deref().unwrap_or(hostname).into();
        Ok(self.project.node(name, facts))
    }

    /// The facts of the machine at `root`, and those of the project's programs. What cannot be told is warned of: who uses it is told where.
    pub(crate) fn gather(&self, root: &Path, terminal: &Terminal) -> Map {
        let (facts, problems) = gather(self.project.config(), self.project.facts_type(), &self.root, root);
        for problem in problems {
            terminal.note(&terminal.warning_line("invalid-facts", &problem.to_string()));
        }
        facts
    }

    /// Reads a file of facts, which diagnostics call `name`, and what is wrong in it.
    pub(crate) fn read_facts(&self, path: &Path, name: &str) -> Result<(Map, Vec<Diagnostic>), Failure> {
        let bytes = std::fs::read(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
        let name: Arc<str> = name.into();
        let read = stead_compiler::facts::from_json(&name, &bytes, self.project.facts_type());
        self.facts.borrow_mut().push((name, String::from_utf8_lossy(&bytes).into()));
        Ok(read)
    }

    /// Compiles for one node, and shows what there is to say about the source.
    ///
    /// # Errors
    /// [`Failure::Diagnosed`] when there is no catalog.
    pub(crate) fn compile(&self, node: &NodeContext, terminal: &Terminal) -> Result<Catalog, Failure> {
        let (catalog, mut diagnostics) = stead_compiler::compile(&self.project, node);
        if !self.project.has_errors() {
            diagnostics.splice(0..0, self.project.diagnostics().iter().cloned());
            stead_compiler::diagnostic::arrange(&mut diagnostics);
        }
        // Hints are for editors and `check`.
        diagnostics.retain(|diagnostic| diagnostic.severity != stead_compiler::Severity::Hint);
        let texts = self.texts(&diagnostics);
        terminal.show_diagnostics(diagnostics, &texts);
        catalog.ok_or(Failure::Diagnosed)
    }

    /// Takes note of the texts of files of facts, for showing what is wrong in them.
    pub(crate) fn remember_facts(&self, texts: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) {
        self.facts.borrow_mut().extend(texts);
    }

    /// Gives up the sources and their syntax trees: from a catalog on, only the resource types are needed.
    pub(crate) fn into_registry(self) -> Registry {
        self.registry
    }

    /// The texts that diagnostics point into.
    pub(crate) fn texts(&self, diagnostics: &[Diagnostic]) -> Texts {
        let mut texts = self.facts.borrow().clone();
        for label in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels) {
            if !texts.iter().any(|(name, _)| *name == label.file)
                && let Some(text) = self.project.text(&label.file)
            {
                texts.push((label.file.clone(), text));
            }
        }
        Texts(texts)
    }
}

/// The facts of the machine at `machine`, and where that is the running one those of the project's programs; with what cannot be told.
pub(crate) fn gather(config: &Config, facts_type: &Type, root: &Path, machine: &Path) -> (Map, Vec<facts::FactsError>) {
    let (mut facts, mut problems) = facts::tell(machine);
    if machine == Path::new("/") {
        let directory = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let (told, failed) = told::told(&told::programs(config), &directory, told::max_age(config), facts_type);
        facts.extend(told);
        problems.extend(failed);
    }
    (facts, problems)
}

/// Loads and compiles for one node.
pub(crate) fn compile(arguments: &SourceArguments, terminal: &Terminal) -> Result<(Loaded, Catalog), Failure> {
    let loaded = load(&arguments.path, arguments.network)?;
    let node = loaded.node(&arguments.node, Path::new("/"), terminal)?;
    let catalog = loaded.compile(&node, terminal)?;
    Ok((loaded, catalog))
}

/// Files by name.
pub(crate) struct Texts(Vec<(Arc<str>, Arc<str>)>);

impl SourceText for Texts {
    fn text(&self, file: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| &**name == file).map(|(_, text)| &**text)
    }
}
