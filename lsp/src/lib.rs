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

use stead_catalog::Catalog;
use stead_compiler::{NodeContext, Schemas, Sources};

/// A directory that was opened.
pub struct Opened {
    /// Its files, as they are on disk from now on.
    pub sources: Arc<dyn Sources>,
    /// The modules of other projects that it depends on: name, and directory in `sources`.
    pub dependencies: BTreeMap<Arc<str>, Arc<str>>,
    /// Where directories of `sources` really are that do not lie in the project: `@name`, and the path.
    pub elsewhere: BTreeMap<Arc<str>, PathBuf>,
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
