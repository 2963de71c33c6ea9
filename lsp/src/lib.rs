//! The language server: what an editor asks about a project, answered by the compiler.
//!
//! There is no second parser, resolver or type rule here. A request is translated into a question to [`stead_compiler`] (its index of
//! places, its diagnostics, a probe of what could stand at a place) and the answer into the protocol. Each feature is a file in
//! `features`. The protocol's types are known here and nowhere else.
//!
//! The server is synchronous: one thread reads messages, one answers them in order, one compiles for the known nodes in the
//! background, and long commands run on threads of their own. What it cannot do by itself (opening directories, asking this machine for facts,
//! planning) is handed in as a [`Host`].

mod config;
mod diagnostics;
mod dispatch;
mod documents;
mod features;
mod overlay;
mod server;
mod snapshot;
#[cfg(test)]
mod testing;
mod text;
mod transport;
mod uri;
mod workspace;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Catalog, Map};
use stead_compiler::config::Config as ProjectConfig;
use stead_compiler::inventory::InventoryText;
use stead_compiler::secrets::{Locked, Unseal};
use stead_compiler::{NodeContext, Project, Schemas, Sources};

/// A directory that was opened.
pub struct Opened {
    /// Its files, as they are on disk from now on.
    pub sources: Arc<dyn Sources>,
    /// The modules of other projects that it depends on: name, and directory in `sources`.
    pub dependencies: BTreeMap<Arc<str>, Arc<str>>,
    /// Where directories of `sources` really are that do not lie in the project: `@name`, and the path.
    pub elsewhere: BTreeMap<Arc<str>, PathBuf>,
}

/// The inventories of other tools that a project names.
#[derive(Default)]
pub struct Inventories {
    /// Those that were read, by their paths in `stead.toml`.
    pub texts: BTreeMap<Arc<str>, Vec<InventoryText>>,
    /// What was not read, and why, a line each.
    pub unread: Vec<String>,
}

/// What the server needs from outside: files, this machine, plans.
pub trait Host: Send + Sync + 'static {
    /// The resource types.
    fn schemas(&self) -> Arc<Schemas>;

    /// Opens the directory of a project.
    ///
    /// # Errors
    /// Why it cannot be opened, in words.
    fn open(&self, root: &Path) -> Result<Opened, String>;

    /// What looks at secrets. It opens none: an editor looks at types.
    fn secrets(&self) -> Arc<dyn Unseal> {
        Arc::new(Locked)
    }

    /// Reads the inventories that a project's `stead.toml` names. `buffer` has the texts of files that count in place of those on disk; a
    /// program is run only where `may_run`.
    fn inventories(
        &self,
        root: &Path,
        config: &ProjectConfig,
        buffer: &dyn Fn(&Path) -> Option<Arc<[u8]>>,
        may_run: bool,
    ) -> Inventories;

    /// The facts that a project's programs tell of this machine; they are run only where `may_run`. `None` where some are not known.
    fn told(&self, root: &Path, project: &Project, may_run: bool) -> Option<Map>;

    /// This machine as a node.
    ///
    /// # Errors
    /// Why its facts are not known, in words.
    fn this_node(&self) -> Result<NodeContext, String>;

    /// Plans a catalog against this machine, as Markdown. Changes nothing.
    ///
    /// # Errors
    /// Why it cannot be planned, in words.
    fn plan(&self, catalog: &Catalog) -> Result<String, String>;

    /// Tells what a catalog of another machine wants, as Markdown. Nobody looks at that machine.
    ///
    /// # Errors
    /// Why that cannot be told, in words.
    fn wanted(&self, catalog: &Catalog) -> Result<String, String>;
}

/// Serves one client until it says goodbye or goes away. Returns whether it said goodbye as the protocol wants it: `shutdown` before `exit`.
///
/// `log` takes what went wrong, a line each.
pub fn serve(
    host: Arc<dyn Host>,
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    log: impl Fn(&str) + Send + Sync + 'static,
) -> bool {
    server::serve(host, input, output, Arc::new(log))
}
