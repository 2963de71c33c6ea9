//! The machine as it will be: predicted effects above the observed machine.

use std::path::Path;
use std::sync::Arc;

use crate::{Group, PackageState, Stat, UnitState, User, World};

/// A world with the effects of the resources planned so far.
pub struct Predicted<'a> {
    base: &'a dyn World,
}

impl<'a> Predicted<'a> {
    /// A world like `base`, with no effects yet.
    pub fn new(base: &'a dyn World) -> Self {
        Self { base }
    }

    /// The machine below.
    pub fn base(&self) -> &'a dyn World {
        self.base
    }

    /// A file, directory or symlink will be here. `content` of a regular file; `None` when it is not known, with `stat.size` then meaningless.
    pub fn put(&mut self, _path: &Path, _stat: Stat, _content: Option<Arc<[u8]>>) {}

    /// Nothing will be here, nor below.
    pub fn remove(&mut self, _path: &Path) {}

    /// What is here, or whether anything is, is known only after `because`.
    pub fn obscure(&mut self, _path: &Path, _because: &str) {}

    /// A user account will be like this.
    pub fn put_user(&mut self, _user: User) {}

    /// A user account will be gone.
    pub fn remove_user(&mut self, _name: &str) {}

    /// A group will be like this.
    pub fn put_group(&mut self, _group: Group) {}

    /// A group will be gone.
    pub fn remove_group(&mut self, _name: &str) {}

    /// A package will be in this state.
    pub fn put_package(&mut self, _name: &str, _state: PackageState) {}

    /// A unit will be in this state.
    pub fn put_unit(&mut self, _name: &str, _state: UnitState) {}

    /// From here on, resources that come after the current one by a requisite find that absent paths, users, groups and units may
    /// have been brought by it: they are `Unknown(because)`.
    pub fn may_bring(&mut self, _because: &str) {}
}
