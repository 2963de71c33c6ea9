//! What the resource types `json`, `yaml` and `toml` have in common: their attributes, and what they wish for.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use stead_catalog::Problem;

use super::{Step, Wish, data};
use crate::edit::EditedFile;
use crate::problems::Problems;
use crate::values::{Data, Guarded, Scalar};

/// Makes the struct of a resource type that sets something in a file of a tree-shaped format.
macro_rules! settings_in_place {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$own_meta:meta])* pub $own:ident: $own_type:ty,)* }
        |$this:ident| $format:expr, has_null = $has_null:expr
    ) => {
        $(#[$meta])*
        pub struct $name {
            /// The file. Identifies the resource; give `path` beside another name where several resources set something in one file.
            #[key]
            pub path: AbsolutePath,
            /// Whether it is there.
            #[default(State::Present)]
            pub state: State,
            /// The place in the file that the other attributes speak of: keys of maps and numbers of list items, from 0. The whole when absent.
            pub at: Vec<Scalar>,
            /// Settings of the map there. A map among them says what is in the map of that name, of which the rest stays.
            pub settings: Guarded<IndexMap<Arc<str>, Data>>,
            /// All that is there: a map, a list, text, a number.
            pub value: Option<Guarded<Data>>,
            /// Items that the list there has; those that are missing are added at its end.
            pub add: Guarded<Vec<Data>>,
            /// Items that the list there does not have.
            pub remove: Guarded<Vec<Data>>,
            /// Keys that the map there does not have.
            pub absent: Vec<Arc<str>>,
            /// The map there has no other keys than those in `settings`, nor have the maps in it.
            #[default(false)]
            pub purge: bool,
            $($(#[$own_meta])* pub $own: $own_type,)*
            /// Make the file when it is missing.
            #[default(false)]
            pub create: bool,
            /// Permission bits of the file. Left as found when absent; 0644 for a new file.
            pub mode: Option<Mode>,
            /// The user the file belongs to. Left as found when absent.
            pub owner: Option<Account>,
            /// The group the file belongs to. Left as found when absent.
            pub group: Option<Account>,
            /// A command that has to accept the new content before it is put in place; `%s` stands for the path of the temporary file.
            pub validate: Option<Command>,
        }

        /// Whether it is there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
        pub enum State {
            /// It is there as the other attributes say.
            Present,
            /// What `at` names is not there.
            Absent,
        }

        impl $name {
            fn attributes(&self) -> InPlace<'_> {
                InPlace {
                    is_absent: self.state == State::Absent,
                    at: &self.at,
                    settings: &self.settings,
                    value: self.value.as_ref(),
                    add: &self.add,
                    remove: &self.remove,
                    absent: &self.absent,
                    purge: self.purge,
                    has_null: $has_null,
                }
            }

            fn footprint(&self) -> Footprint {
                self.file().footprint(self.attributes().parts(self.path.as_str()))
            }

            fn check(&self) -> Vec<Problem> {
                self.attributes().check(&self.file(), self.create)
            }
        }

        impl Edits for $name {
            fn file(&self) -> EditedFile<'_> {
                EditedFile {
                    create: self.create,
                    mode: self.mode,
                    owner: self.owner.as_ref(),
                    group: self.group.as_ref(),
                    validate: self.validate.as_ref(),
                    sensitive: self.attributes().is_sensitive(),
                    ..EditedFile::new(&self.path, self.state == State::Present)
                }
            }

            fn edit(&self, text: &[u8]) -> Edited {
                let $this = self;
                tree::edit(&$format, &self.attributes().wish(), text)
            }
        }

        edits_a_file!($name);
    };
}

pub(crate) use settings_in_place;

/// The attributes that say what is wanted in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InPlace<'a> {
    pub(crate) is_absent: bool,
    pub(crate) at: &'a [Scalar],
    pub(crate) settings: &'a Guarded<IndexMap<Arc<str>, Data>>,
    pub(crate) value: Option<&'a Guarded<Data>>,
    pub(crate) add: &'a Guarded<Vec<Data>>,
    pub(crate) remove: &'a Guarded<Vec<Data>>,
    pub(crate) absent: &'a [Arc<str>],
    pub(crate) purge: bool,
    /// The format has something for `none`.
    pub(crate) has_null: bool,
}

impl InPlace<'_> {
    pub(crate) fn is_sensitive(&self) -> bool {
        let lists = self.add.is_sensitive() || self.remove.is_sensitive();
        lists || self.settings.is_sensitive() || self.value.is_some_and(Guarded::is_sensitive)
    }

    fn steps(&self) -> Vec<Step> {
        let step = |step: &Scalar| match step {
            Scalar::Int(index) if *index >= 0 => Step::Index(usize::try_from(*index).unwrap_or(usize::MAX)),
            other => Step::Key(other.to_string().into()),
        };
        self.at.iter().map(step).collect()
    }

    fn data(&self) -> Map<String, Json> {
        self.settings.reveal().iter().map(|(key, value)| (key.to_string(), data(&value.0))).collect()
    }

    pub(crate) fn wish(&self) -> Wish {
        Wish {
            at: self.steps(),
            absent: self.is_absent,
            value: self.value.map(|value| data(&value.reveal().0)),
            settings: self.data(),
            purge: self.purge,
            without: self.absent.to_vec(),
            add: self.add.reveal().iter().map(|value| data(&value.0)).collect(),
            remove: self.remove.reveal().iter().map(|value| data(&value.0)).collect(),
        }
    }

    /// What has one owner in the file: each setting, and what is said as a whole.
    pub(crate) fn parts(&self, path: &str) -> Vec<String> {
        let at: Vec<String> = self.at.iter().map(ToString::to_string).collect();
        let place = format!("{path} {}", at.join("."));
        let mut parts = Vec::new();
        leaves(&place, &self.data(), &mut parts);
        parts.extend(self.absent.iter().map(|key| format!("{place}.{key}")));
        if self.value.is_some() || self.purge || self.is_absent {
            parts.push(place);
        }
        parts
    }

    pub(crate) fn check(&self, file: &EditedFile<'_>, create: bool) -> Vec<Problem> {
        let mut problems = Problems::default();
        file.check(problems.list());
        for step in self.at {
            let is_step = match step {
                Scalar::Text(_) => true,
                Scalar::Int(index) => *index >= 0,
                _ => false,
            };
            if !is_step {
                problems.invalid("at", format!("`{step}` leads nowhere"), "keys as strings, and numbers of list items from 0");
            }
        }
        let has_settings = !self.settings.reveal().is_empty() || self.purge || !self.absent.is_empty();
        let has_items = !self.add.reveal().is_empty() || !self.remove.reveal().is_empty();
        let given: BTreeMap<&str, bool> =
            [("value", self.value.is_some()), ("settings", has_settings), ("add", has_items)].into_iter().collect();
        if self.is_absent {
            problems.of_absent(
                "a place",
                &[
                    (self.value.is_some(), "value"),
                    (!self.settings.reveal().is_empty(), "settings"),
                    (self.purge, "purge"),
                    (!self.absent.is_empty(), "absent"),
                    (!self.add.reveal().is_empty(), "add"),
                    (!self.remove.reveal().is_empty(), "remove"),
                    (create, "create"),
                ],
            );
            if self.at.is_empty() {
                problems.missing("state", "nothing says what is not there", "give `at`, or declare file { state = absent }");
            }
            return problems.finish();
        }
        let said: Vec<&str> = given.iter().filter(|(_, given)| **given).map(|(name, _)| *name).collect();
        match said[..] {
            [] => {
                problems.missing("path", "nothing is said of what is in the file", "give `settings`, `value`, `add` or `remove`")
            }
            [_] => {}
            [first, second, ..] => {
                let message = "one place is not a map, a list and a whole at once";
                problems.conflict(first, Some(second), message, "give one of them, or another resource for another place");
            }
        }
        let wish = self.wish();
        let said = [("settings", Some(Json::Object(wish.settings))), ("value", wish.value), ("add", Some(Json::Array(wish.add)))];
        for (attribute, _) in said.into_iter().filter(|(_, said)| !self.has_null && said.as_ref().is_some_and(holds_null)) {
            problems.invalid(attribute, "the format has nothing for `none`", "leave it out, or name the key in `absent`");
        }
        for key in self.absent.iter().filter(|key| self.settings.reveal().contains_key(&***key)) {
            problems.conflict("absent", Some("settings"), format!("`{key}` is said to be two things"), "say it once");
        }
        problems.finish()
    }
}

fn holds_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.iter().any(holds_null),
        Json::Object(map) => map.values().any(holds_null),
        _ => false,
    }
}

/// The paths of all settings that are no maps.
fn leaves(place: &str, settings: &Map<String, Json>, found: &mut Vec<String>) {
    for (key, value) in settings {
        let place = format!("{place}.{key}");
        match value {
            Json::Object(inner) if !inner.is_empty() => leaves(&place, inner, found),
            _ => found.push(place),
        }
    }
}
