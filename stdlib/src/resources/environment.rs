//! The resource type `environment`.

use std::sync::Arc;

use stead_catalog::{Footprint, Problem};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, EditedFile, Edits, edits_a_file};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Guarded, Mode, Scalar};
use crate::{Choice, Resource};

/// A variable of every session: in `/etc/environment`, or in a script of `/etc/profile.d`.
///
/// `/etc/environment` is read by PAM for every login, graphical ones and cron included, and knows no expressions. A script, which is any
/// file whose name ends in `.sh`, is read by login shells, and gets `export NAME=value`. The value is quoted as the file asks for it. A variable
/// that is set twice is set once; other lines stay. Sessions that are open keep what they have. Compares to
/// Salt's `environ.setenv`, and to `lineinfile` and `file_line` in Ansible and Puppet.
///
/// ```stead
/// environment "DEMO_ENV" { value = "production" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "environment",
    since = "0.1",
    aliases(variable = "name", key = "name", ensure = "state", file = "path", dest = "path", profile_d = "profile")
)]
pub struct Environment {
    /// The variable. Identifies the resource; give `name` beside another name where it is set in two files.
    #[key]
    pub name: Arc<str>,
    /// Whether the variable is set.
    #[default(State::Present)]
    pub state: State,
    /// Its value. Shown as `(sensitive)` when it is a secret.
    pub value: Option<Guarded<Scalar>>,
    /// A script of this name in `/etc/profile.d` sets it, without `.sh`: `profile = "java"`. One in which nothing is left goes.
    pub profile: Option<Arc<str>>,
    /// The file: one whose name ends in `.sh` is a script for the shell, any other one is read by PAM. `/etc/environment` when absent.
    pub path: Option<AbsolutePath>,
    /// The value of a script's variable is an expression of the shell: `"/opt/app/bin:$PATH"`.
    #[default(false)]
    pub expand: bool,
}

/// Whether the variable is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The variable is set.
    Present,
    /// No line sets it.
    Absent,
}

impl Environment {
    /// The file; the path is absolute by what the compiler has checked.
    fn place(&self) -> AbsolutePath {
        let profile = self.profile.as_ref().and_then(|profile| AbsolutePath::new(&format!("/etc/profile.d/{profile}.sh")));
        profile.or_else(|| self.path.clone()).unwrap_or_else(|| crate::values::FromLiteral::from_literal("/etc/environment"))
    }

    fn is_script(&self) -> bool {
        self.place().as_str().ends_with(".sh")
    }

    fn footprint(&self) -> Footprint {
        let place = self.place();
        self.file().footprint([format!("environment:{place} {}", self.name)])
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        let is_name = self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if self.name.is_empty() || !is_name || self.name.as_bytes()[0].is_ascii_digit() {
            problems.invalid(
                "name",
                format!("`{}` is no name of a variable", self.name),
                "letters, digits and `_`, no digit first",
            );
        }
        if let Some(profile) = &self.profile {
            if profile.is_empty() || profile.contains(['/', '\0', '\n']) || profile.starts_with('.') {
                problems.invalid("profile", format!("`{profile}` is no name of a file"), "name the script without its directory");
            }
            if self.path.is_some() {
                problems.conflict("path", Some("profile"), "the variable is set in one file", "keep one of the two");
            }
        }
        let value = self.value.as_ref().map(|value| value.reveal().to_string());
        if let Some(value) = value.as_deref().filter(|value| value.contains(['\n', '\r', '\0'])) {
            let message = if value.contains('\0') { "no variable holds a NUL" } else { "the value is more than one line" };
            problems.invalid("value", message, "take it away");
        } else if let Some(value) = value.as_deref().filter(|_| !self.is_script()) {
            // pam_env(8) cuts a line at `#`, also within quotes, and knows no way around it.
            if value.contains('#') {
                problems.invalid(
                    "value",
                    "PAM takes what follows a `#` for a comment",
                    "set the variable in a script: `profile = …`",
                );
            } else if value.ends_with('\\') {
                problems.invalid(
                    "value",
                    "PAM takes a `\\` at the end for a line that goes on",
                    "set the variable in a script: `profile = …`",
                );
            }
        }
        if self.expand && !self.is_script() {
            problems.conflict("expand", None, "PAM knows no expressions", "set the variable in a script: `profile = …`");
        }
        match (&self.value, self.state) {
            (None, State::Present) => {
                problems.missing("value", "the variable has no value", "give `value`, or set `state = absent`")
            }
            (Some(_), State::Absent) => problems.of_absent("a variable", &[(true, "value")]),
            _ => {}
        }
        problems.finish()
    }

    /// The line that sets the variable.
    fn line(&self, value: &str) -> String {
        if !self.is_script() {
            return format!("{}={}", self.name, quoted_for_pam(value));
        }
        let value = if self.expand { quoted_to_expand(value) } else { quoted_for_shell(value) };
        format!("export {}={value}", self.name)
    }

    /// What a line says of the variable: the text behind `NAME=`.
    fn said<'l>(&self, line: &'l str) -> Option<&'l str> {
        let line = line.trim();
        let line =
            line.strip_prefix("export").map_or(line, |rest| if rest.starts_with([' ', '\t']) { rest.trim_start() } else { line });
        line.strip_prefix(&*self.name)?.strip_prefix('=')
    }

    /// Says whether a line sets the variable to the value, in whatever quotes.
    fn sets(&self, line: &str, value: &str) -> bool {
        let Some(said) = self.said(line) else { return false };
        if !self.is_script() {
            return unquoted_by_pam(said) == value;
        }
        if !line.trim_start().starts_with("export") {
            return false;
        }
        if self.expand {
            return said.trim() == quoted_to_expand(value);
        }
        let is_plain = !said.contains(['$', '`'])
            || said.starts_with('\'') && said.ends_with('\'') && !said[1..said.len().max(2) - 1].contains('\'');
        is_plain && shlex::split(said).is_some_and(|words| words == [value])
    }
}

/// A value as pam_env(8) reads it back: in quotes where blanks or quotes at its ends would be lost.
fn quoted_for_pam(value: &str) -> String {
    let is_plain = value.trim() == value && !value.starts_with(['"', '\'']) && !value.ends_with(['"', '\'']);
    match (is_plain, value.starts_with('"') || value.ends_with('"')) {
        (true, _) => value.to_owned(),
        (false, false) => format!("\"{value}\""),
        (false, true) => format!("'{value}'"),
    }
}

/// What pam_env(8) makes of the text behind `NAME=`: blanks at the end go, and one quote at either end.
fn unquoted_by_pam(said: &str) -> &str {
    let said = said.split('#').next().unwrap_or_default().trim_end();
    let said = said.strip_prefix(['"', '\'']).unwrap_or(said);
    said.strip_suffix(['"', '\'']).unwrap_or(said)
}

/// A value as a word of the shell that stands for itself.
fn quoted_for_shell(value: &str) -> String {
    let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte));
    if is_plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) }
}

/// A value as the shell expands it: in double quotes, within which variables and commands still count.
fn quoted_to_expand(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\\\""))
}

impl Edits for Environment {
    fn file(&self) -> EditedFile<'_> {
        EditedFile {
            create: true,
            new_mode: Mode(0o644),
            sensitive: self.value.as_ref().is_some_and(Guarded::is_sensitive),
            remove_empty: self.is_script(),
            ..EditedFile::new(&self.place(), self.state == State::Present)
        }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let ending = lines::ending(text);
        let value = self.value.as_ref().map(|value| value.reveal().to_string()).unwrap_or_default();
        let all = split(text);
        let content = |line: &[u8]| String::from_utf8_lossy(body(line)).into_owned();
        let own: Vec<usize> = (0..all.len()).filter(|at| self.said(&content(all[*at])).is_some()).collect();
        let mut edited: Vec<Vec<u8>> = Vec::new();
        for (at, line) in all.iter().enumerate() {
            match (self.state, own.iter().position(|own| *own == at)) {
                (_, None) => edited.push(line.to_vec()),
                (State::Present, Some(0)) if self.sets(&content(line), &value) => edited.push(line.to_vec()),
                (State::Present, Some(0)) => edited.push(lines::line(self.line(&value).as_bytes(), &line[body(line).len()..])),
                _ => {}
            }
        }
        if self.state == State::Present && own.is_empty() {
            edited.push(lines::line(self.line(&value).as_bytes(), ending));
        }
        let edited = lines::join(edited.iter().map(Vec::as_slice), ending);
        Ok((edited != text).then_some(edited))
    }
}

edits_a_file!(Environment, removal: ["profile", "path"]);
