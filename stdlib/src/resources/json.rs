//! The resource type `json`.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Command, Footprint, Problem};

use crate::edit::tree::resource::{InPlace, settings_in_place};
use crate::edit::tree::{self, json::JsonFormat};
use crate::edit::{Edited, EditedFile, Edits, edits_a_file};
use crate::values::{AbsolutePath, Account, Data, Guarded, Mode, Scalar};
use crate::{Choice, Resource};

settings_in_place! {
    /// Settings in a JSON file, the rest of which is somebody else's.
    ///
    /// What is set keeps its place, and everything else stays as it is: order, indentation, blank lines. Maps are gone into, so that only what
    /// is named is decided; lists and plain values are set as a whole, or by their items with `add` and `remove`. The new text is read again
    /// before it is written, and has to say exactly what was asked for. Compares to Salt's `file.serialize` with
    /// `merge_if_exists`, and to `augeas` and templates elsewhere.
    ///
    /// ```stead
    /// json "/etc/docker/daemon.json" { settings = { "log-driver" = "journald", "log-opts" = { tag = "docker" } }, create = true }
    /// ```
    #[derive(Clone, Debug, Resource)]
    #[resource(
        name = "json",
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
    pub struct Json {
        /// The file has comments, and commas after last items, as editors and linters take them.
        #[default(false)]
        pub comments: bool,
    }
    |this| JsonFormat { comments: this.comments }, has_null = true
}
