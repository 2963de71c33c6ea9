//! What a change of an account does: to the predicted world, and to the machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::system::accounts::Tool;
use stead_engine::undo::recorded_strings;
use stead_engine::{ApplyError, FileKind, Known, Machine, Owner, Predicted, Restore, Restorer, Stat, World};

use super::{ObservedUser, Primary, State, User, subordinate};
use crate::accounts;

/// A user is brought back with all its fields but the password, which is never kept.
pub(crate) static USER: Restorer = Restorer {
    kind: "user",
    is_tree: false,
    look: |world, name| Ok(world.user(name)?.known()?.map_or(serde_json::Value::Null, |user| fields(&user))),
    restore: |name, before| {
        let user = Restore::resource("user", "name", name);
        if before.is_null() {
            return user.with("state", "absent").into();
        }
        let number = |key: &str| before.get(key).and_then(serde_json::Value::as_i64);
        let text = |key: &str| before.get(key).and_then(serde_json::Value::as_str);
        let truth = |key: &str| before.get(key).and_then(serde_json::Value::as_bool);
        let groups = recorded_strings(before, "groups");
        user.with_some("uid", number("uid"))
            .with_some("group", number("gid"))
            .with_some("home", text("home"))
            .with("create_home", false)
            .with_some("move_home", truth("moved"))
            .with_some("shell", text("shell").filter(|shell| !shell.is_empty()))
            .with_some("comment", text("comment"))
            .with("exclusive_groups", groups.is_some())
            .with_some("groups", groups)
            .with_some("expires", text("expires"))
            .with_some("password_min_days", number("password_min_days"))
            .with_some("password_max_days", number("password_max_days"))
            .with_some("password_warn_days", number("password_warn_days"))
            .with_some("password_inactive_days", number("password_inactive_days"))
            .with_some("locked", truth("locked"))
            .without(before.get("password").is_some(), "its password, which is never kept")
            .into()
    },
};

fn fields(user: &stead_engine::User) -> serde_json::Value {
    serde_json::json!({
        "uid": user.uid.value(),
        "gid": user.gid.value(),
        "comment": &*user.comment,
        "home": &*user.home,
        "shell": &*user.shell,
        "groups": user.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
    })
}

impl User {
    /// The account as it will be.
    pub(super) fn predicted_user(
        &self,
        observed: &ObservedUser,
        present: Option<&stead_engine::User>,
        effects: &mut Predicted<'_>,
    ) -> stead_engine::User {
        let defaults = observed.defaults.as_ref();
        let mut user = present.cloned().unwrap_or_else(|| {
            let (group, gid) = match self.primary(observed) {
                Primary::There(name, gid) => (name, gid),
                Primary::Made => {
                    let gid = Known::Unknown(self.because());
                    let group = stead_engine::Group { name: self.name.clone(), gid: gid.clone(), members: Vec::new() };
                    effects.put_group(group);
                    (self.name.clone(), gid)
                }
            };
            stead_engine::User {
                name: self.name.clone(),
                uid: Known::Unknown(self.because()),
                gid,
                group: Some(group),
                comment: "".into(),
                home: self.home_of(None, defaults),
                shell: defaults.map_or_else(|| "/bin/sh".into(), |defaults| defaults.shell.clone()),
                groups: Vec::new(),
            }
        });
        if let Some(uid) = self.uid {
            user.uid = Known::Is(uid);
        }
        if let Some((name, gid)) = &observed.group {
            user.group = Some(name.clone());
            user.gid = gid.clone();
        }
        if let Some(groups) = self.wanted_groups(&user.groups) {
            user.groups = groups;
        }
        if let Some(home) = &self.home {
            user.home = home.shared().clone();
        }
        if let Some(shell) = &self.shell {
            user.shell = shell.shared().clone();
        }
        if let Some(comment) = &self.comment {
            user.comment = comment.clone();
        }
        user
    }

    pub(super) fn predict_home(
        &self,
        observed: &ObservedUser,
        user: &stead_engine::User,
        is_new: bool,
        effects: &mut Predicted<'_>,
    ) {
        let path = Path::new(&*user.home);
        match &observed.home {
            Known::Is(Some(_)) => {}
            Known::Unknown(because) => effects.obscure(path, because),
            Known::Is(None) => {
                let owner = |id: &Known<u32>, name: &Arc<str>| match id {
                    Known::Is(id) => Owner::Id(*id),
                    Known::Unknown(_) => Owner::Pending(name.clone()),
                };
                let uid = owner(&user.uid, &user.name);
                let gid = owner(&user.gid, user.group.as_ref().unwrap_or(&user.name));
                let directory = |mode, uid, gid| Stat { kind: FileKind::Directory, mode, uid, gid, size: 0, target: None };
                let missing: Vec<&Path> =
                    path.ancestors().skip(1).take_while(|above| matches!(effects.stat(above), Ok(Known::Is(None)))).collect();
                for above in missing.into_iter().rev() {
                    effects.put(above, directory(0o755, Owner::Id(0), Owner::Id(0)), None);
                }
                let mode = observed.defaults.as_ref().map_or(0o755, |defaults| defaults.home_mode);
                effects.put(path, directory(mode, uid.clone(), gid.clone()), None);
                if is_new {
                    observed.skeleton.predict(path, &uid, &gid, effects);
                }
            }
        }
    }

    pub(super) fn record(
        &self,
        machine: &Machine,
        observed: &ObservedUser,
        present: Option<&stead_engine::User>,
    ) -> Result<(), ApplyError> {
        if present.is_none() && self.state == State::Present && matches!(self.primary(observed), Primary::Made) {
            // Before the user's: what goes back goes the other way round.
            accounts::record_group(machine, &self.name, None)?;
        }
        let before = match present {
            None => serde_json::Value::Null,
            Some(user) => self.recorded(machine, observed, user)?,
        };
        if self.state == State::Absent {
            // Before the user as well.
            subordinate::record(machine, &self.name)?;
        }
        machine.record(&USER, &self.name, before)?;
        if let (true, Known::Is(Some(group))) = (self.state == State::Absent && self.takes_group(observed), &observed.own_group) {
            accounts::record_group(machine, &self.name, Some(group))?;
        }
        self.keep_home(machine, observed, present)
    }

    fn recorded(
        &self,
        machine: &Machine,
        observed: &ObservedUser,
        user: &stead_engine::User,
    ) -> Result<serde_json::Value, ApplyError> {
        let mut before = fields(user);
        let is_gone = self.state == State::Absent;
        if is_gone || self.asks_ages() {
            let ages = machine.world().account_ages(&self.name)?.known()?;
            before["expires"] = ages.expires.map_or_else(|| "never".into(), accounts::date_of).into();
            let found = [ages.min, ages.max, ages.warn, ages.inactive];
            for ((name, _, _), days) in self.ages().into_iter().zip(found) {
                before[name] = days.unwrap_or(-1).into();
            }
        }
        let sets_password = self.password_for(true).is_some();
        if is_gone || sets_password || self.locked.is_some() {
            let hash = machine.world().password_hash(&self.name)?.known()?.unwrap_or_default();
            let has_password = !matches!(hash.trim_start_matches('!'), "" | "*");
            if has_password && (is_gone || sets_password) {
                before["password"] = serde_json::json!({ "withheld": true });
            }
            if has_password && !is_gone {
                before["locked"] = hash.starts_with('!').into();
            }
        }
        let old = observed.user.value().and_then(Option::as_ref).map(|user| &user.home);
        if self.move_home && self.home.as_ref().is_some_and(|home| old.is_some_and(|old| **old != *home.as_str())) {
            before["moved"] = true.into();
        }
        Ok(before)
    }

    /// Keeps what is in a home that goes, and says that nothing was where one will be made.
    fn keep_home(
        &self,
        machine: &Machine,
        observed: &ObservedUser,
        present: Option<&stead_engine::User>,
    ) -> Result<(), ApplyError> {
        match (self.state, present) {
            (State::Absent, Some(user)) if self.remove_home => {
                machine.keep_tree(Path::new(&*user.home))?;
                machine.keep_before([Path::new("/var/mail").join(&*self.name).as_path()])
            }
            (State::Present, None) if self.creates_home() && observed.home == Known::Is(None) => {
                let home = self.home_of(None, observed.defaults.as_ref());
                let home = Path::new(&*home);
                let missing = home.ancestors().take_while(|above| matches!(machine.world().stat(above), Ok(Known::Is(None))));
                let mut paths: Vec<PathBuf> = missing.map(Path::to_owned).collect();
                paths.extend(observed.skeleton.paths(home));
                machine.keep_before(paths.iter().map(PathBuf::as_path))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn add(&self, machine: &Machine, observed: &ObservedUser) -> Result<(), ApplyError> {
        let mut arguments: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
        if let Some(uid) = self.uid {
            option("-u", &uid.to_string());
        }
        option("-d", &self.home_of(None, observed.defaults.as_ref()));
        let shell = match (&self.shell, &observed.defaults) {
            (Some(shell), _) => shell.as_str(),
            (None, Some(defaults)) => &defaults.shell,
            (None, None) => "/bin/sh",
        };
        option("-s", shell);
        if let Some(comment) = &self.comment {
            option("-c", comment);
        }
        if let Some(groups) = self.groups.as_ref().filter(|groups| !groups.is_empty()) {
            option("-G", &groups.join(","));
        }
        if let Some(Some(days)) = self.expires_on() {
            option("-e", &accounts::date_of(days));
        }
        let mut made = "-U".to_owned();
        if let Primary::There(name, _) = self.primary(observed) {
            option("-g", &name);
            made = "-N".to_owned();
        }
        arguments.push(made);
        arguments.push(if self.creates_home() { "-m".into() } else { "-M".into() });
        arguments.extend(self.system.then(|| "-r".to_owned()));
        arguments.push(self.name.to_string());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        machine.system().accounts.change(machine, Tool::UserAdd, &arguments)
    }

    pub(super) fn modify(
        &self,
        machine: &Machine,
        user: &stead_engine::User,
        changes: &impl Fn(&str) -> bool,
    ) -> Result<(), ApplyError> {
        let mut arguments: Vec<String> = Vec::new();
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        if let Some(uid) = self.uid.filter(|_| changes("uid")) {
            option("-u", uid.to_string());
        }
        if let Some(group) = self.group.as_ref().filter(|_| changes("group")) {
            option("-g", group.to_string());
        }
        if let Some(groups) = self.wanted_groups(&user.groups).filter(|_| changes("groups")) {
            option("-G", groups.join(","));
        }
        if let Some(shell) = self.shell.as_ref().filter(|_| changes("shell")) {
            option("-s", shell.to_string());
        }
        if let Some(comment) = self.comment.as_ref().filter(|_| changes("comment")) {
            option("-c", comment.to_string());
        }
        if let Some(expires) = self.expires_on().filter(|_| changes("expires")) {
            option("-e", expires.map(accounts::date_of).unwrap_or_default());
        }
        if let Some(home) = self.home.as_ref().filter(|_| changes("home")) {
            option("-d", home.to_string());
            arguments.extend(self.move_home.then(|| "-m".to_owned()));
        }
        if arguments.is_empty() {
            return Ok(());
        }
        arguments.push(self.name.to_string());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        machine.system().accounts.change(machine, Tool::UserMod, &arguments)
    }

    /// Sets how old its password may become.
    pub(super) fn set_ages(&self, machine: &Machine, changes: &impl Fn(&str) -> bool) -> Result<(), ApplyError> {
        let wanted = self.ages().into_iter().filter(|(name, _, _)| changes(name));
        let mut arguments: Vec<String> =
            wanted.filter_map(|(_, days, option)| Some([option.to_owned(), days?.to_string()])).flatten().collect();
        if arguments.is_empty() {
            return Ok(());
        }
        arguments.push(self.name.to_string());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        machine.system().accounts.change(machine, Tool::Age, &arguments)
    }

    /// Makes the missing home of an account that is there.
    pub(super) fn make_home(&self, machine: &Machine, observed: &ObservedUser) -> Result<(), ApplyError> {
        let Some(user) = machine.world().user(&self.name)?.known()? else {
            return Err(ApplyError::Moved { what: format!("the user `{}` is gone", self.name) });
        };
        let path = Path::new(&*user.home);
        let mut missing = Vec::new();
        for above in path.ancestors().skip(1) {
            if machine.world().stat(above)? != Known::Is(None) {
                break;
            }
            missing.push(above);
        }
        for above in missing.into_iter().rev() {
            machine.make_directory(above, 0o755, Some(0), Some(0))?;
        }
        let mode = observed.defaults.as_ref().map_or(0o755, |defaults| defaults.home_mode);
        machine.make_directory(path, mode, Some(user.uid.known()?), Some(user.gid.known()?))
    }
}
