//! Methods of values in templates: those of Python that templates of other tools call, and our own.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value as Jinja};
use stead_catalog::{Type, Value};

use super::meter::{made, walk};
use super::value::{as_list, as_map, from_template, to_template};
use crate::builtins::{self, Builtin, CallError, Stopped};

/// Runs a method that minijinja does not know.
pub(super) fn call(state: &State<'_, '_>, receiver: &Jinja, name: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    let unknown = || Error::from(ErrorKind::UnknownMethod);
    if as_list(receiver).is_none() && as_map(receiver).is_none() {
        walk(state, receiver)?;
    }
    args.iter().try_for_each(|arg| walk(state, arg))?;
    let value = from_template(receiver).ok_or_else(unknown)?;
    let given: Vec<Value> = args.iter().filter(|arg| !arg.is_kwargs()).filter_map(from_template).collect();
    match (&value, name, &given[..]) {
        (Value::Map(map), "items", []) => {
            return Ok(map.iter().map(|(key, value)| Jinja::from(vec![Jinja::from(key.clone()), to_template(value)])).collect());
        }
        (Value::Map(map), "get", [key, default @ ..]) => {
            let found = key.as_str().and_then(|key| map.get(key)).or(default.first());
            return Ok(to_template(found.unwrap_or(&Value::None)));
        }
        (Value::String(text), "split", []) => return builtin(state, "words", &[Value::String(text.clone())]),
        (Value::String(text), "split", [separator, Value::Int(limit)]) => {
            let separator = separator.as_str().filter(|s| !s.is_empty()).ok_or_else(|| failed("the separator is empty"))?;
            let parts = usize::try_from(*limit).unwrap_or(usize::MAX - 1).saturating_add(1);
            return Ok(text.splitn(parts, separator).map(Jinja::from).collect());
        }
        (Value::String(text), "rsplit", [separator, rest @ ..]) => {
            let separator = separator.as_str().filter(|s| !s.is_empty()).ok_or_else(|| failed("the separator is empty"))?;
            let limit = match rest {
                [Value::Int(limit)] => usize::try_from(*limit).unwrap_or(usize::MAX - 1),
                _ => usize::MAX - 1,
            };
            let mut parts: Vec<Jinja> = text.rsplitn(limit.saturating_add(1), separator).map(Jinja::from).collect();
            parts.reverse();
            return Ok(Jinja::from(parts));
        }
        (Value::String(text), "join", [Value::List(items)]) => {
            return builtin(state, "join", &[Value::List(items.clone()), Value::String(text.clone())]);
        }
        (Value::String(text), "strip", [chars]) => {
            let trimmed = builtins_value(state, "trim_start", &[Value::String(text.clone()), chars.clone()])?;
            return builtin(state, "trim_end", &[trimmed, chars.clone()]);
        }
        (Value::String(text), "isdigit", []) => {
            return Ok(Jinja::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())));
        }
        (Value::String(text), "isalpha", []) => {
            return Ok(Jinja::from(!text.is_empty() && text.chars().all(char::is_alphabetic)));
        }
        (Value::String(text), "isalnum", []) => {
            return Ok(Jinja::from(!text.is_empty() && text.chars().all(char::is_alphanumeric)));
        }
        (Value::String(text), "find", [part]) => {
            let at = part.as_str().and_then(|part| text.find(part)).map(|at| text[..at].chars().count());
            return Ok(at.map_or(Jinja::from(-1), Jinja::from));
        }
        (Value::String(_), "zfill", [width]) => {
            return builtin(state, "pad_start", &[value.clone(), width.clone(), Value::string("0")]);
        }
        _ => {}
    }
    let ours = PYTHON.iter().find(|(python, _)| *python == name).map_or(name, |(_, ours)| *ours);
    run(state, ours, &value, args).unwrap_or_else(|| Err(unknown()))
}

/// Python's names of our methods.
const PYTHON: &[(&str, &str)] = &[
    ("strip", "trim"),
    ("lstrip", "trim_start"),
    ("rstrip", "trim_end"),
    ("splitlines", "lines"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("count", "count_of"),
    ("removeprefix", "strip_prefix"),
    ("removesuffix", "strip_suffix"),
    ("ljust", "pad_end"),
    ("rjust", "pad_start"),
    ("index", "position"),
];

/// The methods that values of a type have in templates, by their names, each with the function of the language that it is, where it is
/// one; in alphabetical order.
pub fn of_type(ty: &Type) -> Vec<(&'static str, Option<&'static Builtin>)> {
    let ty = match ty {
        // A record is a map there.
        Type::Record(_) => &Type::Map(Arc::new(Type::Any)),
        other => other,
    };
    let own: &[&str] = match ty {
        Type::Any => return Vec::new(),
        Type::Map(_) => &["get", "items"],
        Type::String(..) => &["find", "isalnum", "isalpha", "isdigit", "join", "rsplit", "split", "strip", "zfill"],
        _ => &[],
    };
    let mut found: BTreeMap<&'static str, Option<&'static Builtin>> = own.iter().map(|name| (*name, None)).collect();
    let ours = builtins::methods_of_type(ty).filter(|builtin| !builtin.takes_function());
    let ours: Vec<_> = ours.map(|builtin| (builtin.signature.name, builtin)).collect();
    for (python, name) in PYTHON {
        if let Some((_, builtin)) = ours.iter().find(|(known, _)| known == name) {
            found.entry(*python).or_insert(Some(*builtin));
        }
    }
    for (name, builtin) in ours {
        found.entry(name).or_insert(Some(builtin));
    }
    found.into_iter().collect()
}

/// Says whether values of some kind have the method `name` in templates.
pub(super) fn is_known(name: &str) -> bool {
    let special = ["items", "get", "rsplit", "isdigit", "isalpha", "isalnum", "find", "zfill"];
    special.contains(&name) || PYTHON.iter().any(|(python, _)| *python == name) || builtins::is_method(name)
}

/// Runs our method `name` on what a template gave; `None` when the value has no such method.
pub(super) fn run(state: &State<'_, '_>, name: &str, receiver: &Value, args: &[Jinja]) -> Option<Result<Jinja, Error>> {
    let builtin = builtins::method_of(receiver, name)?;
    let params = &builtin.signature.params;
    // What it walks is paid for before, and what it makes after.
    let mut walked = made(state, receiver);
    walked = args.iter().fold(walked, |walked, arg| walked.and_then(|()| walk(state, arg)));
    if let Err(error) = walked {
        return Some(Err(error));
    }
    let mut values = vec![Value::None; params.len() + 1];
    values[0] = receiver.clone();
    let mut at = 1;
    for arg in args {
        if let Some(kwargs) = arg.is_kwargs().then(|| Kwargs::try_from(arg.clone()).ok()).flatten() {
            for key in kwargs.args() {
                let Some(index) = params.iter().position(|param| param.name == key) else {
                    return Some(Err(failed(format!("`{name}` has no argument `{key}`"))));
                };
                let value = kwargs.get::<Jinja>(key).ok().and_then(|value| from_template(&value));
                values[index + 1] = value.unwrap_or(Value::None);
            }
            continue;
        }
        let (Some(slot), Some(value)) = (values.get_mut(at), from_template(arg)) else {
            return Some(Err(failed(format!("`{name}` takes {} arguments", params.len()))));
        };
        *slot = value;
        at += 1;
    }
    if let Some((_, missing)) = params.iter().enumerate().find(|(i, param)| !param.optional && values[i + 1] == Value::None) {
        return Some(Err(failed(format!("`{name}` misses its argument `{}`", missing.name))));
    }
    let result = builtin.call(&values, &mut |_, _| Err(Stopped));
    Some(match result {
        Ok(value) => made(state, &value).map(|()| to_template(&value)),
        Err(CallError::Failed(error)) if error.code == "result-too-large" => Err(Error::new(ErrorKind::OutOfFuel, error.message)),
        Err(CallError::Failed(error)) => Err(failed(error.message)),
        Err(CallError::Stopped) => Err(failed(format!("`{name}` takes a function, which templates do not have"))),
    })
}

fn builtins_value(state: &State<'_, '_>, name: &str, args: &[Value]) -> Result<Value, Error> {
    from_template(&builtin(state, name, args)?).ok_or_else(|| failed("no value"))
}

/// Runs our method with all its arguments.
fn builtin(state: &State<'_, '_>, name: &str, args: &[Value]) -> Result<Jinja, Error> {
    let rest: Vec<Jinja> = args[1..].iter().map(to_template).collect();
    run(state, name, &args[0], &rest).unwrap_or_else(|| Err(Error::from(ErrorKind::UnknownMethod)))
}

/// Makes the error of a filter or method that cannot do its work.
pub(super) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
