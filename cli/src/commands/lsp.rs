//! `stead lsp`: the language server, on standard input and output.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_catalog::{Catalog, Map, Value};
use stead_compiler::config::Config;
use stead_compiler::lints::PackageLists;
use stead_compiler::secrets::Unseal;
use stead_compiler::{NodeContext, Project, Schemas};
use stead_engine::{Registry, RootSpec, facts};
use stead_lsp::{Host, Inventories, Opened};
use stead_report::{GroupBy, NodeChanges, Overview, OverviewKind, overview_markdown};

use crate::args::{ColorChoice, LspArguments, NetworkArguments};
use crate::failure::Failure;
use crate::inventories::{Printed, home};
use crate::packages::OfThisMachine;
use crate::sources::DirectorySources;
use crate::terminal::{Form, Terminal};
use crate::{machine, project, stored};

pub(crate) fn run(_: &LspArguments, _: &Terminal) -> Result<ExitCode, Failure> {
    stead_compiler::first_in_background(step_back);
    let registry = stead_stdlib::registry();
    let schemas = Arc::new(Schemas::new(registry.schemas()));
    let host = Arc::new(ThisMachine { registry, schemas, printed: Printed::default(), told: Mutex::default() });
    let log = |line: &str| Terminal::new(ColorChoice::Never, Form::Text).note(&format!("{}\n", stead_report::clean(line)));
    let said_goodbye = stead_lsp::serve(host, BufReader::new(std::io::stdin()), std::io::stdout(), log);
    Ok(if said_goodbye { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets what somebody waits for go before what this thread does.
fn step_back() {
    // Where that is not allowed, both share the machine.
    let _ = rustix::process::nice(10);
}

/// What the server may ask of this machine. Nothing is fetched and nothing is changed.
struct ThisMachine {
    registry: Registry,
    schemas: Arc<Schemas>,
    /// What inventories that are programs printed.
    printed: Printed,
    /// What programs told for facts, by what was asked.
    told: Mutex<BTreeMap<String, Map>>,
}

impl Host for ThisMachine {
    fn schemas(&self) -> Arc<Schemas> {
        self.schemas.clone()
    }

    fn open(&self, root: &Path) -> Result<Opened, String> {
        let network = NetworkArguments { offline: true };
        // Without a dependency the rest of the project is of use.
        let (directories, trees) = match project::dependencies(root, network) {
            Ok(found) => (found.directories, found.trees),
            Err(_) => (BTreeMap::new(), BTreeMap::new()),
        };
        let own = DirectorySources::open(root).map_err(|error| error.to_string())?;
        let sources = crate::dependencies::ProjectSources::open(own, &trees)
            .map_err(|(path, error)| format!("{}: {error}", path.display()))?;
        let mut elsewhere: BTreeMap<Arc<str>, _> =
            trees.into_iter().map(|(name, path)| (crate::dependencies::prefix(&name).into(), path)).collect();
        // An inventory is named as stead.toml names it.
        elsewhere.insert("~".into(), home());
        Ok(Opened { sources: Arc::new(sources), dependencies: directories, elsewhere })
    }

    fn secrets(&self) -> Arc<dyn Unseal> {
        Arc::new(crate::secrets::SealedOnly)
    }

    fn inventories(
        &self,
        root: &Path,
        config: &Config,
        buffer: &dyn Fn(&Path) -> Option<Arc<[u8]>>,
        may_run: bool,
    ) -> Inventories {
        let (texts, unread) = crate::inventories::read_for_editor(root, config, buffer, may_run, &self.printed);
        Inventories { texts, unread }
    }

    fn told(&self, root: &Path, project: &Project, may_run: bool) -> Option<Map> {
        let programs = crate::told::programs(project.config());
        if programs.is_empty() {
            return Some(Map::new());
        }
        let directory = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let max_age = project.config().facts.max_age_ns.map(Duration::from_nanos);
        if !may_run {
            return crate::told::kept_only(&programs, &directory, max_age, project.facts_type());
        }
        // Asked once: an editor compiles at every keystroke.
        let key = crate::told::key(&programs, &[directory.as_os_str().as_encoded_bytes()]);
        let known = || self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = known().get(&key) {
            return Some(told.clone());
        }
        let (told, _) = crate::told::told(&programs, &directory, max_age, project.facts_type());
        known().insert(key, told.clone());
        Some(told)
    }

    fn this_node(&self) -> Result<NodeContext, String> {
        // What cannot be used is told by `stead facts`, and hinders nothing here either.
        let (facts, _) = facts::tell(Path::new("/"));
        let hostname = facts.get("hostname").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("localhost");
        let name: Arc<str> = hostname.into();
        let packages: Option<Arc<dyn PackageLists>> = Some(Arc::new(OfThisMachine::default()));
        Ok(NodeContext { name, facts, packages, ..NodeContext::default() })
    }

    fn plan(&self, catalog: &Catalog) -> Result<String, String> {
        let root = RootSpec::Machine;
        let state_dir = machine::state_dir(None, &root);
        let terminal = Terminal::new(ColorChoice::Never, Form::Text);
        let planned =
            machine::plan(catalog, &self.registry, &root, &state_dir, None, &terminal).map_err(|error| error.to_string())?;
        Ok(stead_report::markdown(&[&planned.plan]))
    }

    fn wanted(&self, catalog: &Catalog) -> Result<String, String> {
        let plan = stored::with_types(&self.registry, |types| stead_report::wanted(catalog, types));
        let mut overview = Overview::new(OverviewKind::Wanted);
        overview.add(NodeChanges::of(plan, super::plan::states_of(catalog)));
        Ok(overview_markdown(&overview, GroupBy::Change))
    }
}
