//! The resource type `user`.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Action, Footprint, Place, Problem, Shown};
use stead_engine::system::accounts::Tool;
use stead_engine::{
    Ages, Applied, ApplyError, Difference, Known, LockClass, Machine, ObserveError, Predicted, ResourceType, Shadow, Stat, World,
};

use crate::accounts::{self, Defaults};
use crate::values::{AbsolutePath, Account, Secret};
use crate::{Choice, Resource};

mod difference;
mod home;
mod look;
mod steps;
mod subordinate;

use home::Skeleton;
pub(super) use steps::USER;
pub(super) use subordinate::SUBORDINATE;

/// A user account: its id, groups, home and shell.
///
/// Only the machine's own files are managed (`/etc/passwd`, `/etc/shadow`), by the system's own tools. What a new account gets besides is
/// what `/etc/login.defs` and `/etc/default/useradd` say, and is shown in the plan: a group of its own, the mode of its home, the
/// files from `/etc/skel`. A password is handed over as a hash and never shown. Compares to Salt's `user.present`, Puppet's `user` and Ansible's `user`.
///
/// ```stead
/// user "deploy" { uid = 3100, group = "opsteam", shell = "/bin/bash", groups = ["adm"] }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "user",
    since = "0.1",
    aliases(
        ensure = "state",
        gid = "group",
        fullname = "comment",
        gecos = "comment",
        createhome = "create_home",
        managehome = "create_home",
        optional_groups = "groups",
        remove_groups = "exclusive_groups",
        purge = "remove_home",
        remove = "remove_home",
        update_password = "password_policy",
        enforce_password = "password_policy",
        mindays = "password_min_days",
        password_min_age = "password_min_days",
        password_expire_min = "password_min_days",
        maxdays = "password_max_days",
        password_max_age = "password_max_days",
        password_expire_max = "password_max_days",
        warndays = "password_warn_days",
        password_expire_warn = "password_warn_days",
        inactdays = "password_inactive_days",
        password_expire_account_disable = "password_inactive_days",
        expire = "expires",
        expiry = "expires",
        password_lock = "locked",
        home_dir = "home"
    )
)]
pub struct User {
    /// Login name.
    #[key]
    pub name: Arc<str>,
    /// Whether the account is there.
    #[default(State::Present)]
    pub state: State,
    /// Its id. Given out by the system when absent, and left as found. Files keep their old owner when it changes, but for those in the home.
    pub uid: Option<u32>,
    /// Its primary group, by name or id. A new account gets what the machine's defaults say when absent: on most a group of its own name.
    pub group: Option<Account>,
    /// Groups that it is a member of besides. Left as found when absent.
    pub groups: Option<Vec<Arc<str>>>,
    /// It is taken out of groups that `groups` does not name.
    #[default(false)]
    pub exclusive_groups: bool,
    /// Its home directory. A new account gets one below `/home` when absent, or what the machine's defaults say.
    pub home: Option<AbsolutePath>,
    /// The home directory is made when it is missing, from `/etc/skel` for a new account. When absent: yes, unless `system`.
    pub create_home: Option<bool>,
    /// What is in the old home moves when `home` changes.
    #[default(false)]
    pub move_home: bool,
    /// Its login shell. A new account gets what the machine's defaults say when absent.
    pub shell: Option<AbsolutePath>,
    /// Full name, or what the account is for.
    pub comment: Option<Arc<str>>,
    /// A new account gets its ids from the range for system accounts. Says nothing of an account that is there.
    #[default(false)]
    pub system: bool,
    /// Hash of its password, as crypt(5) makes it (`mkpasswd -m yescrypt`). Left as found when absent; a new account has none and nobody logs in with one.
    pub password: Option<Secret<Arc<str>>>,
    /// When its password is set: in every apply that finds another, or with the account only, so that its user may change it.
    #[default(PasswordPolicy::Always)]
    pub password_policy: PasswordPolicy,
    /// How many days old its password is before it may be changed; -1 for no limit. Left as found when absent.
    pub password_min_days: Option<i64>,
    /// How many days old its password becomes before it has to be changed; -1 for no limit. Left as found when absent.
    pub password_max_days: Option<i64>,
    /// How many days before that its user is warned; -1 for never. Left as found when absent.
    pub password_warn_days: Option<i64>,
    /// For how many days after that it can still be changed by logging in; -1 for ever. Left as found when absent.
    pub password_inactive_days: Option<i64>,
    /// Whether logging in with its password is barred. Left as found when absent.
    pub locked: Option<bool>,
    /// The day it expires, `2027-01-31`, or `never`. Left as found when absent.
    pub expires: Option<Arc<str>>,
    /// With `state = absent`: its home directory and mail are removed as well.
    #[default(false)]
    pub remove_home: bool,
}

/// Whether the account is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The account is there.
    Present,
    /// The account is gone, and its own group if nobody else is in it. Its files stay, unless `remove_home`.
    Absent,
}

/// When a password is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum PasswordPolicy {
    /// Whenever another one is found.
    Always,
    /// When the account is made, and never again.
    OnCreate,
}

/// What is known of the account and of what it would be made with.
#[derive(Clone, Debug)]
pub struct ObservedUser {
    user: Known<Option<stead_engine::User>>,
    /// The shadow line, where an attribute asks for it.
    shadow: Option<Shadow>,
    /// What a new account gets.
    defaults: Option<Defaults>,
    /// The primary group that was asked for, with its id; `None` when none was asked for or it is known later.
    group: Option<NamedGroup>,
    /// The group of the account's own name, if there is one.
    own_group: Known<Option<stead_engine::Group>>,
    /// What is at the home that the account has or will have.
    home: Known<Option<Stat>>,
    /// What a new home is filled with.
    skeleton: Skeleton,
}

/// A group by name, with its id.
type NamedGroup = (Arc<str>, Known<u32>);

/// The primary group of a new account.
enum Primary {
    /// A group that is there.
    There(Arc<str>, Known<u32>),
    /// A group of the account's own name is made with it.
    Made,
}

impl User {
    fn footprint(&self) -> Footprint {
        let own = Place::user(self.name.clone());
        if self.state == State::Absent {
            let mut gone_before = vec![own.clone()];
            gone_before.extend(self.home.iter().filter(|_| self.remove_home).map(|home| Place::path(home.shared().clone())));
            // A group cannot go before the users whose primary group it is.
            let needs = vec![Place::group(self.name.clone()), accounts::users()];
            return Footprint { owns: vec![own], gone_before, needs, removes: true, ..Footprint::default() };
        }
        let mut footprint = Footprint { owns: vec![own], ..Footprint::default() };
        if self.group.is_some() || self.groups.is_some() {
            footprint.brings.push(accounts::memberships());
        }
        match &self.group {
            Some(Account::Name(name)) => footprint.needs.push(Place::group(name.clone())),
            Some(Account::Id(_)) => {}
            None => {
                footprint.brings.push(Place::group(self.name.clone()));
                footprint.needs.push(Place::group(self.name.clone()));
            }
        }
        footprint.needs.extend(self.shell.iter().map(|shell| Place::path(shell.shared().clone())));
        footprint.needs.extend(self.groups.iter().flatten().map(|group| Place::group(group.clone())));
        if self.creates_home() {
            let home = self.home.as_ref().map_or_else(|| format!("/home/{}", self.name).into(), |home| home.shared().clone());
            footprint.brings.push(Place::path(home));
        }
        footprint
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = accounts::name_problem("name", &self.name).into_iter().collect();
        problems.extend(self.groups.iter().flatten().filter_map(|group| accounts::name_problem("groups", group)));
        if let Some(Account::Name(group)) = &self.group {
            problems.extend(accounts::name_problem("group", group));
        }
        let mut problem = |code, attribute: &str, message: String, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: None,
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        let breaks_line = |text: &str| text.contains([':', '\n', '\0']);
        if self.comment.as_deref().is_some_and(breaks_line) {
            problem(
                "invalid-value",
                "comment",
                "a comment stands in one field of /etc/passwd".into(),
                "leave `:` and line breaks out",
            );
        }
        for (attribute, path) in [("home", &self.home), ("shell", &self.shell)] {
            if path.as_ref().is_some_and(|path| breaks_line(path.as_str())) {
                let message = format!("`{attribute}` stands in one field of /etc/passwd");
                problem("invalid-value", attribute, message, "choose a path without `:`");
            }
        }
        if let Some(password) = &self.password {
            let hash = password.reveal();
            if hash.is_empty() || breaks_line(hash) {
                problem(
                    "invalid-value",
                    "password",
                    "this is no hash of a password".into(),
                    "make one with `mkpasswd -m yescrypt`",
                );
            } else if !hash.starts_with(['$', '!', '*', '_']) && hash.len() != 13 {
                let message = "this looks like a password, not like its hash".to_owned();
                problem("invalid-value", "password", message, "make a hash with `mkpasswd -m yescrypt`");
            }
        }
        if let Some(date) = self.expires.as_deref().filter(|date| *date != "never" && accounts::days_of(date).is_none()) {
            let message = format!("`{date}` is no day");
            problem("invalid-value", "expires", message, "write it as `2027-01-31`, or `never`");
        }
        for (attribute, days) in self.ages().into_iter().filter_map(|(name, days, _)| Some((name, days?))) {
            if !(-1..=99_999).contains(&days) {
                let message = format!("{days} is no number of days");
                problem("invalid-value", attribute, message, "write one in -1..=99999; -1 takes the limit away");
            }
        }
        if self.password_policy == PasswordPolicy::OnCreate && self.password.is_none() {
            let message = "there is no password to be set with the account".to_owned();
            problem("missing-attribute", "password_policy", message, "give its hash: `password = …`");
        }
        if self.exclusive_groups && self.groups.is_none() {
            let message = "`exclusive_groups` says that it is in no other group, and `groups` is missing".to_owned();
            problem("missing-attribute", "exclusive_groups", message, "name them, or say `groups = []` for none");
        }
        problems
    }

    fn creates_home(&self) -> bool {
        self.create_home.unwrap_or(!self.system)
    }

    fn because(&self) -> Arc<str> {
        format!("user[\"{}\"]", self.name).into()
    }

    /// The home that the account has or will have.
    fn home_of(&self, user: Option<&stead_engine::User>, defaults: Option<&Defaults>) -> Arc<str> {
        let default = || match (user, defaults) {
            (Some(user), _) => user.home.clone(),
            (None, Some(defaults)) => format!("{}/{}", defaults.base, self.name).into(),
            (None, None) => format!("/home/{}", self.name).into(),
        };
        self.home.as_ref().map_or_else(default, |home| home.shared().clone())
    }

    /// The groups that it will be in besides its primary one, sorted.
    fn wanted_groups(&self, present: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
        let mut wanted = self.groups.clone()?;
        if !self.exclusive_groups {
            wanted.extend(present.iter().cloned());
        }
        wanted.sort_unstable();
        wanted.dedup();
        Some(wanted)
    }

    /// The primary group of a new account.
    fn primary(&self, observed: &ObservedUser) -> Primary {
        if let Some((name, gid)) = &observed.group {
            return Primary::There(name.clone(), gid.clone());
        }
        match (&observed.own_group, &observed.defaults) {
            (Known::Is(Some(group)), _) => Primary::There(group.name.clone(), group.gid.clone()),
            (_, Some(Defaults { own_group: false, group: (name, gid), .. })) => Primary::There(name.clone(), gid.clone()),
            _ => Primary::Made,
        }
    }

    /// The password field that it will have: the hash, behind a `!` when it is locked.
    fn wanted_hash(&self, present: Option<&str>, is_there: bool) -> Option<String> {
        let present = present.unwrap_or("!");
        let behind = |field: &str| field.trim_start_matches('!').to_owned();
        let locked = self.locked.unwrap_or(present.starts_with('!') && present.len() > 1);
        match self.password_for(is_there) {
            Some(password) => {
                let hash = password.reveal();
                let bare = if self.locked.is_some() { behind(hash) } else { hash.to_string() };
                let bar = locked && !bare.starts_with('!');
                Some(if bar { format!("!{bare}") } else { bare })
            }
            None => self.locked.map(|locked| if locked { format!("!{}", behind(present)) } else { behind(present) }),
        }
    }

    /// The limits of its password's age: attribute, what is wanted, and the option of chage(1).
    fn ages(&self) -> [(&'static str, Option<i64>, &'static str); 4] {
        [
            ("password_min_days", self.password_min_days, "-m"),
            ("password_max_days", self.password_max_days, "-M"),
            ("password_warn_days", self.password_warn_days, "-W"),
            ("password_inactive_days", self.password_inactive_days, "-I"),
        ]
    }

    /// Says whether something is asked for that the shadow database says.
    fn asks_ages(&self) -> bool {
        self.expires.is_some() || self.ages().iter().any(|(_, days, _)| days.is_some())
    }

    /// The limits as they will be.
    fn wanted_ages(&self, present: Ages) -> Ages {
        let of = |wanted: Option<i64>, present: Option<i64>| wanted.map_or(present, |days| Some(days).filter(|days| *days >= 0));
        Ages {
            min: of(self.password_min_days, present.min),
            max: of(self.password_max_days, present.max),
            warn: of(self.password_warn_days, present.warn),
            inactive: of(self.password_inactive_days, present.inactive),
            expires: self.expires_on().unwrap_or(present.expires),
        }
    }

    /// The hash that an account gets that is there, or is made.
    fn password_for(&self, is_there: bool) -> Option<&Secret<Arc<str>>> {
        self.password.as_ref().filter(|_| !is_there || self.password_policy == PasswordPolicy::Always)
    }

    fn expires_on(&self) -> Option<Option<i64>> {
        self.expires.as_deref().map(accounts::days_of)
    }
}

impl ResourceType for User {
    type Observed = ObservedUser;

    fn observe(&self, world: &dyn World) -> Result<ObservedUser, ObserveError> {
        let user = world.user(&self.name)?;
        if self.state == State::Absent {
            return self.observe_absent(world, user);
        }
        if let Some(uid) = self.uid
            && let Some(other) = world.user_name(uid).filter(|other| *other != self.name)
        {
            return Err(ObserveError::Impossible {
                code: "uid-in-use",
                message: format!("the id {uid} belongs to the user `{other}`"),
                hint: "choose another `uid`, or leave it out".into(),
            });
        }
        let group = self.observe_groups(world)?;
        let present = user.value().cloned().flatten();
        self.refuse_shell(world, present.as_ref())?;
        let shadow = if present.is_some() { self.observe_shadow(world)? } else { None };
        let has_hash = |field: &str| !matches!(field.trim_start_matches('!'), "" | "*");
        if self.locked == Some(false)
            && self.password_for(present.is_some()).is_none()
            && !shadow.as_ref().is_some_and(|shadow| has_hash(&shadow.hash) || !shadow.hash.starts_with('!'))
        {
            return Err(ObserveError::Impossible {
                code: "no-password",
                message: format!("`{}` has no password, and cannot be unlocked", self.name),
                hint: "give it one: `password = …`".into(),
            });
        }
        let defaults = if present.is_none() || self.creates_home() { Some(Defaults::read(world)?) } else { None };
        let home_path = self.home_of(present.as_ref(), defaults.as_ref());
        let home = if self.creates_home() { world.stat(Path::new(&*home_path))? } else { Known::Is(None) };
        let skeleton = match (&defaults, &home, &present) {
            (Some(defaults), Known::Is(None), None) if self.creates_home() => Skeleton::observe(world, &defaults.skeleton)?,
            _ => Skeleton::default(),
        };
        Ok(ObservedUser { own_group: world.group(&self.name)?, user, shadow, defaults, group, home, skeleton })
    }

    fn diff(&self, observed: &ObservedUser) -> Difference {
        if self.state == State::Absent {
            return self.diff_absent(observed);
        }
        match &observed.user {
            Known::Is(None) => {
                Difference { action: Action::Create, changes: self.create(observed, &Shown::Absent), unknown: None }
            }
            Known::Is(Some(user)) => Difference::update(self.update(observed, user)),
            Known::Unknown(because) => {
                let mut changes = self.create(observed, &Shown::Unknown(because.clone()));
                // An account that is there keeps what nobody asks for.
                changes.retain(|change| self.asks_for(&change.attribute));
                Difference { action: Action::Update, changes, unknown: Some(because.clone()) }
            }
        }
    }

    fn digest(&self, observed: &ObservedUser, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(user) = &observed.user else { return false };
        let is_known = user.as_ref().is_none_or(|user| matches!((&user.uid, &user.gid), (Known::Is(_), Known::Is(_))));
        hasher.update(format!("{user:?}").as_bytes());
        if let Some(shadow) = &observed.shadow {
            hasher.update(shadow.hash.as_bytes());
            hasher.update(format!("{:?}", shadow.ages).as_bytes());
        }
        let Known::Is(home) = &observed.home else { return false };
        hasher.update(&[u8::from(home.is_some())]);
        is_known
    }

    fn predict(&self, observed: &ObservedUser, difference: &Difference, effects: &mut Predicted<'_>) {
        if difference.is_none() {
            return;
        }
        let present = observed.user.value().cloned().flatten();
        if self.state == State::Absent {
            effects.remove_user(&self.name);
            for group in present.iter().flat_map(|user| &user.groups) {
                accounts::predict_leaving(effects, group, &self.name);
            }
            if self.takes_group(observed) {
                effects.remove_group(&self.name);
            }
            if let (true, Some(user), Known::Is(Some(_))) = (self.remove_home, &present, &observed.home) {
                effects.remove(Path::new(&*user.home));
            }
            return;
        }
        let user = self.predicted_user(observed, present.as_ref(), effects);
        let (before, after) = (present.as_ref().map(|user| user.groups.clone()).unwrap_or_default(), user.groups.clone());
        effects.put_user(user.clone());
        if present.is_none() && !self.system {
            subordinate::predict_new(effects, &self.because());
        }
        accounts::predict_groups(effects, &self.name, &before, &after);
        if self.password_for(present.is_some()).is_some() || self.locked.is_some() || self.asks_ages() {
            let old = observed.shadow.clone().unwrap_or(Shadow { hash: "!".into(), ages: Ages::default() });
            let hash = self.wanted_hash(Some(&old.hash), present.is_some()).map_or(old.hash, Arc::from);
            effects.put_shadow(&self.name, Shadow { hash, ages: self.wanted_ages(old.ages) });
        }
        let moved = self.move_home && present.as_ref().is_some_and(|present| present.home != user.home);
        if self.creates_home() && !moved {
            self.predict_home(observed, &user, present.is_none(), effects);
        } else if let (true, Some(present)) = (moved, &present) {
            effects.remove(Path::new(&*present.home));
            effects.appear(Path::new(&*user.home), &self.because());
        }
    }

    fn apply(&self, observed: &ObservedUser, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let present = observed.user.clone().known()?;
        self.record(machine, observed, present.as_ref())?;
        let changes = |name: &str| difference.changes.iter().any(|change| &*change.attribute == name);
        match (&present, self.state) {
            (None, State::Absent) => return Ok(Applied::Done),
            (Some(_), State::Absent) => {
                let mut arguments: Vec<&str> = Vec::new();
                arguments.extend(self.remove_home.then_some("-r"));
                arguments.push(&self.name);
                machine.system().accounts.change(machine, Tool::UserDel, &arguments)?;
                return Ok(Applied::Done);
            }
            (None, State::Present) => self.add(machine, observed)?,
            (Some(user), State::Present) => self.modify(machine, user, &changes)?,
        }
        if changes("password") || (changes("locked") && present.is_some()) {
            let old = observed.shadow.as_ref().map(|shadow| &*shadow.hash);
            if let Some(hash) = self.wanted_hash(old, present.is_some()) {
                machine.system().accounts.set_password(machine, &self.name, &hash)?;
            }
        }
        self.set_ages(machine, &changes)?;
        if present.is_some() && changes("home_directory") {
            self.make_home(machine, observed)?;
        }
        Ok(Applied::Done)
    }

    fn lock_class(&self) -> LockClass {
        LockClass::Accounts
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }
}
