//! The resource type `group`.

use std::sync::Arc;

use stead_catalog::{Action, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::system::accounts::Tool;
use stead_engine::{Applied, ApplyError, Difference, Known, LockClass, Machine, ObserveError, Predicted, ResourceType, World};

use crate::accounts;
use crate::{Choice, Resource};

/// A group of users: its id and its members.
///
/// Only the machine's own files are managed (`/etc/group`), by the system's own tools. Files that belong to a group keep
/// its old id when the id changes. Compares to Salt's `group.present`, Puppet's `group` and Ansible's `group`.
///
/// ```stead
/// group "opsteam" { gid = 3100, members = ["deploy"] }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "group",
    since = "0.1",
    aliases(ensure = "state", addusers = "members", add_members = "members", auth_membership = "exclusive_members")
)]
pub struct Group {
    /// Name of the group.
    #[key]
    pub name: Arc<str>,
    /// Whether the group is there.
    #[default(State::Present)]
    pub state: State,
    /// Its id. Given out by the system when absent, and left as found.
    pub gid: Option<u32>,
    /// A new group gets its id from the range for system accounts. Says nothing of a group that is there.
    #[default(false)]
    pub system: bool,
    /// Users that are members of it. Left as found when absent.
    pub members: Option<Vec<Arc<str>>>,
    /// Users that are not named in `members` are taken out of the group.
    #[default(false)]
    pub exclusive_members: bool,
}

/// Whether the group is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The group is there.
    Present,
    /// The group is gone. It cannot be the primary group of a user.
    Absent,
}

/// What the account files say of the group.
#[derive(Clone, Debug)]
pub struct ObservedGroup {
    group: Known<Option<stead_engine::Group>>,
}

impl Group {
    fn footprint(&self) -> Footprint {
        let own = Place::group(self.name.clone());
        if self.state == State::Absent {
            let gone_before = vec![own.clone(), accounts::users()];
            let needs = vec![accounts::memberships()];
            return Footprint { gone_before, owns: vec![own], needs, removes: true, ..Footprint::default() };
        }
        let needs = self.members.iter().flatten().map(|member| Place::user(member.clone())).collect();
        Footprint { owns: vec![own], needs, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(accounts::name_problem("name", &self.name));
        problems.extend(self.members.iter().flatten().filter_map(|member| accounts::name_problem("members", member)));
        if self.exclusive_members && self.members.is_none() {
            problems.push(Problem {
                code: "missing-attribute",
                attribute: Some("exclusive_members".into()),
                other: None,
                message: "`exclusive_members` says that nobody else is a member, and `members` is missing".into(),
                hint: Some("name them, or say `members = []` for none".into()),
                mend: None,
            });
        }
        problems
    }

    /// The members that the group will have, sorted.
    fn wanted_members(&self, present: &[Arc<str>]) -> Option<Vec<Arc<str>>> {
        let mut wanted = self.members.clone()?;
        if !self.exclusive_members {
            wanted.extend(present.iter().cloned());
        }
        wanted.sort_unstable();
        wanted.dedup();
        Some(wanted)
    }

    fn because(&self) -> Arc<str> {
        format!("group[\"{}\"]", self.name).into()
    }

    fn create(&self, before: &Shown) -> Vec<Change> {
        let gid = match self.gid {
            Some(gid) => Shown::Value(Value::Int(gid.into())),
            None => Shown::Unknown(self.because()),
        };
        let mut changes = vec![Change::value("gid", before.clone(), gid)];
        if self.system {
            changes.push(Change::value("system", before.clone(), Shown::Value(Value::Bool(true))));
        }
        if let Some(members) = self.wanted_members(&[]).filter(|members| !members.is_empty()) {
            changes.push(Change::value("members", before.clone(), accounts::shown_names(&members)));
        }
        changes
    }

    fn update(&self, group: &stead_engine::Group) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(gid) = self.gid.filter(|gid| group.gid != Known::Is(*gid)) {
            let before = accounts::shown_id(&group.gid);
            changes.push(Change::value("gid", before, Shown::Value(Value::Int(gid.into()))));
        }
        if let Some(members) = self.wanted_members(&group.members).filter(|members| *members != group.members) {
            changes.push(Change::value("members", accounts::shown_names(&group.members), accounts::shown_names(&members)));
        }
        changes
    }

    fn set_members(&self, machine: &Machine, present: &[Arc<str>]) -> Result<(), ApplyError> {
        let members = self.wanted_members(present).unwrap_or_default().join(",");
        machine.system().accounts.change(machine, Tool::GroupMembers, &["-M", &members, &self.name])
    }
}

impl ResourceType for Group {
    type Observed = ObservedGroup;

    fn observe(&self, world: &dyn World) -> Result<ObservedGroup, ObserveError> {
        let group = world.group(&self.name)?;
        if self.state == State::Absent {
            if let Known::Is(Some(stead_engine::Group { gid: Known::Is(gid), .. })) = &group {
                accounts::refuse_primary(world, &self.name, *gid)?;
            }
            return Ok(ObservedGroup { group });
        }
        if let Some(gid) = self.gid
            && let Some(other) = world.group_name(gid).filter(|other| *other != self.name)
        {
            return Err(ObserveError::Impossible {
                code: "gid-in-use",
                message: format!("the id {gid} belongs to the group `{other}`"),
                hint: "choose another `gid`, or leave it out".into(),
            });
        }
        for member in self.members.iter().flatten() {
            if world.user(member)? == Known::Is(None) {
                return Err(ObserveError::Impossible {
                    code: "unknown-user",
                    message: format!("there is no user `{member}` to be a member of `{}`", self.name),
                    hint: format!("declare user \"{member}\", or take it out of `members`"),
                });
            }
        }
        Ok(ObservedGroup { group })
    }

    fn diff(&self, observed: &ObservedGroup) -> Difference {
        let difference = |action, changes| Difference { action, changes, unknown: None };
        match (&observed.group, self.state) {
            (Known::Is(None), State::Absent) => Difference::NONE,
            (Known::Is(Some(group)), State::Absent) => {
                difference(Action::Delete, vec![Change::value("gid", accounts::shown_id(&group.gid), Shown::Absent)])
            }
            (Known::Unknown(because), State::Absent) => Difference {
                action: Action::Delete,
                changes: vec![Change::value("gid", Shown::Unknown(because.clone()), Shown::Absent)],
                unknown: Some(because.clone()),
            },
            (Known::Is(None), State::Present) => difference(Action::Create, self.create(&Shown::Absent)),
            (Known::Is(Some(group)), State::Present) => Difference::update(self.update(group)),
            (Known::Unknown(because), State::Present) => Difference {
                action: Action::Update,
                changes: self.create(&Shown::Unknown(because.clone())),
                unknown: Some(because.clone()),
            },
        }
    }

    fn digest(&self, observed: &ObservedGroup, hasher: &mut blake3::Hasher) -> bool {
        match &observed.group {
            Known::Is(Some(group)) => {
                let Known::Is(gid) = group.gid else { return false };
                hasher.update(format!("{gid} {}", group.members.join(",")).as_bytes());
                true
            }
            Known::Is(None) => true,
            Known::Unknown(_) => false,
        }
    }

    fn predict(&self, observed: &ObservedGroup, difference: &Difference, effects: &mut Predicted<'_>) {
        if difference.is_none() {
            return;
        }
        if self.state == State::Absent {
            effects.remove_group(&self.name);
            return;
        }
        let present = match &observed.group {
            Known::Is(Some(group)) => group.clone(),
            _ => stead_engine::Group { name: self.name.clone(), gid: Known::Unknown(self.because()), members: Vec::new() },
        };
        let members = self.wanted_members(&present.members).unwrap_or_else(|| present.members.clone());
        accounts::predict_members(effects, &self.name, &present.members, &members);
        let gid = self.gid.map_or(present.gid, Known::Is);
        effects.put_group(stead_engine::Group { name: self.name.clone(), gid, members });
    }

    fn apply(&self, observed: &ObservedGroup, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let accounts = &machine.system().accounts;
        let gid = self.gid.map(|gid| gid.to_string());
        let group = observed.group.clone().known()?;
        accounts::record_group(machine, &self.name, group.as_ref())?;
        let changes = |name: &str| difference.changes.iter().any(|change| &*change.attribute == name);
        match (group, self.state) {
            (None, State::Absent) => {}
            (Some(_), State::Absent) => accounts.change(machine, Tool::GroupDel, &[&self.name])?,
            (None, State::Present) => {
                let mut arguments: Vec<&str> = Vec::new();
                arguments.extend(self.system.then_some("-r"));
                arguments.extend(gid.iter().flat_map(|gid| ["-g", gid]));
                arguments.push(&self.name);
                accounts.change(machine, Tool::GroupAdd, &arguments)?;
                if changes("members") {
                    self.set_members(machine, &[])?;
                }
            }
            (Some(group), State::Present) => {
                if let Some(gid) = gid.filter(|_| changes("gid")) {
                    accounts.change(machine, Tool::GroupMod, &["-g", &gid, &self.name])?;
                }
                if changes("members") {
                    self.set_members(machine, &group.members)?;
                }
            }
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
