//! The resource type `yaml`.

use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Command, Footprint, Problem};

use crate::edit::tree::resource::{InPlace, settings_in_place};
use crate::edit::tree::{self, yaml::YamlFormat};
use crate::edit::{Edited, EditedFile, Edits, edits_a_file};
use crate::values::{AbsolutePath, Account, Data, Guarded, Mode, Scalar};
use crate::{Choice, Resource};

settings_in_place! {
    /// Settings in a YAML file, the rest of which is somebody else's.
    ///
    /// What is set keeps its place, and everything else stays as it is: comments, order, indentation, quotes. Maps are gone into, so that only
    /// what is named is decided; lists and plain values are set as a whole, or by their items with `add` and `remove`. The new text is read
    /// again before it is written, and has to say exactly what was asked for; what cannot be changed in place, such as a part
    /// that is another one's alias, is an error. Compares to Salt's `file.serialize` with `merge_if_exists`, Puppet's `yaml_setting`, and Ansible modules of the community.
    ///
    /// ```stead
    /// yaml "/etc/netplan/50-app.yaml" { at = ["network", "ethernets", "eth0"], settings = { dhcp4 = true }, create = true }
    /// ```
    #[derive(Clone, Debug, Resource)]
    #[resource(
        name = "yaml",
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
    pub struct Yaml {
    }
    |_this| YamlFormat, has_null = true
}
