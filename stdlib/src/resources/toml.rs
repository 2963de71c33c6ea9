//! The resource type `toml`.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Command, Footprint, Problem};

use crate::edit::tree::resource::{InPlace, settings_in_place};
use crate::edit::tree::{self, toml::TomlFormat};
use crate::edit::{Edited, EditedFile, Edits, edits_a_file};
use crate::values::{AbsolutePath, Account, Data, Guarded, Mode, Scalar};
use crate::{Choice, Resource};

settings_in_place! {
    /// Settings in a TOML file, the rest of which is somebody else's.
    ///
    /// What is set keeps its place, and everything else stays as it is: comments, order, blank lines. Tables are gone into, so that only what
    /// is named is decided; arrays and plain values are set as a whole, or by their items with `add` and `remove`. The new text is read again
    /// before it is written, and has to say exactly what was asked for. Compares to Salt's `file.serialize` with `merge_if_exists`, and to templates elsewhere.
    ///
    /// ```stead
    /// toml "/etc/containerd/config.toml" { settings = { root = "/srv/containerd", grpc = { max_recv_message_size = 16777216 } } }
    /// ```
    #[derive(Clone, Debug, Resource)]
    #[resource(
        name = "toml",
        since = "0.1",
        aliases(
            name = "path",
            dest = "path",
            file = "path",
            dataset = "settings",
            data = "settings",
            key = "at",
            subkey = "at",
            ensure = "state",
            append = "add",
            user = "owner"
        )
    )]
    pub struct Toml {
    }
    |_this| TomlFormat, has_null = false
}
