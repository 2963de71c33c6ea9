//! A part of a file as a part of a resource.

use std::fmt;
use std::sync::Arc;

use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, World};

use super::{Part, Seen, own};
use crate::edit::{Edited, EditedFile, ObservedEdit};
use crate::values::{AbsolutePath, Mode};

/// How a content becomes the wanted one.
type Edit = dyn Fn(&[u8]) -> Edited + Send + Sync;

/// A part of a file that other things are in as well; the file is made where it is missing.
pub(crate) struct EditPart {
    path: AbsolutePath,
    wanted: bool,
    new_mode: Mode,
    edit: Arc<Edit>,
}

impl fmt::Debug for EditPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditPart").field("path", &self.path).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl EditPart {
    /// A part that is wanted in the file, or not. A new file gets 0644.
    pub(crate) fn new(path: AbsolutePath, wanted: bool, edit: impl Fn(&[u8]) -> Edited + Send + Sync + 'static) -> Self {
        Self { path, wanted, new_mode: Mode(0o644), edit: Arc::new(edit) }
    }

    fn file(&self, wanted: bool) -> EditedFile<'_> {
        EditedFile { create: true, new_mode: self.new_mode, ..EditedFile::new(&self.path, wanted) }
    }
}

/// What was found, and whether something has to be in the file.
type Found = (bool, ObservedEdit);

impl Part for EditPart {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        // A file that would hold nothing is not made.
        let is_missing = self.wanted && matches!(world.stat(self.path.as_path())?, Known::Is(None));
        let wanted = self.wanted && !(is_missing && matches!((self.edit)(&[]), Ok(None)));
        let found: Found = (wanted, self.file(wanted).observe(world, |text| (self.edit)(text))?);
        Ok(Arc::new(found))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let (wanted, found) = own::<Found>(seen);
        self.file(*wanted).diff(found)
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let (wanted, found) = own::<Found>(seen);
        self.file(*wanted).digest(found, hasher)
    }

    fn predict(&self, seen: &Seen, difference: &Difference, effects: &mut Predicted<'_>) {
        let (wanted, found) = own::<Found>(seen);
        self.file(*wanted).predict(found, difference, effects);
    }

    fn apply(&self, seen: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let (wanted, found) = own::<Found>(seen);
        self.file(*wanted).apply(found, machine)
    }
}
