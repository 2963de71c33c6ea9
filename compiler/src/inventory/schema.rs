//! What `host` and `group` take in an inventory.

use std::sync::Arc;

use stead_catalog::{AttributeSchema, Attributes, Footprint, Problem, Schema, Type};

fn attribute(name: &str, ty: Type, docs: &str) -> AttributeSchema {
    AttributeSchema {
        name: name.into(),
        ty,
        required: false,
        default: None,
        docs: docs.into(),
        sensitive: false,
        deprecated: None,
    }
}

/// What both take.
fn reach() -> Vec<AttributeSchema> {
    let becomes = Type::Union(Arc::new(vec![Type::Bool, Type::STRING]));
    vec![
        attribute("user", Type::STRING, "The user that ssh logs in as."),
        attribute("port", Type::Port, "The port of the ssh server."),
        attribute("identity", Type::STRING, "A file with the key that ssh logs in with."),
        attribute("become", becomes, "Work as root by sudo, or as the user of this name; `false` for the user that logs in."),
        attribute("local", Type::Bool, "It is the machine that Stead runs on: no ssh."),
        attribute("tags", Type::list(Type::STRING), "Labels, which targets and node blocks select by."),
    ]
}

fn schema(name: &str, docs: &str, key: AttributeSchema, own: Vec<AttributeSchema>, aliases: &[(&str, &str)]) -> Schema {
    fn nothing(_: &Attributes) -> Footprint {
        Footprint::default()
    }
    fn no_problem(_: &Attributes) -> Vec<Problem> {
        Vec::new()
    }
    let common: [(&str, &str); 10] = [
        ("ansible_user", "user"),
        ("ansible_port", "port"),
        ("ansible_become", "become"),
        ("sudo", "become"),
        ("priv", "identity"),
        ("key", "identity"),
        ("private_key", "identity"),
        ("username", "user"),
        ("labels", "tags"),
        ("tag", "tags"),
    ];
    Schema {
        name: name.into(),
        since: "0.1".into(),
        docs: docs.into(),
        key: key.name.clone(),
        attributes: std::iter::once(key).chain(own).chain(reach()).collect(),
        aliases: common.iter().chain(aliases).map(|(theirs, ours)| ((*theirs).into(), (*ours).into())).collect(),
        footprint: nothing,
        check: no_problem,
        lint: |_, _| Vec::new(),
        deprecated: None,
        reacts: false,
    }
}

/// The schemas of `host` and `group`.
pub(crate) fn schemas() -> [Schema; 2] {
    let mut name = attribute("name", Type::STRING, "The node's name: what node blocks and data are matched with.");
    name.required = true;
    let address = attribute("address", Type::STRING, "Host name, address or ssh alias; the name when absent.");
    let groups = attribute("groups", Type::list(Type::STRING), "Groups it is in, besides those that list it.");
    let aliases =
        [("hostname", "address"), ("ip", "address"), ("host", "address"), ("ansible_host", "address"), ("group", "groups")];
    let host = schema("host", "A machine of the inventory, and how it is reached.", name, vec![address, groups], &aliases);
    let mut name = attribute("name", Type::STRING, "The group's name.");
    name.required = true;
    let hosts = attribute("hosts", Type::list(Type::STRING), "Names and globs of its hosts, besides those that name the group.");
    let children = attribute("children", Type::list(Type::STRING), "Groups whose hosts are in this one as well.");
    let aliases = [("members", "hosts"), ("nodes", "hosts"), ("groups", "children")];
    let docs = "A group of the inventory's hosts; what it says of reaching them holds where a host says nothing.";
    [host, schema("group", docs, name, vec![hosts, children], &aliases)]
}
