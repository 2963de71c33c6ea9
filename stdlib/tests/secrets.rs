//! A secret may be given to any attribute that admits one, and stands in nothing that is told of the resource then.
//!
//! The resources are those of the plan cases on the pages, with one attribute at a time exchanged for a secret. What is told is everything a plan
//! holds, which reports, events and the journal only show.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stead_catalog::{Catalog, Schema, Secrets, Shown, Type, Value};
use stead_engine::{PlanOptions, Registry, plan};
use stead_stdlib::registry;

use crate::cases::{cases, read_catalog};
use crate::fake_world::FakeWorld;

/// What must not be found. Special characters, so that it is quoted wherever something is.
const CANARY: &str = "Kanari7%\"x' 3145y";

/// Letters and digits only, for types that admit no more.
const PLAIN: &str = "kanari7x3145y";

/// What of either is long enough to be known again, in small letters.
const TRACE: &str = "kanari7";

/// Attributes that no canary fits: words, names and times of a closed form, a key, what counts beside another attribute only.
const NEVER: [&str; 15] = [
    "cron.at",
    "cron.hour",
    "cron.day",
    "cron.month",
    "cron.weekday",
    "tmpfiles.type",
    "archive.checksum_name",
    "archive.password",
    "repository.key",
    "package.from",
    "package.checksum",
    "timer.on_calendar",
    "user.expires",
    "http_check.method",
    "http_check.password",
];

#[test]
fn a_secret_in_any_attribute_is_told_nowhere() {
    let registry = registry();
    let mut tried: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut leaks: BTreeMap<String, String> = BTreeMap::new();
    for (at, parts) in cases() {
        let Ok((catalog, problems)) = catch_unwind(|| read_catalog(&parts[0], &registry)) else { continue };
        if !problems.is_empty() {
            continue;
        }
        let Ok(mut world) = catch_unwind(|| FakeWorld::parse(&parts[1])) else { continue };
        // With another value a resource may ask for something else.
        world.is_patient = true;
        for index in 0..catalog.resources.len() {
            let schema = registry.schema(&catalog.resources[index].id.type_name).expect("it is known").clone();
            // The name of a resource is told wherever it is.
            for attribute in schema.attributes.iter().filter(|attribute| attribute.name != schema.key) {
                let given = catalog.resources[index].attributes.get(&attribute.name);
                for value in secret_forms(&attribute.ty, given) {
                    let mut catalog = catalog.clone();
                    catalog.resources[index].attributes.set(attribute.name.clone(), value);
                    let name = format!("{}.{}", schema.name, attribute.name);
                    match told(&catalog, index, &schema, &registry, &world) {
                        Some(told) if has_trace(&told) => {
                            leaks.entry(name.clone()).or_insert_with(|| format!("{at}: {told}"));
                        }
                        Some(_) => {
                            tried.entry(schema.name.to_string()).or_default().insert(attribute.name.to_string());
                        }
                        None => {}
                    }
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    let mut untried = Vec::new();
    for schema in registry.schemas() {
        let known = tried.remove(&*schema.name).unwrap_or_default();
        let open = schema.attributes.iter().filter(|attribute| attribute.name != schema.key && takes_text(&attribute.ty));
        untried.extend(
            open.filter(|attribute| !known.contains(&*attribute.name))
                .map(|attribute| format!("{}.{}", schema.name, attribute.name)),
        );
    }
    assert_eq!(untried, NEVER, "no case of a page plans these with a secret");
}

fn has_trace(text: &str) -> bool {
    text.to_lowercase().contains(TRACE)
}

/// Everything that is told of a resource: problems with the secrets taken out as the compiler does, or its plan. `None` where it cannot be made.
fn told(catalog: &Catalog, index: usize, schema: &Schema, registry: &Registry, world: &FakeWorld) -> Option<String> {
    let attributes = &catalog.resources[index].attributes;
    let problems = (schema.check)(attributes);
    if !problems.is_empty() {
        let secrets = Secrets::of(attributes);
        let texts = problems.into_iter().flat_map(|problem| [Some(problem.message), problem.hint]).flatten();
        return texts.map(|text| secrets.scrub(text)).find(|text| has_trace(text));
    }
    let planned = catch_unwind(AssertUnwindSafe(|| plan(catalog, registry, world, &PlanOptions::default()))).ok()?.plan;
    let mut told = String::new();
    for (at, entry) in planned.resources.iter().enumerate() {
        // A word of a file that everybody may read is told by another resource where it cannot be understood.
        if at != index && entry.error.as_ref().is_some_and(|error| &*error.code == "malformed-file") {
            continue;
        }
        told.push_str(&format!("{:?} {:?} {:?} ", entry.error, entry.unknown, entry.held));
        for change in &entry.changes {
            let side = |side: &Shown| match side {
                Shown::Value(value) => value.to_string(),
                other => format!("{other:?}"),
            };
            told.push_str(&format!("{}: {} -> {}\n", change.attribute, side(&change.before), side(&change.after)));
        }
    }
    Some(told)
}

/// Secret values for an attribute, made of what it is given and of its type.
fn secret_forms(ty: &Type, given: Option<&Value>) -> Vec<Value> {
    let mut found = Vec::new();
    for canary in [CANARY, PLAIN] {
        let mut raw: Vec<Value> = Vec::new();
        if let Some(given) = given {
            raw.extend(["", "/", " ", "=", "."].map(|joint| exchanged(given, &|text| format!("{text}{joint}{canary}"))));
            raw.push(exchanged(given, &|_| canary.to_owned()));
        }
        raw.extend([
            Value::string(canary),
            Value::string(format!("/{canary}")),
            Value::string(format!("true %s {canary}")),
            Value::string(format!("[Service]\nExecStart=/bin/true {canary}\n")),
            Value::string(format!("https://u:{canary}@example.org/{canary}")),
            Value::list([Value::string(canary)]),
            Value::list([Value::string(format!("/{canary}"))]),
            Value::list([Value::string("echo"), Value::string(canary)]),
            Value::map([(Arc::from("Key"), Value::string(canary))]),
            Value::map([(Arc::from("Service"), Value::map([(Arc::from("Key"), Value::string(canary))]))]),
        ]);
        for value in raw {
            // As a whole, and where its parts are.
            for value in [value.clone().secret(), exchanged_values(&value)] {
                if let Ok(value) = ty.admit(&value, true)
                    && value.is_sensitive()
                    && !found.contains(&value)
                {
                    found.push(value);
                }
            }
        }
    }
    found
}

/// The value with every text in it exchanged.
fn exchanged(value: &Value, by: &dyn Fn(&str) -> String) -> Value {
    match value.reveal() {
        Value::String(text) => Value::string(by(text)),
        Value::List(items) => Value::list(items.iter().map(|item| exchanged(item, by))),
        Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), exchanged(item, by)))),
        other => other.clone(),
    }
}

/// The value with every text in it secret by itself.
fn exchanged_values(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone().secret(),
        Value::List(items) => Value::list(items.iter().map(exchanged_values)),
        Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), exchanged_values(item)))),
        other => other.clone(),
    }
}

/// Says whether a text can be given that the type does not choose itself.
fn takes_text(ty: &Type) -> bool {
    match ty {
        Type::Any | Type::String(..) | Type::Path | Type::Url | Type::Command | Type::Secret(_) => true,
        Type::List(item, _) | Type::Map(item) | Type::Optional(item) => takes_text(item),
        Type::Union(items) => items.iter().any(takes_text),
        Type::Record(record) => record.fields.iter().any(|field| takes_text(&field.ty)),
        _ => false,
    }
}
