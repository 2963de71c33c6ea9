//! A resource type that is one edit of one file.

use std::fmt::Debug;

use super::{Edited, EditedFile};

/// A resource type that is described by the file it edits and a pure function of that file's content.
pub(crate) trait Edits: Debug {
    /// The file, as the resource describes it.
    fn file(&self) -> EditedFile<'_>;

    /// The content as wanted, made from the content as found; `None` when it is so already.
    ///
    /// # Errors
    /// What is wrong with the content, with its line.
    fn edit(&self, text: &[u8]) -> Edited;
}

/// Implements `ResourceType` for a type that `Edits` a file.
///
/// With `removal: [names]`, the attributes that say which part of which file is meant when it is taken away.
macro_rules! edits_a_file {
    ($type:ty $(, removal: $keep:tt)?) => {
        impl stead_engine::ResourceType for $type {
            type Observed = $crate::edit::ObservedEdit;

            fn observe(&self, world: &dyn stead_engine::World) -> Result<Self::Observed, stead_engine::ObserveError> {
                $crate::edit::Edits::file(self).observe(world, |text| $crate::edit::Edits::edit(self, text))
            }

            fn diff(&self, observed: &Self::Observed) -> stead_engine::Difference {
                $crate::edit::Edits::file(self).diff(observed)
            }

            fn digest(&self, observed: &Self::Observed, hasher: &mut blake3::Hasher) -> bool {
                $crate::edit::Edits::file(self).digest(observed, hasher)
            }

            fn predict(
                &self,
                observed: &Self::Observed,
                difference: &stead_engine::Difference,
                effects: &mut stead_engine::Predicted<'_>,
            ) {
                $crate::edit::Edits::file(self).predict(observed, difference, effects);
            }

            fn apply(
                &self,
                observed: &Self::Observed,
                _: &stead_engine::Difference,
                machine: &stead_engine::Machine,
            ) -> Result<stead_engine::Applied, stead_engine::ApplyError> {
                $crate::edit::Edits::file(self).apply(observed, machine)
            }

            $(
                fn removal(&self) -> Option<stead_engine::Removal> {
                    Some(stead_engine::Removal::absent(&$keep))
                }
            )?
        }
    };
}

pub(crate) use edits_a_file;
