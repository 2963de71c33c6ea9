//! The ids that a user may give to those in its own namespaces (subuid(5), subgid(5)). useradd chooses them, and userdel takes them
//! away: a user that an undo brings back is given those it had, for files of its containers belong to them.

use std::path::Path;

use serde_json::{Value as Json, json};
use stead_engine::system::accounts::Tool;
use stead_engine::{ApplyError, Known, Look, Machine, Predicted, Restore, Restorer, World};

/// The files, the key under which each is recorded, and what usermod calls adding to it and taking away.
const FILES: [(&str, &str, &str, &str); 2] =
    [("/etc/subuid", "uids", "--add-subuids", "--del-subuids"), ("/etc/subgid", "gids", "--add-subgids", "--del-subgids")];

/// The subordinate ids of a user, as ranges from the first to the last: `100000-165535`.
pub(crate) static SUBORDINATE: Restorer = Restorer {
    kind: "subordinate_ids",
    is_tree: false,
    look: |world, user| ids(world, user)?.known(),
    restore: |_, before| if before.is_null() { Restore::Nothing } else { Restore::Setting(set) },
};

/// What a user has of both; null where it has nothing.
fn ids(world: &dyn World, user: &str) -> Look<Json> {
    let mut found = serde_json::Map::new();
    for (file, key, ..) in FILES {
        let content = match world.read(Path::new(file))? {
            Known::Is(content) => content.unwrap_or_default(),
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        let ranges = ranges(&String::from_utf8_lossy(&content), user);
        if !ranges.is_empty() {
            found.insert(key.to_owned(), json!(ranges));
        }
    }
    Ok(Known::Is(if found.is_empty() { Json::Null } else { Json::Object(found) }))
}

/// The ranges of a user in such a file: a line is `name:first:count`. What is no such line is passed over, as the tools do.
fn ranges(content: &str, user: &str) -> Vec<String> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let (name, first, count) = (fields.next()?, fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
        (name == user && count > 0).then(|| Some(format!("{first}-{}", first.checked_add(count - 1)?)))?
    };
    content.lines().filter_map(range).collect()
}

/// Notes what a user has that is about to be removed.
pub(super) fn record(machine: &Machine, user: &str) -> Result<(), ApplyError> {
    let before = ids(machine.world(), user)?.known()?;
    if before.is_null() { Ok(()) } else { machine.record(&SUBORDINATE, user, before) }
}

/// A new user is given ids that useradd chooses, where these files are.
pub(super) fn predict_new(effects: &mut Predicted<'_>, because: &str) {
    for (file, ..) in FILES {
        if matches!(effects.stat(Path::new(file)), Ok(Known::Is(Some(_)))) {
            effects.obscure(Path::new(file), because);
        }
    }
}

fn set(machine: &Machine, user: &str, before: &Json) -> Result<(), ApplyError> {
    let now = ids(machine.world(), user)?.known()?;
    let of = |state: &Json, key: &str| stead_engine::undo::recorded_strings(state, key).unwrap_or_default();
    let mut arguments: Vec<String> = Vec::new();
    for (_, key, add, delete) in FILES {
        let (has, had) = (of(&now, key), of(before, key));
        let mut option = |name: &str, range: &String| arguments.extend([name.to_owned(), range.clone()]);
        has.iter().filter(|range| !had.contains(range)).for_each(|range| option(delete, range));
        had.iter().filter(|range| !has.contains(range)).for_each(|range| option(add, range));
    }
    if arguments.is_empty() {
        return Ok(());
    }
    arguments.push(user.to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    machine.system().accounts.change(machine, Tool::UserMod, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_a_first_id_and_a_count() {
        let content = "ann:100000:65536\nbob:165536:65536\nann:300000:1\n# a note\nann:x:1\nann:5\nann:7:0\n";
        assert_eq!(ranges(content, "ann"), ["100000-165535", "300000-300000"]);
        assert_eq!(ranges(content, "carl"), [""; 0]);
        assert_eq!(ranges("ann:18446744073709551615:2\n", "ann"), [""; 0], "beyond every number");
    }
}
