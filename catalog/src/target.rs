//! A machine and the way to reach it, as an inventory names it.

use std::sync::Arc;

/// A node and the way to reach it. Whatever is not given is left to the user's own ssh configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The node's name: what node blocks and data are matched with.
    pub name: Arc<str>,
    /// Host name, address or alias that ssh is given; the node's name when absent.
    pub address: Option<Arc<str>>,
    /// The user that ssh logs in as.
    pub user: Option<Arc<str>>,
    /// The port of the ssh server.
    pub port: Option<u16>,
    /// A file with the key that ssh logs in with.
    pub identity: Option<Arc<str>>,
    /// The user that the work is done as, by sudo; the one that logs in when absent.
    pub r#become: Option<Arc<str>>,
    /// Labels, which targets and node blocks select by.
    pub tags: Vec<Arc<str>>,
    /// Groups it is in, the outermost first; data may be looked up by them.
    pub groups: Vec<Arc<str>>,
}

impl Target {
    /// A node that ssh reaches by its name alone.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What ssh is given.
    pub fn address(&self) -> &str {
        self.address.as_deref().unwrap_or(&self.name)
    }
}
