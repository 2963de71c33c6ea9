//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::terminal::Form;
mod elsewhere;
mod inventory;
mod many;
mod review;
mod runs;
mod secret;

pub(crate) use elsewhere::with_way_out;
pub(crate) use inventory::{InventoryArguments, InventoryCommand, InventorySource};
pub(crate) use many::{
    By, InventoryCleanArguments, ManyArguments, RolloutArguments, RolloutName, SshArguments, SshCheckArguments, WorkerArguments,
};
pub(crate) use review::{Forge, ReviewArguments, SignArguments};
pub(crate) use runs::{
    ConfirmArguments, DriftArguments, GcArguments, GuardArguments, HistoryArguments, LedgerArguments, PastArguments, RunName,
    ShowArguments, UndoArguments,
};
pub(crate) use secret::{
    SecretArguments, SecretCheckArguments, SecretCommand, SecretEditArguments, SecretKeygenArguments, SecretRekeyArguments,
    SecretSetArguments,
};

/// A typed state language, planned exactly and applied in parallel.
///
/// Write what a machine is to be in a .stead file; `stead check` finds the mistakes in it, `stead plan` shows exactly
/// what would change, `stead apply` changes only that.
#[derive(Debug, Parser)]
#[command(name = "stead", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 nothing to do or done, 1 error, 2 wrong usage.")]
pub(crate) struct Arguments {
    /// When to colour what is printed for people.
    ///
    /// `auto` colours on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE colours everywhere.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Open secrets with the keys in FILE; may be given several times [default: $STEAD_AGE_IDENTITY, else
    /// ~/.config/stead/identity and ~/.ssh/id_ed25519].
    #[arg(long, global = true, value_name = "FILE", num_args = 1)]
    pub(crate) identity: Vec<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Finds the mistakes in a file or project, without looking at any machine.
    ///
    /// Parses, resolves, checks types and compiles for this machine and for every node whose facts lie in the project
    /// as `facts/NODE.json` (what `stead facts --json` prints there; stead.toml may name another directory).
    Check(CheckArguments),
    /// Shows exactly what would change on this machine. Changes nothing.
    Plan(PlanArguments),
    /// Changes what the plan shows, after asking.
    ///
    /// Takes a file, a project, or a plan that `stead plan -o` has saved. Without a terminal to ask on it needs `--yes` or
    /// a saved plan. Ctrl-C finishes what runs and starts nothing more; a second one ends what runs.
    Apply(ApplyArguments),
    /// Shows how a change of the source changes the catalogs of all nodes, without looking at any machine.
    ///
    /// Compiles both revisions for every node whose facts lie in the project, and shows what differs: each change once, with
    /// the nodes it hits and the lines of source that caused it. `main..topic` compares two revisions, `main...topic` the second with
    /// where it parted from the first, and `main` alone compares it with your files.
    Review(ReviewArguments),
    /// Signs a saved plan with an SSH key.
    ///
    /// The signature is added to FILE.sig, as `ssh-keygen -Y sign` writes it. Where `[review]` of stead.toml demands signatures, `stead apply`
    /// takes nothing but a plan that so many different people have signed.
    Sign(SignArguments),
    /// Makes a project: a directory with what a project has.
    ///
    /// Writes stead.toml, site.stead, data/, templates/, files/, .gitignore and a README, and overwrites nothing.
    Init(InitArguments),
    /// Shows the machines that a project knows.
    ///
    /// They are declared in `inventory { … }` blocks of its sources, and come from inventories of other tools (Ansible's, Salt's rosters, the
    /// names of an ssh configuration) that stead.toml names.
    Inventory(InventoryArguments),
    /// Encrypts values of data files with age.
    ///
    /// A value is encrypted for the public keys that stead.toml names as `recipients`; who has one of the private keys can open it.
    Secret(SecretArguments),
    /// Shows what earlier runs did.
    History(HistoryArguments),
    /// Shows what a run did, attribute by attribute, from the journal.
    Show(ShowArguments),
    /// Brings back what was there before a run: shows the plan, asks, and applies it.
    ///
    /// What has changed since the run is told, and refused unless `--force`. What cannot be brought back is told as well.
    /// An undo is a run of its own and can be undone.
    Undo(UndoArguments),
    /// Pins and fetches the repositories that a project depends on.
    ///
    /// stead.toml names them, stead.lock pins each to a commit, and the user's own `git` fetches them into a cache
    /// ($STEAD_CACHE_DIR, else $XDG_CACHE_HOME/stead or ~/.cache/stead). Other commands take what stead.lock says, fetch what is
    /// missing, and never change it.
    Deps(DepsArguments),
    /// Keeps what `apply --confirm-within` did.
    Confirm(ConfirmArguments),
    /// Waits for a confirmation and undoes the run without one. Started by `apply --confirm-within`.
    #[command(hide = true)]
    Guard(GuardArguments),
    /// Shows what has changed on this machine since the last apply, and when.
    ///
    /// What differs and is still wanted as the last apply left it has drifted. What is wanted otherwise by now is not applied yet: `stead plan`
    /// shows that. Who made a change is told where the audit log tells.
    Drift(DriftArguments),
    /// Shows what a project with `ledger = true` made on this machine, and forgets what is to stay.
    ///
    /// What is made and no longer declared is offered for deletion by the next plan. What is forgotten belongs to nobody any more.
    Ledger(LedgerArguments),
    /// Drops what the journal is not to keep any longer.
    ///
    /// Each apply does so by itself, by `[journal]` of stead.toml. The newest run always stays.
    Gc(GcArguments),
    /// Rewrites source files in the one style there is.
    Fmt(FmtArguments),
    /// Serves an editor: the language server, on standard input and output.
    ///
    /// It is started by the editor; see the page of the language server in the book.
    Lsp(LspArguments),
    /// Shows what comes before what, and why.
    Graph(GraphArguments),
    /// Explains the code of an error, with an example and its mend.
    Explain(ExplainArguments),
    /// Shows the documentation of a resource type, or lists them.
    Docs(DocsArguments),
    /// Shows what this machine, or others, tell about themselves.
    Facts(FactsArguments),
    /// Tells for each host what works on the way to it, and what does not.
    ///
    /// Logs in, becomes another user where that is wanted, puts the worker there where it is missing, starts it, and says how long
    /// each took. Changes nothing but the cache of workers.
    SshCheck(SshCheckArguments),
    /// Works on this machine for an operator elsewhere. Started over ssh by `--on`.
    #[command(hide = true)]
    Worker(WorkerArguments),
    /// Shows every resource wanted on this machine or on others, typed and complete.
    Catalog(CatalogArguments),
    /// Tells where the value of an attribute came from.
    Why(WhyArguments),
    /// Writes the completions of a shell.
    Completions(CompletionsArguments),
    /// Writes the manual pages.
    Man(ManArguments),
}

impl Command {
    /// What it writes to standard output.
    pub(crate) fn form(&self) -> Form {
        let is_document = match self {
            Self::Check(CheckArguments { json: true, .. }) | Self::Apply(ApplyArguments { json: true, .. }) => {
                return Form::Lines;
            }
            Self::Undo(UndoArguments { json: true, yes: true, output: None, .. }) => return Form::Lines,
            Self::Plan(arguments) => arguments.overview.json,
            Self::Review(arguments) => arguments.overview.json,
            Self::Inventory(arguments) => arguments.command.is_json(),
            Self::Secret(arguments) => matches!(&arguments.command, SecretCommand::Check(check) if check.json),
            Self::History(HistoryArguments { json, .. })
            | Self::Show(ShowArguments { json, .. })
            | Self::Undo(UndoArguments { json, .. })
            | Self::Drift(DriftArguments { json, .. })
            | Self::Ledger(LedgerArguments { json, .. })
            | Self::Graph(GraphArguments { json, .. })
            | Self::Docs(DocsArguments { json, .. })
            | Self::Facts(FactsArguments { json, .. })
            | Self::SshCheck(SshCheckArguments { json, .. })
            | Self::Catalog(CatalogArguments { json, .. })
            | Self::Why(WhyArguments { json, .. }) => *json,
            _ => false,
        };
        if is_document { Form::Document } else { Form::Text }
    }
}

/// What to compile, and for which node.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// A .stead file, or a directory with a stead.toml.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
}

/// Whether dependencies may be fetched.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct NetworkArguments {
    /// Fetch no dependency: what is not in the cache is an error.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The directory; made where it is missing.
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DepsArguments {
    #[command(subcommand)]
    pub(crate) command: DepsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DepsCommand {
    /// Shows what stead.lock pins, and whether it was fetched.
    List(DepsListArguments),
    /// Pins what stead.lock does not pin yet, and fetches everything.
    Fetch(DepsFetchArguments),
    /// Pins every dependency to what its tag or branch is now, and fetches everything.
    Update(DepsUpdateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DepsListArguments {
    /// A directory with a stead.toml, or a .stead file beside one.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DepsFetchArguments {
    /// A directory with a stead.toml, or a .stead file beside one.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Fetch nothing: say whether everything is there.
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DepsUpdateArguments {
    /// A directory with a stead.toml, or a .stead file beside one.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Only these dependencies.
    #[arg(long, value_name = "NAME", num_args = 1)]
    pub(crate) only: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArguments {
    /// Compile for the node of this name [default: this machine's host name].
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Take the node's facts from a file that `stead facts --json` has written.
    #[arg(long, value_name = "FILE")]
    pub(crate) facts: Option<PathBuf>,
}

/// Which part of a catalog.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SelectArguments {
    /// Only these resources, types or tags, with everything they require.
    #[arg(long, value_name = "SELECTOR", num_args = 1)]
    pub(crate) only: Vec<String>,
    /// Leave out these resources, types or tags, with everything that requires them.
    #[arg(long, value_name = "SELECTOR", num_args = 1)]
    pub(crate) except: Vec<String>,
    /// Only resources with one of these tags, with everything they require.
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
    /// Leave alone what Stead made and nothing declares any more, this time.
    #[arg(long)]
    pub(crate) keep_orphans: bool,
}

/// Which machine.
#[derive(Clone, Debug, Args)]
pub(crate) struct MachineArguments {
    /// Work on the tree below DIR, such as an image, instead of on /.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Where the journal is kept [default: $STEAD_STATE_DIR, else /var/lib/stead, or $XDG_STATE_HOME/stead for a user].
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Whether a plan may ask the network.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FetchArguments {
    /// Fetch nothing for the plan.
    ///
    /// A plan that would install packages fetches them into Stead's own cache and reads what they bring. Without that, what is not
    /// at hand is known only when they are there.
    #[arg(long)]
    pub(crate) no_fetch: bool,
}

/// How the plans of many nodes are shown.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OverviewArguments {
    /// What stands together: each change with its nodes, nodes that change alike, or changes of one state.
    #[arg(long, value_enum, default_value_t = By::Change, value_name = "WHAT")]
    pub(crate) by: By,
    /// Write JSON.
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Write Markdown, short enough for a comment on a change.
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Write a page for a browser to FILE as well: searched, filtered and read without anything else.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// One line a change, without its details.
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    pub(crate) brief: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Compile for these hosts, with the facts that they tell over SSH.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Write one JSON object a line for each mistake.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a SARIF document, for forges and editors that show mistakes at their lines.
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) fetch: FetchArguments,
    /// Plan on these hosts over SSH, instead of on this machine.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Save the plan, for `stead apply FILE`.
    #[arg(short, long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overview: OverviewArguments,
    /// Show what is wanted on every node whose facts lie in the project, without looking at any machine.
    ///
    /// Each node is taken for a machine that has nothing yet.
    #[arg(long, conflicts_with_all = ["output", "root", "node", "facts"])]
    pub(crate) from_facts: bool,
    /// Exit with 2 when something would change.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ApplyArguments {
    /// A .stead file, a directory with a stead.toml, or a saved plan.
    #[arg(default_value = ".", value_name = "PATH|PLANFILE")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) fetch: FetchArguments,
    /// Apply only what FILE accepts: made in the page of `stead plan --html`, or by hand, a line `NODES RESOURCE` each.
    ///
    /// A change whose requisite would change as well has to be accepted together with that.
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    pub(crate) accept: Option<PathBuf>,
    /// Apply to no node but with the catalog that was reviewed for it, as `stead review --record FILE` has written it down.
    ///
    /// Other nodes are told with what differs, nothing is done there, and the rest goes on.
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    pub(crate) reviewed: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Write one JSON object a line for each event while running.
    #[arg(long)]
    pub(crate) json: bool,
    /// Undo the run when something fails.
    #[arg(long)]
    pub(crate) rollback_on_failure: bool,
    /// Undo the run unless `stead confirm` comes within this time after it: for changes that may lock you out.
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration)]
    pub(crate) confirm_within: Option<u64>,
    /// One line a resource, without its attributes.
    #[arg(long, conflicts_with = "json")]
    pub(crate) brief: bool,
    /// Trace the commands of exec resources, and warn of what they write without declaring it.
    ///
    /// What is not declared by `creates` or `writes` cannot be foreseen by a plan. Commands run slower while they are traced.
    #[arg(long)]
    pub(crate) audit_exec: bool,
    /// Stay, and put right what somebody else changes, as it happens.
    ///
    /// Watches the machine, not the source: a change of the source or of data is taken up by the next `stead apply --watch`.
    /// What is put right after the first run is not asked for again. Ctrl-C ends it.
    #[arg(long, conflicts_with_all = ["rollback_on_failure", "confirm_within"])]
    pub(crate) watch: bool,
    /// Apply on these hosts over SSH, instead of on this machine.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    #[command(flatten)]
    pub(crate) rollout: RolloutArguments,
    /// Go on with the hosts of an earlier apply that are not done: its number, or `last`.
    #[arg(long, value_name = "ROLLOUT", conflicts_with_all = ["on", "only", "except", "tags"])]
    pub(crate) resume: Option<RolloutName>,
}

#[derive(Debug, Args)]
pub(crate) struct LspArguments {
    /// Talk over standard input and output, as always: editors that say so are understood.
    #[arg(long)]
    pub(crate) stdio: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FmtArguments {
    /// Files, or directories whose .stead files are meant.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; exit with 1 and show the difference when a file is not in the style.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GraphArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Write the graph in the language of Graphviz.
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
    /// Write the graph as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, as in `error[unknown-attribute]`. All codes are listed when it is left out.
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DocsArguments {
    /// The resource type. All types are listed when it is left out.
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Write Markdown.
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FactsArguments {
    /// Write the facts as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Ask these hosts over SSH, instead of this machine.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Write what the hosts tell into the project, as facts/NODE.json, where it differs from what is there.
    #[arg(long, requires = "on")]
    pub(crate) store: bool,
    /// The project that knows the hosts, and programs that tell facts. Without one, ssh knows the hosts.
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Take what a host has told before, if that was not longer ago.
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::gc::duration, requires = "on")]
    pub(crate) max_age: Option<u64>,
    /// Tell about the tree below DIR instead of /.
    #[arg(long, value_name = "DIR", conflicts_with = "on")]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CatalogArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) select: SelectArguments,
    /// Show the catalogs of these hosts, from facts that they tell now.
    #[arg(long, value_name = "TARGETS")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) many: ManyArguments,
    /// Show the catalogs of the nodes whose facts lie in the project, without looking at any machine.
    #[arg(long, conflicts_with_all = ["node", "facts"])]
    pub(crate) from_facts: bool,
    /// Write the catalog as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// An attribute, or all of a resource: 'file["/etc/motd"].mode'.
    #[arg(value_name = "ATTRIBUTE")]
    pub(crate) attribute: String,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Write a page for each command into DIR; without it, stead(1) goes to standard output.
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
