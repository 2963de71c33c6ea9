//! Filters, tests and functions that templates have besides those of minijinja.
//!
//! Every method of the language that takes no function is a filter of the same name. On top come the names that templates written
//! for Ansible and Salt use.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, State, Value as Jinja};
use stead_catalog::Value;

use super::meter::walk;
use super::methods::{failed, run};
use super::value::{from_template, to_template};
use crate::builtins;

/// Filters of minijinja itself. A method of ours by one of these names does not replace it.
pub(super) const OWN_FILTERS: &[&str] = &[
    "safe",
    "escape",
    "e",
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace",
    "length",
    "count",
    "dictsort",
    "items",
    "reverse",
    "trim",
    "join",
    "split",
    "lines",
    "default",
    "d",
    "round",
    "abs",
    "int",
    "float",
    "attr",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "list",
    "string",
    "bool",
    "batch",
    "slice",
    "sum",
    "indent",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "map",
    "groupby",
    "unique",
    "chain",
    "zip",
    "pprint",
    "format",
    "tojson",
];

/// Tests of minijinja itself.
pub(super) const OWN_TESTS: &[&str] = &[
    "undefined",
    "defined",
    "none",
    "safe",
    "escaped",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
    "true",
    "false",
    "filter",
    "test",
];

/// Functions that every template has.
pub(super) const FUNCTIONS: &[&str] = &["range", "dict", "namespace", "debug", "raise"];

/// Names in Ansible and Salt of our methods.
const ALIASES: &[(&str, &str)] = &[
    ("to_nice_yaml", "to_yaml"),
    ("yaml", "to_yaml"),
    ("json", "to_json"),
    ("from_json", "parse_json"),
    ("from_yaml", "parse_yaml"),
    ("from_toml", "parse_toml"),
    ("load_json", "parse_json"),
    ("load_yaml", "parse_yaml"),
    ("b64encode", "base64"),
    ("base64_encode", "base64"),
    ("b64decode", "base64_decode"),
    ("urlencode", "url_encode"),
    ("regex_escape", "escape_regex"),
    ("regex_findall", "find_all"),
    ("basename", "file_name"),
    ("dirname", "parent"),
    ("union", "union"),
    ("difference", "without"),
    ("intersect", "intersect"),
    ("wordcount_of", "count_of"),
    ("yaml_dquote", "json_quote"),
    ("json_encode", "json_quote"),
    ("to_bool", "to_bool"),
];

/// Filters that need code of their own.
type Filter = fn(&State<'_, '_>, &[Jinja]) -> Result<Jinja, Error>;

const SPECIAL: &[(&str, Filter)] = &[
    ("to_nice_json", |state, a| method(state, "to_json", a, &[Value::Int(4)])),
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
    ("ternary", |_, a| match a {
        [value, yes, no, ..] => Ok(if value.is_true() { yes.clone() } else { no.clone() }),
        _ => Err(failed("`ternary` takes two arguments")),
    }),
    ("mandatory", |_, a| match a.first() {
        Some(value) if !value.is_undefined() && !value.is_none() => Ok(value.clone()),
        _ => Err(failed("a mandatory value is missing")),
    }),
    ("combine", combine),
    ("dict2items", |state, a| method(state, "entries", a, &[])),
    ("items2dict", items_to_dict),
    ("flatten", flatten),
    ("symmetric_difference", |state, a| match a {
        [x, y] => {
            let left = method(state, "without", &[x.clone(), y.clone()], &[])?;
            let right = method(state, "without", &[y.clone(), x.clone()], &[])?;
            method(state, "concat", &[left, right], &[])
        }
        _ => Err(failed("`symmetric_difference` takes one argument")),
    }),
    ("hash", |state, a| {
        let name = a.get(1).and_then(Jinja::as_str).unwrap_or("sha1").to_owned();
        match &*name {
            "sha1" | "sha256" | "sha512" | "md5" | "blake3" => method(state, &name, &a[..1], &[]),
            _ => Err(failed(format!("`{name}` is none of sha256, sha512, sha1, md5, blake3"))),
        }
    }),
    ("checksum", |state, a| method(state, "sha1", &a[..1], &[])),
    ("splitext", |_, a| {
        let text = text_of(a, 0)?;
        let name = text.rfind('/').map_or(0, |at| at + 1);
        let dot = text[name..].rfind('.').filter(|at| *at > 0).map_or(text.len(), |at| name + at);
        Ok(Jinja::from(vec![text[..dot].to_owned(), text[dot..].to_owned()]))
    }),
    ("wordcount", |_, a| Ok(Jinja::from(text_of(a, 0)?.split_whitespace().count()))),
    ("center", |_, a| {
        let text = text_of(a, 0)?;
        let width = a.get(1).and_then(Jinja::as_usize).unwrap_or(80).min(100_000);
        let missing = width.saturating_sub(text.chars().count());
        Ok(Jinja::from(format!("{}{text}{}", " ".repeat(missing / 2), " ".repeat(missing - missing / 2))))
    }),
    ("filesizeformat", |_, a| {
        let bytes =
            a.first().and_then(|value| f64::try_from(value.clone()).ok()).ok_or_else(|| failed("expected a number of bytes"))?;
        let units = ["Bytes", "kB", "MB", "GB", "TB", "PB"];
        let power = (0..units.len() - 1).find(|p| bytes < 1000f64.powi(*p as i32 + 1)).unwrap_or(units.len() - 1);
        Ok(Jinja::from(if power == 0 {
            format!("{bytes:.0} Bytes")
        } else {
            format!("{:.1} {}", bytes / 1000f64.powi(power as i32), units[power])
        }))
    }),
];

/// Registers everything.
pub(super) fn register(environment: &mut Environment<'static>) {
    for name in method_filters() {
        environment.add_filter(name, move |state: &State<'_, '_>, args: Rest<Jinja>| method(state, name, &args, &[]));
    }
    for (alias, name) in ALIASES {
        environment.add_filter(*alias, move |state: &State<'_, '_>, args: Rest<Jinja>| {
            // What the aliases' own options say about layout has no counterpart here.
            let plain: Vec<Jinja> = args.iter().filter(|arg| !arg.is_kwargs()).cloned().collect();
            method(state, name, &plain, &[])
        });
    }
    for (name, filter) in SPECIAL {
        environment.add_filter(*name, move |state: &State<'_, '_>, args: Rest<Jinja>| {
            args.iter().try_for_each(|arg| walk(state, arg))?;
            filter(state, &args)
        });
    }
    environment.add_test("match", |text: &str, pattern: &str| regex_test(text, &format!("^(?:{pattern})")));
    environment.add_test("search", |text: &str, pattern: &str| regex_test(text, pattern));
    environment.add_test("regex", |text: &str, pattern: &str| regex_test(text, pattern));
    environment.add_test("version", version_test);
    environment.add_test("version_compare", version_test);
    environment.add_test("contains", |list: Jinja, item: Jinja| -> Result<bool, Error> {
        Ok(list.try_iter()?.any(|other| other == item) || list.as_str().zip(item.as_str()).is_some_and(|(a, b)| a.contains(b)))
    });
    environment.add_test("subset", |state: &State<'_, '_>, a: Jinja, b: Jinja| {
        method(state, "is_subset", &[a, b], &[]).map(|v| v.is_true())
    });
    environment.add_test("superset", |state: &State<'_, '_>, a: Jinja, b: Jinja| {
        method(state, "is_subset", &[b, a], &[]).map(|v| v.is_true())
    });
    environment.add_function("raise", |message: String| -> Result<Jinja, Error> { Err(failed(message)) });
}

/// Names of the methods that are filters.
fn method_filters() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&'static str> = builtins::all()
        .iter()
        .filter(|builtin| builtin.signature.receiver.is_some() && !builtin.takes_function())
        .map(|builtin| builtin.signature.name)
        .filter(|name| !OWN_FILTERS.contains(name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}

/// Returns the names of all filters.
pub(super) fn filter_names() -> Vec<&'static str> {
    let aliases = ALIASES.iter().map(|(name, _)| *name);
    let special = SPECIAL.iter().map(|(name, _)| *name);
    OWN_FILTERS.iter().copied().chain(method_filters()).chain(aliases).chain(special).collect()
}

/// Returns the names of all tests.
pub(super) fn test_names() -> Vec<&'static str> {
    let ours = ["match", "search", "regex", "version", "version_compare", "contains", "subset", "superset"];
    OWN_TESTS.iter().copied().chain(ours).collect()
}

/// Runs our method on the first argument, with the others and then `more`.
fn method(state: &State<'_, '_>, name: &str, args: &[Jinja], more: &[Value]) -> Result<Jinja, Error> {
    let (first, rest) = args.split_first().ok_or_else(|| failed("the filter has no value"))?;
    if first.is_undefined() {
        return Err(Error::from(minijinja::ErrorKind::UndefinedError));
    }
    walk(state, first)?;
    let receiver = from_template(first).ok_or_else(|| failed(format!("`{name}` has no use for {}", first.kind())))?;
    let rest: Vec<Jinja> = rest.iter().cloned().chain(more.iter().map(to_template)).collect();
    run(state, name, &receiver, &rest).unwrap_or_else(|| Err(failed(format!("{} has no `{name}`", receiver.kind()))))
}

fn text_of(args: &[Jinja], at: usize) -> Result<String, Error> {
    match args.get(at) {
        Some(value) if matches!(value.kind(), ValueKind::String | ValueKind::Number | ValueKind::Bool) => Ok(value.to_string()),
        _ => Err(failed("expected text")),
    }
}

fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| failed(format!("`{pattern}` is not a regular expression")))
}

fn regex_test(text: &str, pattern: &str) -> Result<bool, Error> {
    Ok(compile(pattern)?.is_match(text))
}

/// Replaces like Ansible's filter: groups are `\1` or `\g<1>`.
fn regex_replace(state: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let (text, pattern) = (text_of(args, 0)?, text_of(args, 1)?);
    let with = args.get(2).filter(|arg| !arg.is_kwargs()).map(Jinja::to_string).unwrap_or_default();
    let groups = compile(r"\\(?:g<(\w+)>|(\d))")?;
    let escaped = with.replace('$', "$$");
    let with = groups.replace_all(&escaped, |found: &regex::Captures<'_>| {
        let name = found.get(1).or(found.get(2)).map_or("0", |group| group.as_str());
        format!("${{{name}}}")
    });
    method(state, "replace_all", &[Jinja::from(text)], &[Value::string(pattern), Value::string(&*with)])
}

/// Returns the first match, or `none`.
fn regex_search(_: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let (text, pattern) = (text_of(args, 0)?, text_of(args, 1)?);
    Ok(compile(&pattern)?.find(&text).map_or(Jinja::from(()), |found| Jinja::from(found.as_str())))
}

fn combine(state: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let recursive = args.iter().filter(|arg| arg.is_kwargs()).any(|arg| arg.get_attr("recursive").is_ok_and(|yes| yes.is_true()));
    let mut maps = args.iter().filter(|arg| !arg.is_kwargs()).cloned();
    let first = maps.next().ok_or_else(|| failed("`combine` has no value"))?;
    maps.try_fold(first, |under, over| method(state, if recursive { "deep_merge" } else { "merge" }, &[under, over], &[]))
}

fn items_to_dict(_: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let items = args.first().ok_or_else(|| failed("`items2dict` has no value"))?;
    let mut map = stead_catalog::Map::new();
    for item in items.try_iter()? {
        let value = from_template(&item.get_attr("value")?).ok_or_else(|| failed("a value has no form here"))?;
        map.insert(item.get_attr("key")?.to_string().into(), value);
    }
    Ok(to_template(&Value::Map(map.into())))
}

fn flatten(_: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    fn go(value: &Jinja, depth: usize, out: &mut Vec<Jinja>) -> Result<(), Error> {
        if out.len() > builtins::MAX_ITEMS {
            return Err(failed("the list is too long"));
        }
        if depth < 32 && matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return value.try_iter()?.try_for_each(|item| go(&item, depth + 1, out));
        }
        out.push(value.clone());
        Ok(())
    }
    let mut out = Vec::new();
    go(args.first().ok_or_else(|| failed("`flatten` has no value"))?, 0, &mut out)?;
    Ok(Jinja::from(out))
}

/// Compares versions: `'1.2' is version('1.10', '<')`.
fn version_test(state: &State<'_, '_>, version: &str, other: &str, operator: Option<&str>) -> Result<bool, Error> {
    let order = i64::try_from(method(state, "compare_version", &[Jinja::from(version)], &[Value::string(other)])?).unwrap_or(0);
    Ok(match operator.unwrap_or("==") {
        "<" | "lt" => order < 0,
        "<=" | "le" => order <= 0,
        ">" | "gt" => order > 0,
        ">=" | "ge" => order >= 0,
        "==" | "=" | "eq" => order == 0,
        "!=" | "<>" | "ne" => order != 0,
        other => return Err(failed(format!("`{other}` is no comparison"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::ErrorKind;

    #[test]
    fn every_name_is_known_to_the_environment() {
        let mut environment = Environment::new();
        register(&mut environment);
        for name in filter_names() {
            let error = environment.render_str(&format!("{{{{ 1 | {name} }}}}"), ()).err();
            assert!(error.is_none_or(|e| e.kind() != ErrorKind::UnknownFilter), "{name}");
        }
        for name in test_names().into_iter().filter(|name| name.starts_with(char::is_alphabetic)) {
            let error = environment.render_str(&format!("{{{{ 1 is {name} }}}}"), ()).err();
            assert!(error.is_none_or(|e| e.kind() != ErrorKind::UnknownTest), "{name}");
        }
        for name in FUNCTIONS {
            assert!(environment.globals().any(|(global, _)| global == *name), "{name}");
        }
    }

    #[test]
    fn aliases_name_methods() {
        for (alias, name) in ALIASES {
            assert!(builtins::is_method(name), "{alias}");
        }
    }
}
