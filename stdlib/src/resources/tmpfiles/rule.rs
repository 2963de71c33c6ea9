//! Lines of tmpfiles.d(5): what they say, and which of it can be told before it is done.

/// The types of lines, as far as their first letter goes.
const TYPES: &str = "fFwdDevqQpLcbCxXrRzZtThHaA";

/// What follows the letter: `+`, `!`, `-`, `=`, `~`, `^`, `$`, `?`.
const MODIFIERS: &str = "+!-=~^$?";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) kind: char,
    pub(super) modifiers: String,
    pub(super) path: String,
    pub(super) mode: Option<u32>,
    /// The mode is for new things only (`:0755`), or masks another (`~0755`).
    pub(super) is_mode_plain: bool,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) argument: Option<String>,
}

impl Rule {
    /// Reads a line; `None` of a comment or a blank one.
    ///
    /// # Errors
    /// What systemd-tmpfiles would not take.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let words = shlex::split(line).ok_or_else(|| format!("`{line}` has a quote that is not closed"))?;
        let kind = words.first().and_then(|word| word.chars().next()).filter(|kind| TYPES.contains(*kind));
        let modifiers: String = words.first().map(|word| word.chars().skip(1).collect()).unwrap_or_default();
        let Some(kind) = kind.filter(|_| modifiers.chars().all(|modifier| MODIFIERS.contains(modifier))) else {
            return Err(format!("`{}` is no type of a line", words.first().map_or("", String::as_str)));
        };
        let field = |at: usize| words.get(at).map(String::as_str).filter(|word| !word.is_empty() && *word != "-");
        let Some(path) = field(1).filter(|path| path.starts_with(['/', '%'])) else {
            return Err(format!("`{line}` names no absolute path"));
        };
        let mode = field(2).map(|mode| mode.trim_start_matches([':', '~']));
        if let Some(mode) = mode
            .filter(|mode| u32::from_str_radix(mode, 8).is_ok_and(|mode| mode > 0o7777) || u32::from_str_radix(mode, 8).is_err())
        {
            return Err(format!("`{mode}` is no mode"));
        }
        // The argument is the rest of the line, blanks and all.
        let argument = (words.len() > 6).then(|| words[6..].join(" ")).filter(|argument| argument != "-");
        Ok(Some(Self {
            kind,
            modifiers,
            path: path.to_owned(),
            mode: mode.and_then(|mode| u32::from_str_radix(mode, 8).ok()),
            is_mode_plain: field(2).is_none_or(|mode| !mode.starts_with([':', '~'])),
            user: field(3).map(str::to_owned),
            group: field(4).map(str::to_owned),
            argument,
        }))
    }

    /// Says whether what the line makes is known from the line alone: no pattern, no specifier, not at boot only.
    pub(super) fn is_known(&self) -> bool {
        let is_plain = |text: &str| !text.contains(['%', '*', '?', '[']);
        let argument = self.argument.as_deref().is_none_or(|argument| !argument.contains(['%', '\\']));
        let has_other = self.modifiers.contains(['!', '~', '^', '$', '=', '?']);
        is_plain(&self.path)
            && argument
            && !has_other
            && self.is_mode_plain
            && [&self.user, &self.group].into_iter().flatten().all(|name| is_plain(name) && !name.starts_with([':', '~']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_tmpfiles_d() {
        let rule = Rule::parse("L+ /etc/motd - - - - ../run/my motd").expect("it is a line").expect("it is one");
        assert_eq!((rule.kind, &*rule.modifiers, rule.argument.as_deref()), ('L', "+", Some("../run/my motd")));
        assert_eq!(Rule::parse("# d /x"), Ok(None));
        for bad in ["d", "k /x", "d x", "d /x 09", "d /x 0755 'a", "d_ /x"] {
            assert!(Rule::parse(bad).is_err(), "{bad}");
        }
    }
}
