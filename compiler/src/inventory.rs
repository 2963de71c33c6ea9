//! The machines of a project: what its sources declare, and what inventories of other tools say, made one.
//!
//! Every kind of inventory is read into `Declared`: hosts and groups as they are written, each with its place. `resolve` finds the
//! members of the groups, and hands what a group says down to them. Nothing here reads a file or runs a program: texts are handed in.

mod foreign;
mod language;
mod resolve;
mod schema;

use std::sync::Arc;

use stead_grammar::ast::Span;

pub(crate) use foreign::read;
pub use foreign::{InventoryFormat, InventoryText, Owner, VARIABLE_FOLDERS, includes as ssh_includes, variable_files};
pub(crate) use language::declared;
pub(crate) use resolve::resolve;
pub(crate) use schema::schemas;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file: Arc<str>,
    pub(crate) span: Span,
}

/// How a machine is reached, as far as a host or a group says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) address: Option<Arc<str>>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) port: Option<u16>,
    pub(crate) identity: Option<Arc<str>>,
    /// Whether another user works than the one that logs in, by sudo.
    pub(crate) becomes: Option<bool>,
    /// The user that works then. Who says only this means that it does.
    pub(crate) become_user: Option<Arc<str>>,
    pub(crate) is_local: Option<bool>,
}

impl Reach {
    /// Takes from `other` what is not said here.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        self.address = self.address.take().or_else(|| other.address.clone());
        self.user = self.user.take().or_else(|| other.user.clone());
        self.port = self.port.or(other.port);
        self.identity = self.identity.take().or_else(|| other.identity.clone());
        self.becomes = self.becomes.or(other.becomes);
        self.become_user = self.become_user.take().or_else(|| other.become_user.clone());
        self.is_local = self.is_local.or(other.is_local);
    }

    /// The user that works, where it is not the one that logs in.
    pub(crate) fn worker(&self) -> Option<Arc<str>> {
        match self.becomes {
            Some(false) => None,
            Some(true) => Some(self.become_user.clone().unwrap_or_else(|| "root".into())),
            None => self.become_user.clone(),
        }
    }
}

/// A host as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: Arc<str>,
    pub(crate) at: At,
    pub(crate) reach: Reach,
    /// What inventories of other tools say of that, once they are put together.
    pub(crate) elsewhere: Reach,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) groups: Vec<Arc<str>>,
}

/// A group as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    pub(crate) at: At,
    /// Names and globs of hosts.
    pub(crate) hosts: Vec<(Arc<str>, At)>,
    pub(crate) children: Vec<(Arc<str>, At)>,
    pub(crate) reach: Reach,
    /// What inventories of other tools say of that, once they are put together.
    pub(crate) elsewhere: Reach,
    pub(crate) tags: Vec<Arc<str>>,
}

/// What a file of variables says of a group or a host that is declared elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) of: Owner,
    /// The directory that the inventory lies in: its files go together.
    pub(crate) directory: Arc<str>,
    pub(crate) reach: Reach,
    pub(crate) tags: Vec<Arc<str>>,
}

/// What one inventory declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) hosts: Vec<Host>,
    pub(crate) groups: Vec<Group>,
    /// What files beside an inventory of Ansible's say of its groups and hosts.
    pub(crate) settings: Vec<Settings>,
    /// A name declared again says more of the same thing, as in Ansible's inventories; else it is a mistake.
    pub(crate) adds_up: bool,
}

/// What a text of an inventory is for: each becomes a word of something else, and must not be more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The name of a machine: a file's name, a word of targets.
    Name,
    /// A tag or a group: a word of targets.
    Label,
    /// What ssh is handed: never an option, no blanks.
    Argument,
}

impl Word {
    /// Says whether the text is fit for it.
    pub(crate) fn fits(self, text: &str) -> bool {
        let plain = !text.is_empty() && text.len() <= 255 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        plain
            && !text.starts_with('-')
            && match self {
                Self::Name => !text.starts_with('.') && !text.contains(|c| "/\\'\"`*?[]{}(),;!&|<>$".contains(c)),
                Self::Label => text.chars().all(|c| c.is_alphanumeric() || "_.:@+-".contains(c)),
                Self::Argument => true,
            }
    }

    /// What is expected, for a message.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Name => "the name of a machine: no blanks, no slashes, no wildcards, no `-` or `.` in front",
            Self::Label => "a word of letters, digits and any of `_.:@+-`, with no `-` in front",
            Self::Argument => "a word without blanks and with no `-` in front",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn a_word_is_never_more_than_a_word() {
        let fits = |word: Word| {
            let texts = [
                "web-1",
                "-oProxyCommand=x",
                "a b",
                "a/b",
                "a*",
                ".x",
                "",
                "ünïcode",
                "a;b",
                "a\nb",
                "10.0.0.1",
                "$x",
                "fe80::1",
                "u@d",
            ];
            texts.into_iter().filter(|text| word.fits(text)).collect::<Vec<_>>()
        };
        assert_eq!(fits(Word::Name), ["web-1", "ünïcode", "10.0.0.1", "fe80::1", "u@d"]);
        assert_eq!(fits(Word::Label), ["web-1", ".x", "ünïcode", "10.0.0.1", "fe80::1", "u@d"]);
        assert_eq!(fits(Word::Argument), ["web-1", "a/b", "a*", ".x", "ünïcode", "a;b", "10.0.0.1", "$x", "fe80::1", "u@d"]);
    }
}
