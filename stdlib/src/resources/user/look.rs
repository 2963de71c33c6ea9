//! Looking at what a user's account depends on.

use std::path::Path;

use stead_engine::{Ages, Known, ObserveError, Shadow, World};

use super::home::Skeleton;
use super::{NamedGroup, ObservedUser, User};
use crate::values::Account;

impl User {
    pub(super) fn observe_groups(&self, world: &dyn World) -> Result<Option<NamedGroup>, ObserveError> {
        let unknown_group = |name: &str| ObserveError::Impossible {
            code: "unknown-group",
            message: format!("there is no group `{name}` for the user `{}`", self.name),
            hint: format!("declare it: group \"{name}\" {{}}"),
        };
        for group in self.groups.iter().flatten() {
            if world.group(group)? == Known::Is(None) {
                return Err(unknown_group(group));
            }
        }
        match &self.group {
            None => Ok(None),
            Some(Account::Name(name)) => match world.group(name)? {
                Known::Is(Some(group)) => Ok(Some((name.clone(), group.gid))),
                Known::Is(None) => Err(unknown_group(name)),
                Known::Unknown(because) => Ok(Some((name.clone(), Known::Unknown(because)))),
            },
            Some(Account::Id(gid)) => match world.group_name(*gid) {
                Some(name) => Ok(Some((name, Known::Is(*gid)))),
                None => Err(unknown_group(&gid.to_string())),
            },
        }
    }

    /// Refuses a login shell that nobody could log in with. One that an account has already is left to whoever chose it.
    pub(super) fn refuse_shell(&self, world: &dyn World, present: Option<&stead_engine::User>) -> Result<(), ObserveError> {
        let Some(shell) = self.shell.as_ref().filter(|shell| present.is_none_or(|user| *user.shell != *shell.as_str())) else {
            return Ok(());
        };
        if world.exists(shell.as_path())? != Known::Is(false) {
            return Ok(());
        }
        Err(ObserveError::Impossible {
            code: "unknown-shell",
            message: format!("there is no shell {shell} for the user `{}`, and nothing planned before brings it", self.name),
            hint: "require the package that brings it, or choose a shell that is there: /etc/shells lists them".into(),
        })
    }

    pub(super) fn observe_shadow(&self, world: &dyn World) -> Result<Option<Shadow>, ObserveError> {
        let asks_hash = self.password_for(true).is_some() || self.locked.is_some();
        if !asks_hash && !self.asks_ages() {
            return Ok(None);
        }
        let hash = if asks_hash { world.password_hash(&self.name)?.known()? } else { None };
        let ages = if self.asks_ages() { world.account_ages(&self.name)?.known()? } else { Ages::default() };
        Ok(Some(Shadow { hash: hash.unwrap_or_else(|| "!".into()), ages }))
    }

    pub(super) fn observe_absent(
        &self,
        world: &dyn World,
        user: Known<Option<stead_engine::User>>,
    ) -> Result<ObservedUser, ObserveError> {
        if user.value().is_some_and(|user| user.as_ref().is_some_and(|user| user.uid == Known::Is(0))) {
            return Err(ObserveError::Impossible {
                code: "invalid-user",
                message: format!("`{}` is the superuser and cannot be removed", self.name),
                hint: "lock it: `locked = true`".into(),
            });
        }
        let home = match user.value().cloned().flatten() {
            Some(user) if self.remove_home => world.stat(Path::new(&*user.home))?,
            _ => Known::Is(None),
        };
        Ok(ObservedUser {
            own_group: world.group(&self.name)?,
            user,
            shadow: None,
            defaults: None,
            group: None,
            home,
            skeleton: Skeleton::default(),
        })
    }
}
