//! `stead lsp`: the language server, on standard input and output.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use stead_catalog::{Catalog, Value};
use stead_compiler::{NodeContext, Schemas};
use stead_engine::{Registry, RootSpec, facts};
use stead_lsp::{Host, Opened};

use crate::args::{ColorChoice, LspArguments, NetworkArguments};
use crate::failure::Failure;
use crate::sources::DirectorySources;
use crate::terminal::Terminal;
use crate::{machine, project};

pub(crate) fn run(_: &LspArguments, _: &Terminal) -> Result<ExitCode, Failure> {
    let registry = stead_stdlib::registry();
    let schemas = Arc::new(Schemas::new(registry.schemas()));
    let host = Arc::new(ThisMachine { registry, schemas });
    let log = |line: &str| Terminal::new(ColorChoice::Never).note(&format!("{}\n", stead_report::clean(line)));
    let said_goodbye = stead_lsp::serve(host, BufReader::new(std::io::stdin()), std::io::stdout(), log);
    Ok(if said_goodbye { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the server may ask of this machine. Nothing is fetched and nothing is changed.
struct ThisMachine {
    registry: Registry,
    schemas: Arc<Schemas>,
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
        let elsewhere = trees.into_iter().map(|(name, path)| (crate::dependencies::prefix(&name).into(), path)).collect();
        Ok(Opened { sources: Arc::new(sources), dependencies: directories, elsewhere })
    }

    fn this_node(&self) -> Result<NodeContext, String> {
        let facts = facts::gather(Path::new("/")).map_err(|error| error.to_string())?;
        let hostname = facts.get("hostname").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("localhost");
        let name: Arc<str> = hostname.into();
        Ok(NodeContext { name, facts, ..NodeContext::default() })
    }

    fn plan(&self, catalog: &Catalog) -> Result<String, String> {
        let root = RootSpec::Machine;
        let state_dir = machine::state_dir(None, &root);
        let terminal = Terminal::new(ColorChoice::Never);
        let planned =
            machine::plan(catalog, &self.registry, &root, &state_dir, None, &terminal).map_err(|error| error.to_string())?;
        Ok(stead_report::markdown(&[&planned.plan]))
    }
}
