//! Variables of inventories: those that say how a host is reached, and what becomes of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stead_catalog::Value;
use stead_grammar::ast::Span;

use super::{At, Reach, Reader, Word};
use crate::data::{Kind, Node};
use crate::diagnostic::Diagnostic;

/// The value of a variable.
#[derive(Clone, Debug)]
pub(super) enum Given<'n> {
    /// A word of an INI file.
    Text(&'n str),
    /// A value of YAML or JSON.
    Node(&'n Node),
}

impl Given<'_> {
    /// The value as one word; `None` of lists and maps.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Node(node) => match &node.kind {
                Kind::Scalar(Value::String(text)) => Some(text.to_string()),
                Kind::Scalar(Value::Mode(_) | Value::None) | Kind::List(_) | Kind::Map(_) => None,
                Kind::Scalar(value) => Some(value.to_string()),
            },
        }
    }

    fn bool(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "y" => Some(true),
            "false" | "no" | "off" | "0" | "n" => Some(false),
            _ => None,
        }
    }

    fn words(&self) -> Vec<String> {
        let split = |text: &str| {
            let bare = text.trim_start_matches('[').trim_end_matches(']');
            bare.split([',', ' ']).map(|word| word.trim_matches(['\'', '"']).to_owned()).filter(|word| !word.is_empty()).collect()
        };
        match self {
            Self::Text(text) => split(text),
            Self::Node(node) => match &node.kind {
                Kind::List(items) => items.iter().filter_map(|item| Given::Node(item).text()).collect(),
                _ => self.text().map(|text| split(&text)).unwrap_or_default(),
            },
        }
    }
}

/// What was not read of variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Those that are data to Ansible, and where each stands first.
    unread: BTreeMap<Arc<str>, At>,
    /// What Ansible's vault encrypted: files, and values.
    encrypted: Vec<At>,
    /// The variables of which it was told why they are not read.
    told: BTreeSet<Arc<str>>,
}

/// What of Ansible needs no answer here: there is no Python on the target, and no shell of a user.
const HARMLESS: [&str; 9] = [
    "ansible_python_interpreter",
    "ansible_shell_type",
    "ansible_shell_executable",
    "ansible_pipelining",
    "ansible_ssh_pipelining",
    "ansible_ssh_transfer_method",
    "ansible_scp_if_ssh",
    "ansible_sftp_batch_mode",
    "ansible_ssh_retries",
];

const NOT_RENDERED: &str = "Jinja in an inventory is not rendered: write the value itself";

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl Reader<'_> {
    /// Takes one variable of Ansible's.
    pub(super) fn variable(
        &mut self,
        name: &str,
        value: &Given<'_>,
        (key, span): (Span, Span),
        reach: &mut Reach,
        tags: &mut Vec<Arc<str>>,
    ) {
        let mut encrypted = self.variables.encrypted.iter().rev().take_while(|at| at.file == self.file);
        if encrypted.any(|at| at.span == span) {
            return;
        }
        match name {
            "ansible_host" | "ansible_ssh_host" => reach.address = self.word(value, span),
            "ansible_user" | "ansible_ssh_user" => reach.user = self.word(value, span),
            "ansible_port" | "ansible_ssh_port" => reach.port = self.port(value, span),
            "ansible_ssh_private_key_file" | "ansible_private_key_file" => reach.identity = self.word(value, span),
            "ansible_become" | "ansible_sudo" => reach.becomes = self.flag(value, span),
            "ansible_become_user" | "ansible_sudo_user" => reach.become_user = self.word(value, span),
            "ansible_connection" => match value.text().as_deref() {
                Some("local") => reach.is_local = Some(true),
                Some("ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.builtin.ssh" | "openssh") => {}
                _ => {
                    let shown = value.text().unwrap_or_default();
                    let message = format!("`ansible_connection={}` is not read", shown.escape_debug());
                    self.once(name, key, message, "hosts are reached by ssh, or are this machine: `local`");
                }
            },
            "ansible_become_method" => {
                if value.text().is_none_or(|method| !matches!(&*method, "sudo" | "ansible.builtin.sudo")) {
                    self.once(name, key, "`ansible_become_method` is not read".into(), "work is done as root by sudo");
                }
            }
            "ansible_password" | "ansible_ssh_pass" | "ansible_become_password" | "ansible_become_pass" | "ansible_sudo_pass" => {
                let hint = "log in with a key; a password of sudo is asked for, and never read from a file";
                self.once(name, key, format!("`{name}` is not read: passwords do not belong in an inventory"), hint);
            }
            "ansible_ssh_common_args" | "ansible_ssh_extra_args" | "ansible_ssh_args" | "ansible_ssh_executable" => {
                let hint = "put it into your ssh configuration, which is followed: `Host NAME` and `ProxyJump …`, for example";
                self.once(name, key, format!("`{name}` is not read"), hint);
            }
            "stead_tags" | "tags" => {
                for word in value.words() {
                    if self.fits(&word, Word::Label, span) {
                        tags.push(word.into());
                    }
                }
            }
            harmless if HARMLESS.contains(&harmless) => {}
            other => {
                let at = self.at(key);
                self.variables.unread.entry(other.into()).or_insert(at);
            }
        }
    }

    /// Tells why a variable is not read: of each once, wherever it stands again.
    pub(super) fn once(&mut self, name: &str, key: Span, message: String, hint: &str) {
        if self.variables.told.insert(name.into()) {
            self.found.push(Diagnostic::warning("unread-variable", message).at(&self.file, key, "").hint(hint).hidden());
        }
    }

    /// Notes a file that Ansible's vault encrypted.
    pub(super) fn encrypted_file(&mut self, first_line: Span) {
        let at = self.at(first_line);
        self.variables.encrypted.push(at);
    }

    /// Takes the complaints out that are about values which Ansible's vault encrypted: they are told of together.
    pub(super) fn take_encrypted(&mut self, found: &mut Vec<Diagnostic>) {
        let is_encrypted = |diagnostic: &mut Diagnostic| diagnostic.code == "unsupported-secret";
        for label in found.extract_if(.., is_encrypted).filter_map(|diagnostic| diagnostic.labels.into_iter().next()) {
            self.variables.encrypted.push(At { file: label.file, span: label.span });
        }
    }

    /// Tells, once, of what Ansible's vault encrypted.
    pub(super) fn tell_encrypted(&mut self) {
        let encrypted = std::mem::take(&mut self.variables.encrypted);
        let Some(first) = encrypted.first() else { return };
        let message = match encrypted.len() {
            1 => "what Ansible's vault encrypted is not read".to_owned(),
            n => format!("what Ansible's vault encrypted is not read: here and in {} more places", n - 1),
        };
        let hint = "a secret that states need goes into a data file, encrypted for its readers: `stead secret set`";
        self.found.push(Diagnostic::warning("unread-vault", message).at(&first.file, first.span, "").hint(hint));
    }

    /// Tells, once, of the variables that are data to Ansible.
    pub(super) fn tell_unread(&mut self) {
        let unread = std::mem::take(&mut self.variables.unread);
        let Some(first) = unread.values().min_by_key(|at| (&at.file, at.span.start)).cloned() else { return };
        let mut names: Vec<String> = unread.keys().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
        if unread.len() > names.len() {
            names.push(format!("{} more", unread.len() - names.len()));
        }
        let what = if unread.len() == 1 { "this variable is" } else { "these variables are" };
        let message = format!("{what} not read: {}", names.join(", "));
        let hint = "what states need is data: data/node/NAME.yaml for a host, data/group/NAME.yaml for a group";
        // The line may hold what nobody is to see: who knows which of them are passwords.
        self.found.push(Diagnostic::warning("unread-variable", message).at(&first.file, first.span, "").hint(hint).hidden());
    }

    fn mismatch(&mut self, value: &Given<'_>, span: Span, expected: &str) {
        let text = value.text();
        let shown = text.as_ref().map_or_else(|| "something else".to_owned(), |text| format!("\"{}\"", text.escape_debug()));
        let diagnostic = self.error("type-mismatch", span, format!("found {shown}, expected {expected}"));
        if text.is_some_and(|text| is_template(&text)) {
            diagnostic.hints.push(NOT_RENDERED.into());
        }
    }

    pub(super) fn word(&mut self, value: &Given<'_>, span: Span) -> Option<Arc<str>> {
        match value.text() {
            Some(text) if is_template(&text) => {
                self.mismatch(value, span, Word::Argument.expected());
                None
            }
            Some(text) if self.fits(&text, Word::Argument, span) => Some(text.into()),
            Some(_) => None,
            None => {
                self.mismatch(value, span, Word::Argument.expected());
                None
            }
        }
    }

    pub(super) fn port(&mut self, value: &Given<'_>, span: Span) -> Option<u16> {
        let port = value.text().and_then(|text| text.parse::<u16>().ok()).filter(|port| *port > 0);
        if port.is_none() {
            self.mismatch(value, span, "a port in 1..=65535");
        }
        port
    }

    pub(super) fn flag(&mut self, value: &Given<'_>, span: Span) -> Option<bool> {
        let flag = value.bool();
        if flag.is_none() {
            self.mismatch(value, span, "true or false");
        }
        flag
    }
}
