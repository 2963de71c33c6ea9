//! One claim: extended, its defaults filled in, held to what its type asks for.

use std::borrow::Cow;
use std::sync::Arc;

use stead_catalog::{Attributes, Map, Origin, Problem, Schema, Secrets, Type, Value};

use super::Finished;
use crate::issue::{Issue, Loc};
use crate::lower::{Draft, Extension, Given};
use crate::project::Project;

/// Makes the resource of a claim; with what is wrong with it.
pub(crate) fn finish(project: &Project, draft: Draft, extensions: &[Extension]) -> (Finished, Vec<Issue>) {
    let schema = project.program.schemas.at(draft.schema);
    let mut one = Finished {
        id: draft.id,
        schema: draft.schema,
        attributes: Attributes::new(),
        given: draft.given,
        meta: draft.meta,
        aliases: draft.aliases,
        footprint: stead_catalog::Footprint::default(),
        at: draft.at,
        path: draft.path,
        calls: draft.calls,
        origins: draft.origins,
    };
    let mut issues = Vec::new();
    if !extensions.is_empty() {
        extend(project, schema, &mut one, extensions, &mut issues);
    }
    fill(schema, &mut one, &mut issues);
    let (known, stood_in) = with_stand_ins(schema, &one.attributes);
    if issues.is_empty() {
        // What is said of a value that nobody knows is about its stand-in.
        let concerns = |name: &Option<String>| name.as_ref().is_some_and(|name| stood_in.contains(&&**name));
        let problems = (schema.check)(&known).into_iter();
        let secrets = Secrets::of(&one.attributes);
        for problem in problems.filter(|problem| !concerns(&problem.attribute) && !concerns(&problem.other)) {
            let problem = discreet(problem, &secrets);
            let at = one.place_of(project, problem.attribute.as_deref());
            let mut issue = Issue::error(problem.code, at, problem.message);
            if let Some(other) = &problem.other {
                let other_at = one.place_of(project, Some(other));
                if other_at != one.at {
                    issue = issue.label(other_at, format!("`{other}` is given here"));
                }
            }
            (issue.hint, issue.mend) = (problem.hint, problem.mend.map(Box::new));
            issues.push(one.told(issue));
        }
    }
    if issues.is_empty() {
        one.footprint = (schema.footprint)(&known);
    }
    (one, issues)
}

/// What a type says of a resource may quote its values: the secrets among them are taken out.
pub(super) fn discreet(problem: Problem, secrets: &Secrets) -> Problem {
    let mend = problem.mend.filter(|mend| secrets.scrub(mend.value.clone()) == mend.value);
    let hint = problem.hint.map(|hint| secrets.scrub(hint));
    Problem { message: secrets.scrub(problem.message), hint, mend, ..problem }
}

/// The attributes as a resource type can look at them: with something of its type in the place of each value that nobody knows, and
/// the names of those.
pub(super) fn with_stand_ins<'a>(schema: &Schema, attributes: &'a Attributes) -> (Cow<'a, Attributes>, Vec<&'a str>) {
    let names: Vec<&str> = attributes.iter().filter(|(_, value)| value.has_locked()).map(|(name, _)| &**name).collect();
    if names.is_empty() {
        return (Cow::Borrowed(attributes), names);
    }
    let mut known = Attributes::new();
    for (name, value) in attributes.iter() {
        let ty = schema.attribute(name).map_or(&Type::Any, |attribute| &attribute.ty);
        // One that has no sample is as one that is not given.
        known.set(name.clone(), stand_in(ty, value).unwrap_or(Value::None));
    }
    (Cow::Owned(known), names)
}

/// The value, with samples where it is not known; `None` where there is no sample.
fn stand_in(ty: &Type, value: &Value) -> Option<Value> {
    match (ty, value) {
        _ if value.is_locked() => crate::beforehand::samples(ty).into_iter().next().map(Value::secret),
        (Type::Optional(inner) | Type::Secret(inner), _) => stand_in(inner, value),
        (Type::Map(item), Value::Map(map)) => {
            let entries: Option<Map> = map.iter().map(|(key, value)| Some((key.clone(), stand_in(item, value)?))).collect();
            Some(Value::Map(entries?.into()))
        }
        (Type::List(item, _), Value::List(items)) => {
            let items: Option<Vec<Value>> = items.iter().map(|value| stand_in(item, value)).collect();
            Some(Value::List(items?.into()))
        }
        _ if value.has_locked() => None,
        _ => Some(value.clone()),
    }
}

fn extend(project: &Project, schema: &Schema, one: &mut Finished, extensions: &[Extension], issues: &mut Vec<Issue>) {
    for (i, extension) in extensions.iter().enumerate() {
        for given in &extension.settings.given {
            let name = &schema.attributes[given.attribute as usize].name;
            let same = |other: &&Given| other.attribute == given.attribute;
            if let Some(earlier) = extensions[..i].iter().find_map(|other| other.settings.given.iter().find(same)) {
                if earlier.value != given.value {
                    let message = format!("`{name}` of `{}` is extended twice, differently", one.id);
                    let issue = Issue::error("conflicting-resources", given.at, message).primary(shown(&given.value));
                    issues.push(issue.label(earlier.at, shown(&earlier.value)).hint("keep one of them"));
                }
                continue;
            }
            one.given.retain(|own| own.attribute != given.attribute);
            one.given.push(given.clone());
            one.origins.push(Origin {
                attribute: name.clone(),
                step: format!("set by `extend {}`", one.id),
                location: Some(project.location(given.at)),
            });
        }
        let mut settings = crate::lower::GivenSettings { meta: std::mem::take(&mut one.meta), ..Default::default() };
        for meta in &extension.settings.written {
            settings.take_meta(*meta, &extension.settings);
        }
        one.meta = settings.meta;
        one.aliases.extend(extension.settings.aliases.iter().cloned());
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { text.chars().take(57).chain("...".chars()).collect() } else { text }
}

/// Puts the attributes into the order of the schema, with the key and the defaults.
fn fill(schema: &Schema, one: &mut Finished, issues: &mut Vec<Issue>) {
    let mut filled: Vec<(Arc<str>, Value)> = Vec::with_capacity(one.given.len() + 2);
    let mut given: Vec<Option<usize>> = vec![None; schema.attributes.len()];
    for (i, one) in one.given.iter().enumerate() {
        given[one.attribute as usize] = Some(i);
    }
    for (i, attribute) in schema.attributes.iter().enumerate() {
        let written = given[i].map(|at| &one.given[at]).filter(|given| given.value != Value::None);
        let value = match (written, &attribute.default) {
            (Some(given), _) => given.value.clone(),
            (None, _) if i == 0 => match key_value(schema, one) {
                Ok(value) => value,
                Err(issue) => {
                    issues.push(one.told(issue));
                    continue;
                }
            },
            (None, Some(default)) => default.clone(),
            (None, None) if attribute.required => {
                let at = given[i].map_or(one.at, |at| one.given[at].at);
                let message = format!("`{}` needs the attribute `{}`", schema.name, attribute.name);
                let issue = Issue::error("missing-attribute", at, message);
                issues.push(one.told(issue.hint(format!("add `{} = …` ({})", attribute.name, attribute.ty.describe()))));
                continue;
            }
            (None, None) => continue,
        };
        filled.push((attribute.name.clone(), if attribute.sensitive { value.secret() } else { value }));
    }
    one.attributes = filled.into_iter().collect();
}

/// The key when it is not written: the name of the resource.
fn key_value(schema: &Schema, one: &Finished) -> Result<Value, Issue> {
    let name = Value::String(one.id.name.clone());
    let Some(key) = schema.attributes.first() else { return Ok(name) };
    key.ty.admit(&name, true).map_err(|mismatch| {
        let at: Loc = one.at;
        Issue::mismatch(at, &mismatch).hint(format!("the name of a {} is its `{}`", schema.name, key.name))
    })
}
