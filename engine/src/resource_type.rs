//! What a resource type is to the engine: read, observe, diff, predict, apply, react.

use std::any::Any;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use stead_catalog::{Action, AttributeError, Attributes, Change, Command, Schema};

use crate::discreet::discreet;
use crate::ledger::Removal;
use crate::machine::Machine;
use crate::predicted::Predicted;
use crate::{ApplyError, ObserveError, PackageWish, Probe, Restorer, World, undo};

/// The difference between what is wanted and what was observed: decided here and nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What will be done; `Action::None` exactly when `changes` is empty and nothing has to run.
    pub action: Action,
    /// Attribute by attribute. An unknown side is `Shown::Unknown`.
    pub changes: Vec<Change>,
    /// Whether anything is to be done is known only later: why.
    pub unknown: Option<Arc<str>>,
}

impl Difference {
    /// Nothing to do.
    pub const NONE: Self = Self { action: Action::None, changes: Vec::new(), unknown: None };

    /// A difference in some attributes of a thing that is there; nothing to do when there are none.
    pub fn update(changes: Vec<Change>) -> Self {
        let action = if changes.is_empty() { Action::None } else { Action::Update };
        Self { action, changes, unknown: None }
    }

    /// Says whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        self.action == Action::None
    }
}

/// Resources of one class are changed one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockClass {
    /// Anything may run beside it.
    Free,
    /// dpkg's lock.
    Packages,
    /// passwd, shadow, group, gshadow.
    Accounts,
    /// The service manager's own configuration.
    Units,
}

/// What a watched change makes a resource do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReactionKind {
    /// Restart or reload.
    Restart,
    /// Run (again).
    Run,
}

/// How far an apply has come when it returns.
#[derive(Debug)]
pub enum Applied {
    /// The change is made; durable when the engine has synced the file system.
    Done,
    /// New content lies beside its destination. The engine syncs many of these at once and renames them into place.
    Staged(Vec<crate::machine::Staged>),
}

/// The attributes of a resource type and how they are read. `#[derive(Resource)]` writes it from a struct.
pub trait Described: Sized {
    /// Attributes and documentation.
    fn schema() -> Schema;

    /// Reads the attributes that the compiler has checked.
    ///
    /// # Errors
    /// When an attribute has another type than the schema says.
    fn read(attributes: &Attributes) -> Result<Self, AttributeError>;
}

/// A resource type. One file implements it, and the engine does the rest.
///
/// `observe` and `diff` are called for planning and again right before and after a change; they look and never touch.
/// `predict` tells later resources what the change will have done. `apply` makes exactly the change that `diff` decided.
pub trait ResourceType: Described + Debug + Send + Sync + 'static {
    /// What was seen, in the terms that `diff` compares: meaningful fields only, no inode or time.
    type Observed: Clone + Debug + Send + Sync + 'static;

    /// Looks at the machine.
    ///
    /// # Errors
    /// [`ObserveError::Unknown`] when nothing can be said before another resource is applied (prefer a field of
    /// type `Known` where a part can be said); every other variant is a failure of this resource.
    fn observe(&self, world: &dyn World) -> Result<Self::Observed, ObserveError>;

    /// Decides what to do. Pure.
    fn diff(&self, observed: &Self::Observed) -> Difference;

    /// Feeds the observed state into a digest; `false` when a part of it is unknown.
    fn digest(&self, observed: &Self::Observed, hasher: &mut blake3::Hasher) -> bool;

    /// Tells the predicted world what the change will have done. Pure but for `effects`.
    fn predict(&self, observed: &Self::Observed, difference: &Difference, effects: &mut Predicted<'_>);

    /// Makes the change, through the machine, which keeps the journal.
    ///
    /// # Errors
    /// What went wrong. The engine retries where the resource says so.
    fn apply(&self, observed: &Self::Observed, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError>;

    /// What a watched change makes it do.
    fn reaction(&self) -> Option<ReactionKind> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    /// What went wrong.
    fn react(&self, _machine: &Machine) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Says whether carrying out `difference` does what a reaction would do as well: a service that is being
    /// started need not be restarted.
    fn absorbs_reaction(&self, difference: &Difference) -> bool {
        !matches!(difference.action, Action::None | Action::Update)
    }

    /// Says whether a second look, which found `left` to do, means that the change did not do its work. A command that nothing can
    /// be observed of would run again and again; one that says what it creates is expected to have created it.
    fn settles(&self, left: &Difference) -> bool {
        left.action != Action::Run
    }

    /// Says what it means that a second look still finds `left` to do, where this type knows better than that something else wrote it.
    fn unmet(&self, left: &Difference) -> Option<Unmet> {
        let _ = left;
        None
    }

    /// How a guard of this resource (`only_if`, `unless`) is asked: as the engine's own user in `/`, unless it says otherwise.
    fn guard(&self, command: &Command) -> Probe {
        Probe { command: command.clone(), user: None, cwd: None, env: Vec::new(), timeout: None }
    }

    /// Paths that the change makes or writes besides those that the resource owns: what they were is kept for an undo.
    fn writes(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Whether the files it changes may hold its secrets, so that what is in them before is not kept.
    fn secrets_go(&self) -> SecretsGo {
        SecretsGo::IntoFiles
    }

    /// How it is taken away where Stead made it and nothing declares it any more. `None` for what only adjusts things.
    fn removal(&self) -> Option<Removal> {
        None
    }

    /// What must not run beside it.
    fn lock_class(&self) -> LockClass {
        LockClass::Free
    }

    /// Says whether looking at it and changing it take a few system calls and wait for nobody: several such resources then
    /// go to a thread together.
    fn is_brief(&self) -> bool {
        false
    }

    /// The package wish behind it: the engine simulates all wishes of a catalog at once, and applies those that are
    /// ready together as one transaction.
    fn package_wish(&self) -> Option<PackageWish> {
        None
    }
}

/// What a change that was made has not brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// In words.
    pub what: String,
    /// What to do about it.
    pub way_out: String,
}

/// Where the secrets of a resource end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsGo {
    /// Into the files it writes: what they hold before may be earlier secrets.
    IntoFiles,
    /// To a command, which may write them: what everybody may read is kept, for it is no secret.
    ToCommand,
    /// To a server that is asked, and nowhere else: everything is kept.
    ToServer,
}

/// An observed state of any resource type.
#[derive(Clone)]
pub struct Observation {
    state: Arc<dyn Any + Send + Sync>,
}

/// A resource of any type, ready to be planned and applied.
pub trait Managed: Debug + Send + Sync {
    /// See [`ResourceType::observe`].
    ///
    /// # Errors
    /// As there.
    fn observe(&self, world: &dyn World) -> Result<Observation, ObserveError>;
    /// See [`ResourceType::diff`].
    fn diff(&self, observed: &Observation) -> Difference;
    /// BLAKE3 over the observed state; `None` when a part of it is unknown.
    fn digest(&self, observed: &Observation) -> Option<[u8; 32]>;
    /// See [`ResourceType::predict`].
    fn predict(&self, observed: &Observation, difference: &Difference, effects: &mut Predicted<'_>);
    /// See [`ResourceType::apply`].
    ///
    /// # Errors
    /// As there.
    fn apply(&self, observed: &Observation, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError>;
    /// See [`ResourceType::reaction`].
    fn reaction(&self) -> Option<ReactionKind>;
    /// See [`ResourceType::react`].
    ///
    /// # Errors
    /// As there.
    fn react(&self, machine: &Machine) -> Result<(), ApplyError>;
    /// See [`ResourceType::absorbs_reaction`].
    fn absorbs_reaction(&self, difference: &Difference) -> bool;
    /// See [`ResourceType::settles`].
    fn settles(&self, left: &Difference) -> bool;
    /// See [`ResourceType::unmet`].
    fn unmet(&self, left: &Difference) -> Option<Unmet>;
    /// See [`ResourceType::guard`].
    fn guard(&self, command: &Command) -> Probe;
    /// See [`ResourceType::writes`].
    fn writes(&self) -> Vec<PathBuf>;
    /// See [`ResourceType::secrets_go`].
    fn secrets_go(&self) -> SecretsGo;
    /// See [`ResourceType::removal`].
    fn removal(&self) -> Option<Removal>;
    /// See [`ResourceType::lock_class`].
    fn lock_class(&self) -> LockClass;
    /// See [`ResourceType::is_brief`].
    fn is_brief(&self) -> bool;
    /// See [`ResourceType::package_wish`].
    fn package_wish(&self) -> Option<PackageWish>;
}

impl<T: ResourceType> Managed for T {
    fn observe(&self, world: &dyn World) -> Result<Observation, ObserveError> {
        ResourceType::observe(self, world).map(|state| Observation { state: Arc::new(state) })
    }

    fn diff(&self, observed: &Observation) -> Difference {
        ResourceType::diff(self, own::<T>(observed))
    }

    fn digest(&self, observed: &Observation) -> Option<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        ResourceType::digest(self, own::<T>(observed), &mut hasher).then(|| *hasher.finalize().as_bytes())
    }

    fn predict(&self, observed: &Observation, difference: &Difference, effects: &mut Predicted<'_>) {
        ResourceType::predict(self, own::<T>(observed), difference, effects);
    }

    fn apply(&self, observed: &Observation, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        ResourceType::apply(self, own::<T>(observed), difference, machine)
    }

    fn reaction(&self) -> Option<ReactionKind> {
        ResourceType::reaction(self)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        ResourceType::react(self, machine)
    }

    fn absorbs_reaction(&self, difference: &Difference) -> bool {
        ResourceType::absorbs_reaction(self, difference)
    }

    fn settles(&self, left: &Difference) -> bool {
        ResourceType::settles(self, left)
    }

    fn unmet(&self, left: &Difference) -> Option<Unmet> {
        ResourceType::unmet(self, left)
    }

    fn guard(&self, command: &Command) -> Probe {
        ResourceType::guard(self, command)
    }

    fn writes(&self) -> Vec<PathBuf> {
        ResourceType::writes(self)
    }

    fn secrets_go(&self) -> SecretsGo {
        ResourceType::secrets_go(self)
    }

    fn removal(&self) -> Option<Removal> {
        ResourceType::removal(self)
    }

    fn lock_class(&self) -> LockClass {
        ResourceType::lock_class(self)
    }

    fn is_brief(&self) -> bool {
        ResourceType::is_brief(self)
    }

    fn package_wish(&self) -> Option<PackageWish> {
        ResourceType::package_wish(self)
    }
}

/// Returns the observation as its own type's.
fn own<T: ResourceType>(observed: &Observation) -> &T::Observed {
    observed.state.downcast_ref().expect("an observation is handed back to the resource that made it")
}

/// One resource type in the registry.
#[derive(Clone, Copy)]
pub struct TypeEntry {
    schema: fn() -> Schema,
    read: fn(&Attributes) -> Result<Box<dyn Managed>, AttributeError>,
}

impl TypeEntry {
    /// The entry of a type whose resources are made by the engine itself and never read.
    pub(crate) const fn internal(schema: fn() -> Schema) -> Self {
        let unreadable = |_: &Attributes| {
            let (expected, found) = ("a resource that the engine made".to_owned(), "attributes".to_owned());
            Err(AttributeError { attribute: "name".to_owned(), expected, found })
        };
        Self { schema, read: unreadable }
    }

    /// The entry of a resource type.
    pub const fn of<T: ResourceType>() -> Self {
        Self { schema: T::schema, read: |attributes| Ok(discreet(Box::new(T::read(attributes)?), attributes)) }
    }

    /// Makes the schema.
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Reads a resource's attributes.
    ///
    /// # Errors
    /// When an attribute has another type than the schema says.
    pub fn read(&self, attributes: &Attributes) -> Result<Box<dyn Managed>, AttributeError> {
        (self.read)(attributes)
    }
}

/// The resource types an engine knows: a list that can be read.
#[derive(Clone)]
pub struct Registry {
    entries: Vec<(Arc<Schema>, TypeEntry)>,
    restorers: Vec<&'static Restorer>,
}

impl Registry {
    /// Makes a registry of these types.
    pub fn new(entries: &[TypeEntry]) -> Self {
        let entries = entries.iter().map(|entry| (Arc::new(entry.schema()), *entry)).collect();
        Self { entries, restorers: undo::OWN.to_vec() }
    }

    /// The same registry, with these ways to bring back what its types record.
    #[must_use]
    pub fn restoring(mut self, restorers: &[&'static Restorer]) -> Self {
        self.restorers.extend(restorers);
        self
    }

    /// Returns the way to bring back what was recorded under a kind.
    pub fn restorer(&self, kind: &str) -> Option<&'static Restorer> {
        self.restorers.iter().copied().find(|restorer| restorer.kind == kind)
    }

    /// The same registry, with these types in the place of those of the same name.
    #[must_use]
    pub(crate) fn overlaid(mut self, entries: &[TypeEntry]) -> Self {
        for entry in entries {
            let schema = Arc::new(entry.schema());
            self.entries.retain(|(known, _)| known.name != schema.name);
            self.entries.push((schema, *entry));
        }
        self
    }

    /// All ways to bring things back.
    pub fn restorers(&self) -> &[&'static Restorer] {
        &self.restorers
    }

    /// Returns the type of this name.
    pub fn get(&self, name: &str) -> Option<TypeEntry> {
        self.entries.iter().find(|(schema, _)| &*schema.name == name).map(|(_, entry)| *entry)
    }

    /// Returns the schema of the type of this name.
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.entries.iter().find(|(schema, _)| &*schema.name == name).map(|(schema, _)| schema)
    }

    /// All schemas, in the order of registration.
    pub fn schemas(&self) -> Vec<Schema> {
        self.entries.iter().map(|(schema, _)| (**schema).clone()).collect()
    }
}
