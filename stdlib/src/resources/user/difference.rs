//! What would change about an account.

use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{Difference, Known};

use super::{ObservedUser, Primary, User};
use crate::accounts;
use crate::values::AbsolutePath;

/// A number of days; -1 and nothing are no limit.
fn shown_days(days: Option<i64>) -> Shown {
    days.filter(|days| *days >= 0).map_or(Shown::Absent, |days| Shown::Value(Value::Int(days)))
}

impl User {
    pub(super) fn create(&self, observed: &ObservedUser, before: &Shown) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |name: &str, after: Shown| changes.push(Change::value(name, before.clone(), after));
        let text = |text: &str| Shown::Value(Value::string(text));
        change("uid", self.uid.map_or_else(|| Shown::Unknown(self.because()), |uid| Shown::Value(Value::Int(uid.into()))));
        match self.primary(observed) {
            Primary::There(name, _) => change("group", text(&name)),
            Primary::Made => {
                change("group", text(&self.name));
                change("new_group", text(&self.name));
            }
        }
        if let Some(groups) = self.wanted_groups(&[]).filter(|groups| !groups.is_empty()) {
            change("groups", accounts::shown_names(&groups));
        }
        let defaults = observed.defaults.as_ref();
        change("home", text(&self.home_of(None, defaults)));
        let shell = self.shell.as_ref().map_or_else(|| defaults.map(|d| d.shell.clone()), |shell| Some(shell.shared().clone()));
        change("shell", text(shell.as_deref().unwrap_or("/bin/sh")));
        if let Some(comment) = &self.comment {
            change("comment", text(comment));
        }
        if self.system {
            change("system", Shown::Value(Value::Bool(true)));
        }
        if let Some(Some(days)) = self.expires_on() {
            change("expires", text(&accounts::date_of(days)));
        }
        for (name, days, _) in self.ages() {
            changes.extend(days.map(|days| Change::value(name, before.clone(), Shown::Value(Value::Int(days)))));
        }
        if self.password.is_some() {
            changes.push(Change::value("password", before.clone(), Shown::Sensitive).hidden());
        }
        if let Some(locked) = self.locked {
            changes.push(Change::value("locked", before.clone(), Shown::Value(Value::Bool(locked))));
        }
        if self.creates_home() {
            self.home_changes(observed, true, &mut changes);
        }
        changes
    }

    /// Says whether a value for the attribute was given.
    pub(super) fn asks_for(&self, attribute: &str) -> bool {
        match attribute {
            "uid" => self.uid.is_some(),
            "group" => self.group.is_some(),
            "home" => self.home.is_some(),
            "shell" => self.shell.is_some(),
            "new_group" | "skeleton" | "system" => false,
            _ => true,
        }
    }

    /// The home directory that is made, and what is in it.
    fn home_changes(&self, observed: &ObservedUser, is_new: bool, changes: &mut Vec<Change>) {
        let before = match &observed.home {
            Known::Is(None) => Shown::Absent,
            Known::Is(Some(_)) => return,
            // The home of an account that is there is there as well, unless it is known to be missing.
            Known::Unknown(_) if !is_new => return,
            Known::Unknown(because) => Shown::Unknown(because.clone()),
        };
        let mode = observed.defaults.as_ref().map_or(0o755, |defaults| defaults.home_mode);
        changes.push(Change::value("home_directory", before, Shown::Value(Value::Mode(mode))));
        if is_new && !observed.skeleton.is_empty() {
            changes.push(Change::value("skeleton", Shown::Absent, observed.skeleton.shown()));
        }
    }

    pub(super) fn update(&self, observed: &ObservedUser, user: &stead_engine::User) -> Vec<Change> {
        let mut changes = Vec::new();
        let text = |text: &str| Shown::Value(Value::string(text));
        if let Some(uid) = self.uid.filter(|uid| user.uid != Known::Is(*uid)) {
            changes.push(Change::value("uid", accounts::shown_id(&user.uid), Shown::Value(Value::Int(uid.into()))));
        }
        if let Some((name, gid)) = &observed.group {
            let same = user.group.as_deref() == Some(name) || (matches!(gid, Known::Is(_)) && user.gid == *gid);
            if !same {
                let before = user.group.as_ref().map_or_else(|| accounts::shown_id(&user.gid), |group| text(group));
                changes.push(Change::value("group", before, text(name)));
            }
        }
        if let Some(groups) = self.wanted_groups(&user.groups).filter(|groups| *groups != user.groups) {
            changes.push(Change::value("groups", accounts::shown_names(&user.groups), accounts::shown_names(&groups)));
        }
        let fields = [
            ("home", self.home.as_ref().map(AbsolutePath::as_str), &user.home),
            ("shell", self.shell.as_ref().map(AbsolutePath::as_str), &user.shell),
            ("comment", self.comment.as_deref(), &user.comment),
        ];
        for (name, wanted, present) in fields {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != &**present) {
                changes.push(Change::value(name, text(present), text(wanted)));
            }
        }
        self.shadow_changes(observed, &mut changes);
        let moves = self.move_home && changes.iter().any(|change| &*change.attribute == "home");
        if self.creates_home() && !moves {
            self.home_changes(observed, false, &mut changes);
        }
        changes
    }

    fn shadow_changes(&self, observed: &ObservedUser, changes: &mut Vec<Change>) {
        let present = observed.shadow.as_ref().map(|shadow| &*shadow.hash).unwrap_or_default();
        let behind = |field: &str| field.trim_start_matches('!').to_owned();
        let wanted = self.wanted_hash(Some(present), true);
        if let Some(wanted) = wanted.as_deref().filter(|_| self.password_for(true).is_some()) {
            let differs = if self.locked.is_some() { behind(wanted) != behind(present) } else { wanted != present };
            if differs {
                let before = if matches!(behind(present).as_str(), "" | "*") { Shown::Absent } else { Shown::Sensitive };
                changes.push(Change::value("password", before, Shown::Sensitive).hidden());
            }
        }
        if let Some(locked) = self.locked.filter(|locked| *locked != present.starts_with('!')) {
            changes.push(Change::value("locked", Shown::Value(Value::Bool(!locked)), Shown::Value(Value::Bool(locked))));
        }
        if let Some(wanted) = self.expires_on() {
            let present = observed.shadow.as_ref().and_then(|shadow| shadow.ages.expires);
            let shown = |days: Option<i64>| Shown::Value(Value::string(days.map_or_else(|| "never".into(), accounts::date_of)));
            if wanted != present {
                changes.push(Change::value("expires", shown(present), shown(wanted)));
            }
        }
        let present = observed.shadow.as_ref().map(|shadow| shadow.ages).unwrap_or_default();
        let found = [present.min, present.max, present.warn, present.inactive];
        for ((name, wanted, _), found) in self.ages().into_iter().zip(found) {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found.unwrap_or(-1)) {
                changes.push(Change::value(name, shown_days(found), shown_days(Some(wanted))));
            }
        }
    }

    /// Says whether removing the account takes the group of its own name away as well (userdel(8)).
    pub(super) fn takes_group(&self, observed: &ObservedUser) -> bool {
        let (Known::Is(Some(user)), Known::Is(Some(group))) = (&observed.user, &observed.own_group) else { return false };
        user.gid == group.gid && group.members.iter().all(|member| *member == self.name)
    }

    pub(super) fn diff_absent(&self, observed: &ObservedUser) -> Difference {
        let user = match &observed.user {
            Known::Is(None) => return Difference::NONE,
            Known::Unknown(because) => {
                let changes = vec![Change::value("uid", Shown::Unknown(because.clone()), Shown::Absent)];
                return Difference { action: Action::Delete, changes, unknown: Some(because.clone()) };
            }
            Known::Is(Some(user)) => user,
        };
        let mut changes = vec![Change::value("uid", accounts::shown_id(&user.uid), Shown::Absent)];
        if self.takes_group(observed) {
            changes.push(Change::value("group", Shown::Value(Value::string(self.name.clone())), Shown::Absent));
        }
        if let Known::Is(Some(_)) = observed.home {
            changes.push(Change::value("home_directory", Shown::Value(Value::string(user.home.clone())), Shown::Absent));
        }
        Difference { action: Action::Delete, changes, unknown: None }
    }
}
