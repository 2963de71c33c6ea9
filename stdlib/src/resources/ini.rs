//! The resource type `ini`.

mod document;

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Command, Footprint, Problem};

use self::document::{Document, Kind, Style};
use crate::edit::{Edited, EditedFile, Edits, edits_a_file};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Mode, Scalars};
use crate::{Choice, Resource};

/// Settings in a section of an INI file, the rest of which is somebody else's.
///
/// A setting that is there gets its value, and keeps its place, its indentation and the form of its separator; one that is missing is
/// added at the end of its section, and a missing section at the end of the file. Comments, order and the other settings stay as
/// they are. A setting that is there several times is set once; with a list of values it has one line for each. The same format, with other
/// separators and comments, is that of many daemons: `separator = ": "`, `separator = " "`. Compares to
/// Salt's `ini.options_present`, Puppet's `ini_setting`, and Ansible's `ini_file`.
///
/// ```stead
/// ini "/etc/app/app.ini" { section = "server", settings = { workers = 8, listen = "127.0.0.1:9000" } }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "ini",
    since = "0.1",
    aliases(
        dest = "path",
        file = "path",
        ensure = "state",
        options = "settings",
        values = "settings",
        sections = "settings",
        option = "setting",
        key = "setting",
        key_val_separator = "separator",
        delimiter = "separator",
        exclusive = "keep_others",
        allow_no_value = "flags",
        modify_inactive_option = "uncomment",
        strict = "purge",
        no_extra_spaces = "separator",
        indent_char = "separator",
        user = "owner"
    )
)]
pub struct Ini {
    /// The file. Identifies the resource; give `path` beside another name where several resources set something in one file.
    #[key]
    pub path: AbsolutePath,
    /// Whether the settings are there.
    #[default(State::Present)]
    pub state: State,
    /// The section. The part before the first header when absent.
    pub section: Option<Arc<str>>,
    /// Settings of the section with their values. A list stands for one line for each of its values.
    pub settings: Guarded<IndexMap<Arc<str>, Scalars>>,
    /// One setting; its value is `value`.
    pub setting: Option<Arc<str>>,
    /// The value of `setting`.
    pub value: Option<Guarded<Scalars>>,
    /// Settings of the section that are a key without a value: `skip-networking`.
    pub flags: Vec<Arc<str>>,
    /// Settings of the section that are not there.
    pub absent: Vec<Arc<str>>,
    /// Remove the settings of the section that nothing here names. Comments stay.
    #[default(false)]
    pub purge: bool,
    /// Keep lines of the same setting with other values: for settings that may stand there several times.
    #[default(false)]
    pub keep_others: bool,
    /// A missing setting takes the place of the first line where it is commented out.
    #[default(false)]
    pub uncomment: bool,
    /// What a new line has between key and value. Without its blanks it is also what existing lines are split at; one of blanks only splits at blanks.
    #[default(" = ")]
    pub separator: Arc<str>,
    /// What a comment begins with.
    #[default(vec!["#".into(), ";".into()])]
    pub comments: Vec<Arc<str>>,
    /// What stands before the name of a section.
    #[default("[")]
    pub section_prefix: Arc<str>,
    /// What stands after the name of a section.
    #[default("]")]
    pub section_suffix: Arc<str>,
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

/// Whether the settings are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The settings are there, with these values.
    Present,
    /// The settings that are named are not there; where none is named, the section is not.
    Absent,
}

impl Ini {
    /// The settings with their values; a flag has none.
    fn wanted(&self) -> Vec<(&str, Vec<Option<String>>)> {
        let values = |values: &Scalars| values.0.iter().map(|value| Some(value.to_string())).collect::<Vec<_>>();
        let mut wanted: Vec<(&str, Vec<Option<String>>)> =
            self.settings.reveal().iter().map(|(key, value)| (&**key, values(value))).collect();
        if let Some(setting) = &self.setting {
            wanted.push((setting, self.value.as_ref().map(|value| values(value.reveal())).unwrap_or_default()));
        }
        wanted.extend(self.flags.iter().map(|flag| (&**flag, vec![None])));
        wanted
    }

    fn footprint(&self) -> Footprint {
        let section = self.section.as_deref().unwrap_or_default();
        let place = |key: &str| format!("ini:{} [{section}] {key}", self.path);
        let mut parts: Vec<String> = Vec::new();
        // Several resources may each want a line of their own of one setting.
        if !self.keep_others {
            parts.extend(self.wanted().iter().map(|(key, _)| place(key)));
        }
        parts.extend(self.absent.iter().map(|key| place(key)));
        if self.purge || (self.state == State::Absent && parts.is_empty()) {
            parts.push(format!("ini:{} [{section}]", self.path));
        }
        self.file().footprint(parts)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.file().check(problems.list());
        self.check_names(&mut problems);
        let wanted = self.wanted();
        for (at, (key, _)) in wanted.iter().enumerate() {
            if wanted[..at].iter().any(|(other, _)| other == key) || self.absent.iter().any(|absent| **absent == **key) {
                let hint = "say it once: a list of values stands for several lines";
                problems.conflict("settings", None, format!("`{key}` is said to be two things"), hint);
            }
        }
        match self.state {
            State::Present => {
                if self.setting.is_some() != self.value.is_some() {
                    let (given, missing) = if self.setting.is_some() { ("setting", "value") } else { ("value", "setting") };
                    problems.missing(
                        given,
                        format!("`{given}` is given without `{missing}`"),
                        format!("give `{missing}` as well"),
                    );
                }
                if wanted.is_empty() && self.absent.is_empty() && !self.purge {
                    let hint = "give `settings`, or `setting` and `value`";
                    problems.missing("path", "nothing is said of what is in the file", hint);
                }
            }
            State::Absent => problems.of_absent(
                "a setting",
                &[
                    (self.create, "create"),
                    (self.purge, "purge"),
                    (self.uncomment, "uncomment"),
                    (!self.absent.is_empty(), "absent"),
                ],
            ),
        }
        problems.finish()
    }

    fn check_names(&self, problems: &mut Problems) {
        let breaks = |text: &str| text.contains(['\n', '\r', '\0']);
        let style = self.style();
        if self.section_prefix.is_empty() || self.section_suffix.is_empty() {
            let attribute = if self.section_prefix.is_empty() { "section_prefix" } else { "section_suffix" };
            problems.invalid(attribute, "a header has to be told from a setting", "give what stands around its name");
        }
        if self.separator.is_empty() || breaks(&self.separator) {
            problems.invalid("separator", "key and value have to be told apart", "give at least one character");
        }
        if let Some(section) = &self.section
            && (breaks(section) || section.trim() != &**section || section.contains(&*self.section_suffix))
        {
            let hint = "it has no line break, no blanks around it, and not what ends a header";
            problems.invalid("section", format!("`{section}` cannot be the name of a section"), hint);
        }
        let mark = self.separator.trim();
        for (key, values) in self.wanted().into_iter().chain(self.absent.iter().map(|key| (&**key, Vec::new()))) {
            let attribute = if self.setting.as_deref() == Some(key) {
                "setting"
            } else if self.flags.iter().any(|flag| **flag == *key) {
                "flags"
            } else if self.absent.iter().any(|absent| **absent == *key) {
                "absent"
            } else {
                "settings"
            };
            let splits = if mark.is_empty() { key.contains(char::is_whitespace) } else { key.contains(mark) };
            let is_other = style.comments.iter().any(|comment| key.starts_with(&**comment)) || key.starts_with(style.brackets.0);
            if key.is_empty() || breaks(key) || key.trim() != key || splits || is_other {
                let hint = "it would be read as something else: a comment, a header, or a key with a value";
                problems.invalid(attribute, format!("`{key}` cannot be the name of a setting"), hint);
            }
            for value in values.iter().flatten() {
                if breaks(value) || value.trim() != value || value.ends_with('\\') {
                    let attribute = if attribute == "setting" { "value" } else { attribute };
                    let message = format!("the value of `{key}` does not stand in one line as it is");
                    problems.invalid(attribute, message, "take line breaks, blanks around it and a `\\` at its end away");
                }
            }
        }
    }

    fn style(&self) -> Style<'_> {
        Style { separator: &self.separator, comments: &self.comments, brackets: (&self.section_prefix, &self.section_suffix) }
    }

    fn set(&self, document: &mut Document<'_>, key: &str, values: &[Option<String>]) {
        let section = self.section.as_deref();
        let same = |document: &Document<'_>, at: usize, value: &Option<String>| {
            document.value(at) == value.as_ref().map(String::as_bytes)
        };
        if self.keep_others {
            for value in values {
                let found = document.settings(section, key).into_iter().any(|at| same(document, at, value));
                if !found {
                    document.add(section, key, value.as_deref(), self.uncomment);
                }
            }
            return;
        }
        let found = document.settings(section, key);
        for (at, value) in found.iter().zip(values) {
            if !same(document, *at, value) {
                document.rewrite(*at, value.as_deref());
            }
        }
        for at in found.iter().skip(values.len()).rev() {
            document.items.remove(*at);
        }
        for value in values.iter().skip(found.len()) {
            document.add(section, key, value.as_deref(), self.uncomment);
        }
    }

    fn take_away(&self, document: &mut Document<'_>, wanted: &[(&str, Vec<Option<String>>)]) {
        let section = self.section.as_deref();
        if wanted.is_empty() {
            return document.remove_section(section);
        }
        for (key, values) in wanted {
            for at in document.settings(section, key).into_iter().rev() {
                let is_meant = !self.keep_others
                    || values.is_empty()
                    || values.iter().any(|value| document.value(at) == value.as_ref().map(String::as_bytes));
                if is_meant {
                    document.items.remove(at);
                }
            }
        }
    }
}

impl Edits for Ini {
    fn file(&self) -> EditedFile<'_> {
        EditedFile {
            create: self.create,
            mode: self.mode,
            owner: self.owner.as_ref(),
            group: self.group.as_ref(),
            validate: self.validate.as_ref(),
            sensitive: self.settings.is_sensitive() || self.value.as_ref().is_some_and(Guarded::is_sensitive),
            ..EditedFile::new(&self.path, self.state == State::Present)
        }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let mut document = Document::parse(text, self.style())?;
        let section = self.section.as_deref();
        let wanted = self.wanted();
        if self.state == State::Absent {
            self.take_away(&mut document, &wanted);
        } else {
            if let Some(name) = section
                && !wanted.iter().all(|(_, values)| values.is_empty())
                && document.section(section).is_empty()
            {
                document.add_section(name);
            }
            for (key, values) in &wanted {
                self.set(&mut document, key, values);
            }
            let is_named = |key: &[u8]| wanted.iter().any(|(name, _)| name.as_bytes() == key);
            let is_unwanted =
                |key: &[u8]| self.absent.iter().any(|name| name.as_bytes() == key) || (self.purge && !is_named(key));
            for at in document.section(section).into_iter().rev() {
                if matches!(&document.items[at].kind, Kind::Setting { key, .. } if is_unwanted(key)) {
                    document.items.remove(at);
                }
            }
        }
        let edited = document.text();
        Ok((edited != text).then_some(edited))
    }
}

edits_a_file!(Ini);
