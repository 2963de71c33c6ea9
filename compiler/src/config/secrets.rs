//! The table `[secrets]`: who may read a project's secrets, and the programs that tell some.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_grammar::ast::Span;

use super::{Program, Reader};
use crate::data::Node;

/// The table `[secrets]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsConfig {
    /// Public keys that secrets are encrypted for: `age1…` or `ssh-ed25519 …`.
    pub recipients: Vec<(Arc<str>, Span)>,
    /// Programs that tell a secret, by the name that `secret:NAME` uses.
    pub commands: BTreeMap<Arc<str>, Program>,
}

impl SecretsConfig {
    pub(super) fn read(table: &Node, reader: &mut Reader) -> Self {
        reader.known_keys(table, &["recipients", "commands"], "secrets");
        Self { recipients: reader.texts(table, "recipients"), commands: reader.programs(table, "commands") }
    }
}
