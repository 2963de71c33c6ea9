//! What `user` and `group` have in common: names, ids as they are shown, members, and the defaults for new accounts.

use std::path::Path;
use std::sync::Arc;

use stead_catalog::{Place, PlaceKind, Problem, Shown, Value};
use stead_engine::undo::recorded_strings;
use stead_engine::{ApplyError, Group, Known, Machine, ObserveError, Predicted, Restore, Restorer, World};

/// Finds what is wrong with the name of an account. The rules are those of Debian's useradd, which refuses what
/// would be taken for an option, a path or a number.
pub(crate) fn name_problem(attribute: &str, name: &str) -> Option<Problem> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let goes_on = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    let stem = name.strip_suffix('$').unwrap_or(name);
    if starts && stem.bytes().skip(1).all(goes_on) && name.len() <= 32 {
        return None;
    }
    Some(Problem {
        code: "invalid-value",
        attribute: Some(attribute.into()),
        other: None,
        message: format!("`{name}` is no name of an account"),
        hint: Some(
            "it starts with a lower-case letter or `_`, goes on with those, digits, `-` and `.`, and has at most 32 characters"
                .into(),
        ),
        mend: None,
    })
}

/// All users that go: a group goes after them, for any of them may have it as the primary one.
pub(crate) fn users() -> Place {
    Place { kind: PlaceKind::Other, name: "users".into() }
}

/// Who is in which group by the end of the run: a group goes after the users that are given another one.
pub(crate) fn memberships() -> Place {
    Place { kind: PlaceKind::Other, name: "the groups of users".into() }
}

/// An id as it is shown.
pub(crate) fn shown_id(id: &Known<u32>) -> Shown {
    match id {
        Known::Is(id) => Shown::Value(Value::Int((*id).into())),
        Known::Unknown(because) => Shown::Unknown(because.clone()),
    }
}

/// A list of names as it is shown.
pub(crate) fn shown_names(names: &[Arc<str>]) -> Shown {
    Shown::Value(Value::list(names.iter().map(|name| Value::string(name.clone()))))
}

/// Refuses to remove a group that is the primary group of a user who stays.
///
/// # Errors
/// `group-in-use`, and what looking at the account files fails with.
pub(crate) fn refuse_primary(world: &dyn World, group: &str, gid: u32) -> Result<(), ObserveError> {
    let Known::Is(Some(passwd)) = world.read(Path::new("/etc/passwd"))? else { return Ok(()) };
    for line in String::from_utf8_lossy(&passwd).lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(primary)) = (fields.next(), fields.nth(2)) else { continue };
        if primary.parse() != Ok(gid) {
            continue;
        }
        // Somebody may have been removed, or given another group, earlier in the plan.
        if matches!(world.user(name)?, Known::Is(Some(user)) if user.gid == Known::Is(gid)) {
            return Err(ObserveError::Impossible {
                code: "group-in-use",
                message: format!("`{group}` is the primary group of the user `{name}`"),
                hint: format!("remove the user, or give it another primary group: user \"{name}\" {{ group = … }}"),
            });
        }
    }
    Ok(())
}

/// Tells the predicted world which users are members of a group afterwards.
pub(crate) fn predict_members(effects: &mut Predicted<'_>, group: &str, before: &[Arc<str>], after: &[Arc<str>]) {
    for name in before.iter().chain(after.iter().filter(|name| !before.contains(name))) {
        let Ok(Known::Is(Some(mut user))) = effects.user(name) else { continue };
        user.groups.retain(|known| **known != *group);
        if after.contains(name) {
            user.groups.push(group.into());
            user.groups.sort_unstable();
        }
        effects.put_user(user);
    }
}

/// Tells the predicted world which groups a user is a member of afterwards.
pub(crate) fn predict_groups(effects: &mut Predicted<'_>, user: &str, before: &[Arc<str>], after: &[Arc<str>]) {
    for left in before.iter().filter(|group| !after.contains(group)) {
        predict_leaving(effects, left, user);
    }
    for joined in after {
        if let Ok(Known::Is(Some(mut group))) = effects.group(joined)
            && !group.members.iter().any(|member| **member == *user)
        {
            group.members.push(user.into());
            group.members.sort_unstable();
            effects.put_group(group);
        }
    }
}

/// Tells the predicted world that a user is no member of a group any more.
pub(crate) fn predict_leaving(effects: &mut Predicted<'_>, group: &str, user: &str) {
    if let Ok(Known::Is(Some(mut group))) = effects.group(group) {
        group.members.retain(|member| **member != *user);
        effects.put_group(group);
    }
}

/// Keeps what a group was.
///
/// # Errors
/// When the journal cannot be written.
pub(crate) fn record_group(machine: &Machine, name: &str, group: Option<&Group>) -> Result<(), ApplyError> {
    machine.record(&GROUP, name, group.map_or(serde_json::Value::Null, recorded))
}

fn recorded(group: &Group) -> serde_json::Value {
    let members: Vec<&str> = group.members.iter().map(|member| &**member).collect();
    serde_json::json!({ "gid": group.gid.value(), "members": members })
}

/// A group is brought back with its id and exactly its members.
pub(crate) static GROUP: Restorer = Restorer {
    kind: "group",
    is_tree: false,
    look: |world, name| Ok(world.group(name)?.known()?.map_or(serde_json::Value::Null, |group| recorded(&group))),
    restore: |name, before| {
        let group = Restore::resource("group", "name", name);
        if before.is_null() {
            return group.with("state", "absent").into();
        }
        let gid = before.get("gid").and_then(serde_json::Value::as_i64);
        let members = recorded_strings(before, "members");
        group.with_some("gid", gid).with("exclusive_members", members.is_some()).with_some("members", members).into()
    },
};

/// What a new account gets when nothing is said: `/etc/login.defs` and `/etc/default/useradd` (login.defs(5), useradd(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// Directory that homes are made in.
    pub(crate) base: Arc<str>,
    /// Login shell.
    pub(crate) shell: Arc<str>,
    /// Mode of a new home.
    pub(crate) home_mode: u32,
    /// A group of its own is made for a user.
    pub(crate) own_group: bool,
    /// Group of users that get none of their own, by name where it has one, and its id.
    pub(crate) group: (Arc<str>, Known<u32>),
    /// What new homes are filled from.
    pub(crate) skeleton: Arc<str>,
}

impl Defaults {
    /// Reads the machine's files.
    ///
    /// # Errors
    /// When one of them cannot be read, or is known only later.
    pub(crate) fn read(world: &dyn World) -> Result<Self, ObserveError> {
        let file = |path: &str| -> Result<String, ObserveError> {
            let content = world.read(Path::new(path))?.known()?;
            Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
        };
        let mut defaults = Self::parse(&file("/etc/login.defs")?, &file("/etc/default/useradd")?);
        if let Known::Is(gid) = defaults.group.1 {
            defaults.group.0 = world.group_name(gid).unwrap_or(defaults.group.0);
        } else if let Known::Is(Some(group)) = world.group(&defaults.group.0)? {
            defaults.group.1 = group.gid;
        }
        Ok(defaults)
    }

    fn parse(login_defs: &str, useradd: &str) -> Self {
        let lines = |text: &'_ str| {
            text.lines().map(str::trim).filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let defs: Vec<String> = lines(login_defs);
        let of_defs = |name: &str| {
            defs.iter().rev().find_map(|line| {
                let (key, value) = line.split_once(char::is_whitespace)?;
                (key == name).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let add: Vec<String> = lines(useradd);
        let of_add = |name: &str| {
            let value = add.iter().rev().find_map(|line| {
                line.split_once('=').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
            });
            value.filter(|value| !value.is_empty())
        };
        let octal = |text: String| u32::from_str_radix(&text, 8).ok().map(|mode| mode & 0o7777);
        let umask = of_defs("UMASK").and_then(octal).unwrap_or(0o022);
        let group = of_add("GROUP").unwrap_or_else(|| "100".into());
        let gid = group.parse().map_or_else(|_| Known::Unknown(format!("group[\"{group}\"]").into()), Known::Is);
        Self {
            base: of_add("HOME").unwrap_or_else(|| "/home".into()).into(),
            shell: of_add("SHELL").unwrap_or_else(|| "/bin/sh".into()).into(),
            home_mode: of_defs("HOME_MODE").and_then(octal).unwrap_or(0o777 & !umask),
            own_group: of_defs("USERGROUPS_ENAB").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            group: (group.as_str().into(), gid),
            skeleton: of_add("SKEL").unwrap_or_else(|| "/etc/skel".into()).into(),
        }
    }
}

/// Days from 1970-01-01 to a date `YYYY-MM-DD`; `None` when there is no such day. By Howard Hinnant's `days_from_civil`.
pub(crate) fn days_of(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let shifted = year - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The date that is this many days after 1970-01-01.
pub(crate) fn date_of(days: i64) -> String {
    let shifted = days.clamp(0, 3_000_000) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_and_back() {
        for (date, days) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2027-01-31", 20_849), ("9999-12-31", 2_932_896)] {
            assert_eq!(days_of(date), Some(days), "{date}");
            assert_eq!(date_of(days), date);
        }
        for none in ["2027-02-29", "2027-13-01", "2027-1-1", "1969-12-31", "soon", "2027-01-31-1", "", "+027-01-01"] {
            assert_eq!(days_of(none), None, "{none}");
        }
        for days in (0..200_000).step_by(17) {
            assert_eq!(days_of(&date_of(days)), Some(days));
        }
    }

    #[test]
    fn defaults_are_the_machines_own() {
        let debian = Defaults::parse(
            "# comment\nUMASK\t\t022\n#HOME_MODE 0700\nHOME_MODE 0750\nUSERGROUPS_ENAB yes\n",
            "SHELL=/bin/sh\n# HOME=/home\n",
        );
        assert_eq!((debian.home_mode, debian.own_group, &*debian.shell, &*debian.base), (0o750, true, "/bin/sh", "/home"));
        let bare = Defaults::parse("UMASK 027\n", "HOME=/srv/home\nGROUP=users\nSKEL=\n");
        assert_eq!((bare.home_mode, bare.own_group, &*bare.base, &*bare.group.0), (0o750, false, "/srv/home", "users"));
        assert_eq!(debian.group, ("100".into(), Known::Is(100)));
        assert_eq!(&*bare.skeleton, "/etc/skel");
    }

    #[test]
    fn names_are_those_that_useradd_takes() {
        for good in ["deploy", "_apt", "www-data", "a.b", "host$", "systemd-network"] {
            assert!(name_problem("name", good).is_none(), "{good}");
        }
        for bad in ["", "-x", "1a", "A", "a b", "a:b", "a,b", "a/b", "é", &"a".repeat(33)] {
            assert!(name_problem("name", bad).is_some(), "{bad}");
        }
    }
}
