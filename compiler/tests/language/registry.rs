//! A miniature standard library: enough of each type for the language to be tested without stdlib.

use stead_catalog::{AttributeSchema, Attributes, Footprint, Place, PlaceKind, Problem, Schema, Type, Value};
use stead_compiler::Schemas;

fn attribute(name: &str, ty: Type) -> AttributeSchema {
    AttributeSchema { name: name.into(), ty, required: false, default: None, docs: "".into(), sensitive: false, deprecated: None }
}

fn required(name: &str, ty: Type) -> AttributeSchema {
    AttributeSchema { required: true, ..attribute(name, ty) }
}

fn state(members: &[&str]) -> AttributeSchema {
    AttributeSchema { default: Some(Value::Member(members[0].into())), ..attribute("state", Type::choice(members)) }
}

fn schema(name: &str, attributes: Vec<AttributeSchema>, footprint: fn(&Attributes) -> Footprint) -> Schema {
    Schema {
        name: name.into(),
        since: "0.1".into(),
        docs: "".into(),
        key: attributes[0].name.clone(),
        attributes,
        aliases: vec![("ensure".into(), "state".into()), ("contents".into(), "content".into())],
        footprint,
        check: |_| Vec::new(),
        lint: |_, _| Vec::new(),
        deprecated: None,
        reacts: false,
    }
}

fn is_absent(attributes: &Attributes) -> bool {
    attributes.str("state") == Some("absent")
}

fn path_of(attributes: &Attributes) -> Option<Place> {
    attributes.str("path").map(Place::path)
}

fn parent(path: &str) -> Place {
    Place::path(path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent }))
}

fn entry(attributes: &Attributes) -> Footprint {
    let Some(path) = attributes.str("path") else { return Footprint::default() };
    let mut footprint = Footprint { owns: path_of(attributes).into_iter().collect(), ..Footprint::default() };
    if is_absent(attributes) {
        footprint.removes = true;
        footprint.gone_before.push(Place::path(path));
        return footprint;
    }
    footprint.needs.push(parent(path));
    footprint.needs.extend(attributes.str("owner").map(Place::user));
    footprint.needs.extend(attributes.str("group").map(Place::group));
    if attributes.bool("purge") == Some(true) {
        footprint.sweeps.push(path.into());
    }
    footprint
}

fn account(attributes: &Attributes) -> Footprint {
    let Some(name) = attributes.str("name") else { return Footprint::default() };
    let mut footprint = Footprint { owns: vec![Place::user(name)], removes: is_absent(attributes), ..Footprint::default() };
    footprint.needs.extend(attributes.strings("groups").into_iter().map(Place::group));
    footprint.brings.extend(attributes.str("home").map(Place::path));
    footprint
}

fn named(attributes: &Attributes, place: fn(&str) -> Place) -> Footprint {
    let Some(name) = attributes.str("name") else { return Footprint::default() };
    let removes = is_absent(attributes);
    let gone_before = if removes { vec![place(name)] } else { Vec::new() };
    Footprint { owns: vec![place(name)], gone_before, removes, ..Footprint::default() }
}

/// Where packages come from.
fn repository() -> Place {
    Place { kind: PlaceKind::Repository, name: "apt".into() }
}

fn check_file(attributes: &Attributes) -> Vec<Problem> {
    if let Some(owner) = attributes.str("owner").filter(|owner| owner.contains(' ')) {
        return vec![Problem {
            code: "invalid-value",
            attribute: Some("owner".into()),
            other: None,
            message: format!("`{owner}` is not one word"),
            hint: Some(format!("leave `{owner}` out")),
            mend: None,
        }];
    }
    if attributes.get("content").is_none() || attributes.get("source").is_none() {
        return Vec::new();
    }
    vec![Problem {
        code: "conflicting-attributes",
        attribute: Some("source".into()),
        other: Some("content".into()),
        message: "`source` and `content` both say what the file holds".into(),
        hint: Some("keep one of them".into()),
        mend: None,
    }]
}

fn check_service(attributes: &Attributes) -> Vec<Problem> {
    let is_empty = matches!(attributes.get("limits"), Some(Value::Map(entries)) if entries.is_empty());
    let nothing = Problem {
        code: "missing-attribute",
        attribute: Some("limits".into()),
        other: None,
        message: "nothing is limited".into(),
        hint: None,
        mend: None,
    };
    if is_empty { vec![nothing] } else { Vec::new() }
}

/// The types of the pages.
pub(crate) fn schemas() -> Schemas {
    let text = || Type::STRING;
    let owned = || [attribute("owner", text()), attribute("group", text()), attribute("mode", Type::Mode)];
    let present = || state(&["present", "absent"]);
    let mut file =
        vec![attribute("path", Type::Path), attribute("content", text()), attribute("source", Type::Source), present()];
    file.extend(owned());
    let mut directory = vec![attribute("path", Type::Path), attribute("purge", Type::Bool), present()];
    directory.extend(owned());
    let password = AttributeSchema { sensitive: true, ..attribute("password", text()) };
    let ports = AttributeSchema { deprecated: Some("use `limits`".into()), ..attribute("ports", Type::list(Type::Port)) };
    let every = Type::documented_choice(&[("day", "Each day."), ("night", "Each night.\n\nDeprecated: use `day`.")]);
    Schemas::new([
        Schema { check: check_file, ..schema("file", file, entry) },
        schema("directory", directory, entry),
        schema("symlink", vec![attribute("path", Type::Path), required("target", Type::Path), present()], entry),
        schema("package", vec![attribute("name", text()), attribute("version", Type::Version), present()], |a| {
            let footprint = named(a, |name| Place::package(name));
            let needs = if footprint.removes { Vec::new() } else { vec![repository()] };
            Footprint { needs, ..footprint }
        }),
        schema("repository", vec![attribute("name", text())], |_| Footprint {
            brings: vec![repository()],
            ..Footprint::default()
        }),
        Schema {
            check: check_service,
            ..schema(
                "service",
                vec![
                    attribute("name", text()),
                    state(&["running", "stopped"]),
                    attribute("enabled", Type::Bool),
                    ports,
                    attribute("limits", Type::Map(std::sync::Arc::new(Type::INT))),
                ],
                |a| {
                    let Some(name) = a.str("name") else { return Footprint::default() };
                    let unit = Place::unit(format!("{name}.service"));
                    let removes = a.str("state") == Some("stopped");
                    Footprint {
                        owns: vec![unit.clone()],
                        needs: vec![unit, Place::package(name)],
                        removes,
                        ..Footprint::default()
                    }
                },
            )
        },
        schema(
            "user",
            vec![
                attribute("name", text()),
                attribute("home", Type::Path),
                attribute("groups", Type::list(text())),
                password,
                present(),
            ],
            account,
        ),
        Schema {
            deprecated: Some("use `exec`".into()),
            ..schema("schedule", vec![attribute("name", text()), attribute("every", every)], |_| Footprint::default())
        },
        schema("group", vec![attribute("name", text()), present()], |a| named(a, |name| Place::group(name))),
        schema(
            "exec",
            vec![
                attribute("command", Type::Command),
                attribute("creates", Type::Path),
                attribute("cwd", Type::Path),
                attribute("user", text()),
                attribute("timeout", Type::Duration),
            ],
            |a| Footprint {
                brings: a.str("creates").map(Place::path).into_iter().collect(),
                needs: a.str("cwd").map(Place::path).into_iter().chain(a.str("user").map(Place::user)).collect(),
                ..Footprint::default()
            },
        ),
    ])
}
