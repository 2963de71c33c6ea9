//! Resource types that decide several things on a machine: files, a part of a file, a live setting, a unit.
//!
//! Each thing is a [`Part`] with its own look, difference and change. A part looks at the machine as the parts before it will
//! have left it, so that a timer can be started whose unit file is only planned. A resource type says which parts it has; everything else
//! happens here.

mod file;
mod kernel;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use stead_catalog::{Action, Attributes, Change, Shown, Value};
use stead_engine::{Applied, ApplyError, Described, Difference, Machine, ObserveError, Predicted, ResourceType, World};

pub(crate) use self::file::EditPart;
pub(crate) use self::kernel::{KERNEL_SETTINGS, KernelPart, normalized};
use crate::resources::directory;

/// What a part has seen.
pub(crate) type Seen = Arc<dyn Any + Send + Sync>;

/// One of the things that a resource decides.
pub(crate) trait Part: Debug + Send + Sync {
    /// Looks at the machine.
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError>;
    /// Decides what to do. Pure.
    fn diff(&self, seen: &Seen) -> Difference;
    /// Feeds what was seen into a digest; `false` when a part of it is unknown.
    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool;
    /// Tells the predicted world what the change will have done.
    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>);
    /// Makes the change.
    fn apply(&self, seen: &Seen, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError>;
}

/// What was seen, as the type that the part made it of.
pub(crate) fn own<T: 'static>(seen: &Seen) -> &T {
    seen.downcast_ref().expect("what was seen is handed back to the part that saw it")
}

/// A resource of another type as a part of this one, with its defaults where nothing is said.
pub(crate) fn made<T: Described>(attributes: impl IntoIterator<Item = (&'static str, Value)>) -> T {
    let attributes: Attributes = attributes.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    T::read(&attributes).expect("the values are of the attributes' types")
}

impl<T: ResourceType> Part for T {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        Ok(Arc::new(ResourceType::observe(self, world)?))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        ResourceType::diff(self, own::<T::Observed>(seen))
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        ResourceType::digest(self, own::<T::Observed>(seen), hasher)
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        ResourceType::predict(self, own::<T::Observed>(seen), difference, effects);
    }

    fn apply(&self, seen: &Seen, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        ResourceType::apply(self, own::<T::Observed>(seen), difference, machine)
    }
}

/// How the changes of a part are named among those of its resource.
#[derive(Clone, Debug)]
enum Label {
    /// As the part names them.
    Own,
    /// A file: its content by this name, and its mode and owner by that name and theirs. Those of a new file are not told.
    File(&'static str),
    /// A directory that is made where it is missing: told by its path.
    Directory(Arc<str>),
    /// A unit: whether it runs is told as `running`, for `state` is the resource's own.
    Unit,
}

/// The parts of a resource, in the order in which they are changed.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    list: Vec<(Label, Arc<dyn Part>)>,
}

/// What was seen of a resource's parts.
#[derive(Clone, Debug)]
pub struct ObservedParts {
    list: Vec<SeenPart>,
}

#[derive(Clone, Debug)]
struct SeenPart {
    label: Label,
    part: Arc<dyn Part>,
    seen: Seen,
    difference: Difference,
}

impl Parts {
    /// Adds a part whose changes are named as it names them.
    pub(crate) fn push(&mut self, part: impl Part + 'static) {
        self.list.push((Label::Own, Arc::new(part)));
    }

    /// Adds a file; the change of its content is told as `name`.
    pub(crate) fn push_file(&mut self, name: &'static str, part: impl Part + 'static) {
        self.list.push((Label::File(name), Arc::new(part)));
    }

    /// Adds the directory that a distribution's configuration files of one kind lie in: where it is missing it is made, and it is nobody's otherwise.
    pub(crate) fn push_directory(&mut self, path: impl Into<Arc<str>>) {
        let path = path.into();
        let part = made::<directory::Directory>([("path", Value::String(path.clone()))]);
        self.list.push((Label::Directory(path), Arc::new(part)));
    }

    /// Adds a unit that runs or starts at boot; what comes before it is in place by then.
    pub(crate) fn push_unit(&mut self, part: impl Part + 'static) {
        self.list.push((Label::Unit, Arc::new(part)));
    }

    /// Looks at each part, on the machine as the parts before will have left it.
    ///
    /// # Errors
    /// What looking at a part fails with. A part that is known later makes the whole known later.
    pub(crate) fn observe(self, world: &dyn World) -> Result<ObservedParts, ObserveError> {
        let mut effects = Predicted::new(world);
        let mut list = Vec::with_capacity(self.list.len());
        for (label, part) in self.list {
            let seen = part.observe(&effects)?;
            let difference = part.diff(&seen);
            if !difference.is_none() {
                part.predict(&seen, &difference, &mut effects);
            }
            list.push(SeenPart { label, part, seen, difference });
        }
        Ok(ObservedParts { list })
    }
}

impl ObservedParts {
    /// The parts that are to be changed.
    fn open(&self) -> impl Iterator<Item = &SeenPart> {
        self.list.iter().filter(|part| !part.difference.is_none())
    }

    /// What is to be done: the changes of all parts. It is a creation, a removal or a replacement where the first part that is changed is one and
    /// all others that are changed go along with it.
    pub(crate) fn diff(&self) -> Difference {
        let Some(first) = self.open().next() else { return Difference::NONE };
        let is_all = |action: Action| self.open().all(|part| part.difference.action == action);
        let begins = |action: Action| first.difference.action == action;
        let action = if begins(Action::Create) && self.open().all(|part| part.difference.action != Action::Delete) {
            Action::Create
        } else if self.open().any(|part| part.difference.action == Action::Delete) && self.open().all(takes_away) {
            Action::Delete
        } else if begins(Action::Replace) || is_all(Action::Run) {
            first.difference.action
        } else {
            Action::Update
        };
        let is_unknown = self.open().all(|part| part.difference.unknown.is_some());
        let unknown = first.difference.unknown.clone().filter(|_| is_unknown);
        Difference { action, changes: self.open().flat_map(SeenPart::changes).collect(), unknown }
    }

    /// Feeds what was seen into a digest; `false` when a part of it is unknown.
    pub(crate) fn digest(&self, hasher: &mut blake3::Hasher) -> bool {
        self.list.iter().all(|part| part.part.digest(&part.seen, hasher))
    }

    /// Tells the predicted world what the changes will have done.
    pub(crate) fn predict(&self, effects: &mut Predicted<'_>) {
        for part in self.open() {
            part.part.predict(&part.seen, &part.difference, effects);
        }
    }

    /// Makes the changes, one part after the other.
    ///
    /// # Errors
    /// What the first part fails with that does; those before it are changed.
    pub(crate) fn apply(&self, machine: &Machine) -> Result<Applied, ApplyError> {
        let mut staged = Vec::new();
        for part in self.open() {
            if !matches!(part.label, Label::File(_) | Label::Directory(_)) {
                // What is not a file may count on the files.
                machine.commit(std::mem::take(&mut staged))?;
            }
            match part.part.apply(&part.seen, &part.difference, machine)? {
                Applied::Done => {}
                Applied::Staged(files) => staged.extend(files),
            }
        }
        Ok(if staged.is_empty() { Applied::Done } else { Applied::Staged(staged) })
    }
}

/// The change of a unit's state, told as whether it runs.
fn running(change: &Change) -> Change {
    let mut change = change.clone();
    if &*change.attribute == "state" {
        change.attribute = "running".into();
        for side in [&mut change.before, &mut change.after] {
            let word = match side {
                Shown::Value(value) => value.as_str().map(str::to_owned),
                _ => None,
            };
            match word.as_deref() {
                Some("running") => *side = Shown::Value(Value::Bool(true)),
                Some("stopped") => *side = Shown::Value(Value::Bool(false)),
                _ => {}
            }
        }
    }
    change
}

/// Says whether what is done to a part goes along with the removal of its resource: a service that is stopped, a line that goes.
fn takes_away(part: &SeenPart) -> bool {
    let adds = |change: &Change| matches!(change.before, Shown::Absent);
    part.difference.action == Action::Delete || !part.difference.changes.iter().any(adds)
}

impl SeenPart {
    fn changes(&self) -> Vec<Change> {
        let name = match &self.label {
            Label::Own => return self.difference.changes.clone(),
            Label::Unit => return self.difference.changes.iter().map(running).collect(),
            Label::Directory(path) if self.difference.action == Action::Create => {
                return vec![Change::value("directory", Shown::Absent, Shown::Value(Value::String(path.clone())))];
            }
            Label::Directory(_) => "directory",
            Label::File(name) => name,
        };
        let is_main = |change: &Change| matches!(&*change.attribute, "content" | "target");
        let is_new = |change: &Change| matches!(change.before, Shown::Absent) && !is_main(change);
        let told = self.difference.changes.iter().filter(|change| !is_new(change)).cloned();
        told.map(|mut change| {
            change.attribute = match &*change.attribute {
                "content" | "target" => name.into(),
                other if name == "content" => other.into(),
                other => format!("{name}_{other}").into(),
            };
            change
        })
        .collect()
    }
}

/// Implements `ResourceType` for a type that has `fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError>`; further methods
/// of the trait stand in the braces.
macro_rules! resource_of_parts {
    ($ty:ty { $($more:tt)* }) => {
        impl ::stead_engine::ResourceType for $ty {
            type Observed = $crate::parts::ObservedParts;

            fn observe(
                &self,
                world: &dyn ::stead_engine::World,
            ) -> ::std::result::Result<Self::Observed, ::stead_engine::ObserveError> {
                self.parts(world)?.observe(world)
            }

            fn diff(&self, observed: &Self::Observed) -> ::stead_engine::Difference {
                observed.diff()
            }

            fn digest(&self, observed: &Self::Observed, hasher: &mut ::blake3::Hasher) -> bool {
                observed.digest(hasher)
            }

            fn predict(
                &self,
                observed: &Self::Observed,
                _: &::stead_engine::Difference,
                effects: &mut ::stead_engine::Predicted<'_>,
            ) {
                observed.predict(effects);
            }

            fn apply(
                &self,
                observed: &Self::Observed,
                _: &::stead_engine::Difference,
                machine: &::stead_engine::Machine,
            ) -> ::std::result::Result<::stead_engine::Applied, ::stead_engine::ApplyError> {
                observed.apply(machine)
            }

            $($more)*
        }
    };
}

pub(crate) use resource_of_parts;
