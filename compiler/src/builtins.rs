//! The functions and methods of the language that need nothing but their arguments.
//!
//! All are total and deterministic: no clock, environment, network or chance; results are limited in size. What needs
//! the project (`template`, `source`) belongs to the evaluator.
//!
//! A function stands in the table of the file named for its subject: signature, documentation, examples (run by a test)
//! and implementation. The evaluator finds it by [`function`], [`method`] or [`method_of`] and runs it by [`Builtin::call`],
//! which also keeps secrets secret.

mod arguments;
mod encoding;
mod hashing;
mod lists;
mod maps;
mod network;
mod numbers;
mod order;
mod paths;
mod patterns;
pub mod signature;
mod strings;
mod units;
mod versions;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use stead_catalog::{Type, Value, closest};

pub use self::order::compare;
pub use self::signature::{Bindings, Param, Shape, Signature, type_of_value};

/// Longest text a function returns, in bytes.
pub const MAX_TEXT: usize = 16 << 20;

/// Most elements of a list or map that a function returns.
pub const MAX_ITEMS: usize = 1_000_000;

/// Why a function has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuiltinError {
    /// Stable code: `invalid-argument`, `result-too-large`, `type-mismatch` or `arithmetic-overflow`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// The argument to point at: 0 is the receiver of a method or the first argument of a function.
    pub argument: Option<usize>,
}

/// A lambda did not return: its own diagnostic is with the evaluator that drove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The function itself failed.
    Failed(BuiltinError),
    /// A lambda it called stopped.
    Stopped,
}

impl From<BuiltinError> for CallError {
    fn from(error: BuiltinError) -> Self {
        Self::Failed(error)
    }
}

impl From<Stopped> for CallError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Runs the lambda that was given for an argument, counted like [`BuiltinError::argument`].
pub type Callback<'a> = dyn FnMut(usize, &[Value]) -> Result<Value, Stopped> + 'a;

/// Expressions, each with the value it has, both as the language writes them.
pub type Examples = &'static [(&'static str, &'static str)];

type Plain = fn(&[Value]) -> Result<Value, BuiltinError>;
type HigherOrder = fn(&[Value], &mut Callback<'_>) -> Result<Value, CallError>;

/// How a function is carried out.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// Looks at the values: sees secrets in the clear, and then its result is secret as a whole.
    Plain(Plain),
    /// Moves values without looking at them: secrets inside lists and maps stay wrapped.
    Structural(Plain),
    /// Calls lambdas; values inside lists and maps stay wrapped.
    HigherOrder(HigherOrder),
}

/// An entry of a subject's table.
struct Entry {
    signature: &'static str,
    docs: &'static str,
    examples: Examples,
    run: Run,
}

/// Makes an entry whose function sees secrets in the clear.
const fn plain(signature: &'static str, docs: &'static str, examples: Examples, run: Plain) -> Entry {
    Entry { signature, docs, examples, run: Run::Plain(run) }
}

/// Makes an entry whose function moves values without looking at them.
const fn structural(signature: &'static str, docs: &'static str, examples: Examples, run: Plain) -> Entry {
    Entry { signature, docs, examples, run: Run::Structural(run) }
}

/// Makes an entry whose function calls lambdas.
const fn higher_order(signature: &'static str, docs: &'static str, examples: Examples, run: HigherOrder) -> Entry {
    Entry { signature, docs, examples, run: Run::HigherOrder(run) }
}

/// A built-in function or method.
#[derive(Debug)]
pub struct Builtin {
    /// Its name, receiver, parameters and result.
    pub signature: Signature,
    /// The subject it belongs to, for the table of contents: `strings`.
    pub subject: &'static str,
    /// Documentation in Markdown; the first line is a sentence that stands alone.
    pub docs: &'static str,
    /// Expressions with the value they have.
    pub examples: Examples,
    /// Why not to use it any more, and what to use: what the documentation says of that.
    pub deprecated: Option<String>,
    run: Run,
}

impl Builtin {
    /// Runs the function.
    ///
    /// `args` starts with the receiver of a method and holds one value for each parameter: `none` for an optional one that is
    /// not given and for a lambda, which `callback` runs. The result is secret when an argument was.
    ///
    /// # Errors
    /// The function's own failure, or that `callback` stopped it.
    pub fn call(&self, args: &[Value], callback: &mut Callback<'_>) -> Result<Value, CallError> {
        let outer_secret = args.iter().any(|arg| matches!(arg, Value::Secret(_)));
        let inner_secret = || args.iter().any(Value::is_sensitive);
        match self.run {
            Run::Plain(run) if inner_secret() => {
                let clear: Vec<Value> = args.iter().map(reveal_all).collect();
                match run(&clear) {
                    Ok(value) => Ok(value.secret()),
                    Err(error) => Err(without_secrets(&self.signature, error).into()),
                }
            }
            Run::Plain(run) | Run::Structural(run) if !outer_secret => Ok(run(args)?),
            Run::Plain(run) | Run::Structural(run) => {
                let opened: Vec<Value> = args.iter().map(|arg| arg.reveal().clone()).collect();
                run(&opened).map(Value::secret).map_err(|error| without_secrets(&self.signature, error).into())
            }
            Run::HigherOrder(run) if !outer_secret => run(args, callback),
            Run::HigherOrder(run) => {
                let opened: Vec<Value> = args.iter().map(|arg| arg.reveal().clone()).collect();
                match run(&opened, callback) {
                    Ok(value) => Ok(value.secret()),
                    Err(CallError::Failed(error)) => Err(without_secrets(&self.signature, error).into()),
                    Err(CallError::Stopped) => Err(CallError::Stopped),
                }
            }
        }
    }

    /// Says whether it looks at what stands inside lists and maps.
    pub(crate) fn looks_inside(&self) -> bool {
        matches!(self.run, Run::Plain(_))
    }

    /// Says whether it walks through all that is in its arguments.
    pub(crate) fn walks(&self) -> bool {
        self.looks_inside() || self.signature.name == "deep_merge"
    }

    /// Says whether it takes a lambda.
    pub fn takes_function(&self) -> bool {
        matches!(self.run, Run::HigherOrder(_))
    }

    /// Returns the first sentence of the documentation.
    pub fn summary(&self) -> &'static str {
        self.docs.lines().next().unwrap_or_default()
    }
}

/// Returns every function and method, by subject.
pub fn all() -> &'static [Builtin] {
    &TABLE.all
}

/// Returns the free function `name`.
pub fn function(name: &str) -> Option<&'static Builtin> {
    TABLE.functions.get(name).map(|at| &TABLE.all[*at])
}

/// Returns the method `name` of values of type `ty`: of the type itself before one of every type.
pub fn method(ty: &Type, name: &str) -> Option<&'static Builtin> {
    candidates(name)
        .find(|builtin| builtin.signature.receiver.as_ref().is_some_and(|shape| shape.fits(ty, &mut Bindings::default())))
}

/// Returns the method `name` of `value`, where its type was not known before.
pub fn method_of(value: &Value, name: &str) -> Option<&'static Builtin> {
    candidates(name).find(|builtin| builtin.signature.receiver.as_ref().is_some_and(|shape| shape.takes_value(value)))
}

/// Says whether some type has a method `name`.
pub fn is_method(name: &str) -> bool {
    candidates(name).next().is_some()
}

/// Returns the names of the free functions, in alphabetical order.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    TABLE.functions.keys().copied()
}

/// Returns the methods of values of type `ty`, each name once, in alphabetical order: for completion.
pub fn methods_of_type(ty: &Type) -> impl Iterator<Item = &'static Builtin> {
    TABLE.methods.keys().filter_map(move |name| method(ty, name))
}

/// Returns the method of `ty` whose name is most like `name`, or what the name is called here when it is known elsewhere.
pub fn closest_method(ty: &Type, name: &str) -> Option<&'static str> {
    let foreign = FOREIGN_NAMES.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
    foreign
        .filter(|ours| method(ty, ours).is_some())
        .or_else(|| closest(name, methods_of_type(ty).map(|builtin| builtin.signature.name)))
}

/// Names that other languages have for our methods.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    ("length", "len"),
    ("size", "len"),
    ("to_upper", "upper"),
    ("to_uppercase", "upper"),
    ("uppercase", "upper"),
    ("upcase", "upper"),
    ("to_lower", "lower"),
    ("to_lowercase", "lower"),
    ("lowercase", "lower"),
    ("downcase", "lower"),
    ("strip", "trim"),
    ("has", "has_key"),
    ("contains_key", "has_key"),
    ("items", "entries"),
    ("select", "filter"),
    ("reject", "filter"),
    ("each", "map"),
    ("reduce", "fold"),
    ("distinct", "unique"),
    ("uniq", "unique"),
    ("append", "push"),
    ("extend", "concat"),
    ("includes", "contains"),
    ("head", "first"),
    ("drop", "skip"),
    ("limit", "take"),
    ("basename", "file_name"),
    ("dirname", "parent"),
    ("b64encode", "base64"),
    ("b64decode", "base64_decode"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("sub", "replace"),
    ("gsub", "replace_all"),
    ("str", "to_string"),
    ("int", "to_int"),
    ("float", "to_float"),
];

fn candidates(name: &str) -> impl Iterator<Item = &'static Builtin> {
    TABLE.methods.get(name).into_iter().flatten().map(|at| &TABLE.all[*at])
}

/// What unit tests need besides: nothing in the tables is deprecated.
#[cfg(test)]
const OF_TESTS: &[(&str, &[Entry])] = &[(
    "tests",
    &[plain("String.old_len() -> Int", "Counts the characters.\n\nDeprecated: use `len`.", &[("\"ab\".old_len()", "2")], |a| {
        Ok(arguments::length(arguments::text(a, 0)?.chars().count()))
    })],
)];
#[cfg(not(test))]
const OF_TESTS: &[(&str, &[Entry])] = &[];

struct Table {
    all: Vec<Builtin>,
    functions: BTreeMap<&'static str, usize>,
    methods: BTreeMap<&'static str, Vec<usize>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let subjects: [(&str, &[Entry]); 11] = [
        ("strings", strings::ENTRIES),
        ("patterns", patterns::ENTRIES),
        ("lists", lists::ENTRIES),
        ("maps", maps::ENTRIES),
        ("paths", paths::ENTRIES),
        ("numbers", numbers::ENTRIES),
        ("units", units::ENTRIES),
        ("network", network::ENTRIES),
        ("versions", versions::ENTRIES),
        ("encoding", encoding::ENTRIES),
        ("hashing", hashing::ENTRIES),
    ];
    let mut table = Table { all: Vec::new(), functions: BTreeMap::new(), methods: BTreeMap::new() };
    for (subject, entries) in subjects.iter().chain(OF_TESTS) {
        for entry in *entries {
            let signature = Signature::parse(entry.signature).expect("a test reads every signature of the tables");
            let at = table.all.len();
            match &signature.receiver {
                Some(_) => table.methods.entry(signature.name).or_default().push(at),
                None => {
                    table.functions.insert(signature.name, at);
                }
            }
            let deprecated = stead_catalog::deprecation(entry.docs);
            let Entry { docs, examples, run, .. } = *entry;
            table.all.push(Builtin { signature, subject, docs, examples, deprecated, run });
        }
    }
    // A method of every type comes after those of one type.
    for found in table.methods.values_mut() {
        found.sort_by_key(|at| {
            table.all[*at]
                .signature
                .receiver
                .as_ref()
                .is_some_and(|shape| matches!(shape, Shape::Type(Type::Any) | Shape::Var(_)))
        });
    }
    table
});

/// Returns the value with no secret wrapper anywhere inside.
fn reveal_all(value: &Value) -> Value {
    match value {
        Value::Secret(inner) => reveal_all(inner),
        Value::List(items) if value.is_sensitive() => Value::list(items.iter().map(reveal_all)),
        Value::Map(map) if value.is_sensitive() => Value::map(map.iter().map(|(k, v)| (k.clone(), reveal_all(v)))),
        other => other.clone(),
    }
}

/// Takes out of an error what it may tell of a secret argument.
fn without_secrets(signature: &Signature, error: BuiltinError) -> BuiltinError {
    let message = format!("`{}` cannot work with a secret value it was given", signature.name);
    BuiltinError { message, hint: None, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_callback(_: usize, _: &[Value]) -> Result<Value, Stopped> {
        Err(Stopped)
    }

    fn call(receiver: Value, name: &str, rest: &[Value]) -> Result<Value, CallError> {
        let mut args = vec![receiver.clone()];
        args.extend_from_slice(rest);
        let builtin = method_of(&receiver, name).unwrap();
        args.resize(1 + builtin.signature.params.len(), Value::None);
        builtin.call(&args, &mut no_callback)
    }

    #[test]
    fn every_entry_can_be_read_and_is_documented() {
        assert!(all().len() >= 90, "{}", all().len());
        for builtin in all() {
            let name = builtin.signature.to_string();
            assert!(builtin.summary().ends_with('.'), "{name}");
            assert!(!builtin.examples.is_empty(), "{name}");
        }
    }

    #[test]
    fn the_kind_of_a_value_decides_which_method_is_meant() {
        for found in TABLE.methods.values() {
            for (i, a) in found.iter().enumerate() {
                for b in &found[i + 1..] {
                    let receiver = |at: &usize| TABLE.all[*at].signature.receiver.clone().unwrap().resolve(&Bindings::default());
                    let (a, b) = (receiver(a), receiver(b));
                    let values = [
                        Value::string("x"),
                        Value::Int(1),
                        Value::Float(1.0),
                        Value::list([]),
                        Value::map([]),
                        Value::Mode(1),
                        Value::Duration(1),
                        Value::Size(1),
                        Value::Bool(true),
                    ];
                    let takes = |ty: &Type, v: &Value| *ty != Type::Any && Shape::Type(ty.clone()).takes_value(v);
                    assert!(values.iter().all(|v| !(takes(&a, v) && takes(&b, v))), "{a} and {b}");
                }
            }
        }
    }

    #[test]
    fn secrets_stay_secret() {
        let secret = Value::string("hunter2").secret();
        assert_eq!(call(secret.clone(), "upper", &[]), Ok(Value::string("HUNTER2").secret()));
        let list = Value::list([secret.clone(), Value::string("a")]);
        assert_eq!(call(list.clone(), "len", &[]), Ok(Value::Int(2)));
        assert_eq!(call(list.clone(), "last", &[]), Ok(Value::string("a")));
        assert_eq!(call(list.clone(), "join", &[Value::string("-")]), Ok(Value::string("hunter2-a").secret()));
        assert_eq!(call(list, "contains", &[Value::string("hunter2")]), Ok(Value::Bool(true).secret()));
        let Err(CallError::Failed(error)) = call(secret, "to_int", &[]) else { panic!("not a number") };
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn results_are_limited() {
        let Err(CallError::Failed(error)) = call(Value::string("x"), "repeat", &[Value::Int(1_000_000_000_000)]) else {
            panic!("a terabyte of x")
        };
        assert_eq!(error.code, "result-too-large");
    }

    #[test]
    fn names_of_other_languages_are_understood() {
        assert_eq!(closest_method(&Type::STRING, "uppercase"), Some("upper"));
        assert_eq!(closest_method(&Type::list(Type::INT), "frist"), Some("first"));
        assert_eq!(closest_method(&Type::INT, "uppercase"), None);
    }
}

#[cfg(test)]
mod examples {
    use std::sync::Arc;

    use stead_catalog::{AttributeSchema, Footprint, Schema, Type, Value};

    use crate::diagnostic::render::{Style, render};
    use crate::{Input, MemorySources, NodeContext, Project, Schemas};

    /// A resource type with one attribute that takes anything.
    fn thing() -> Schema {
        let attribute = |name: &str, ty| AttributeSchema {
            name: name.into(),
            ty,
            required: false,
            default: None,
            docs: "".into(),
            sensitive: false,
            deprecated: None,
        };
        Schema {
            name: "thing".into(),
            since: "0.1".into(),
            docs: "".into(),
            key: "name".into(),
            attributes: vec![attribute("name", Type::STRING), attribute("value", Type::Any)],
            aliases: Vec::new(),
            footprint: |_| Footprint::default(),
            check: |_| Vec::new(),
            lint: |_, _| Vec::new(),
            deprecated: None,
            reacts: false,
        }
    }

    #[test]
    fn every_example_has_the_value_it_says() {
        let mut text = String::new();
        for builtin in super::all() {
            for (expression, value) in builtin.examples {
                let name = Value::string(*expression);
                text.push_str(&format!(
                    "thing {} {{ value = [{expression}, {value}] }}\n",
                    name.to_string().replace("${", "$\\u{7b}")
                ));
            }
        }
        let sources = MemorySources::new().with("examples.stead", &text);
        let project = Project::load(Input::directory(Arc::new(sources), Arc::new(Schemas::new([thing()]))));
        let (catalog, found) = crate::compile(&project, &NodeContext::default());
        let sources = vec![("examples.stead".to_owned(), text.clone())];
        let shown: String = found.iter().filter(|d| d.is_error()).map(|d| render(d, &sources, Style::PLAIN)).collect();
        assert!(shown.is_empty(), "{shown}");
        let catalog = catalog.unwrap();
        let mut wrong = Vec::new();
        for resource in &catalog.resources {
            let Some(Value::List(pair)) = resource.attributes.get("value") else { panic!("{:?}", resource.id) };
            if pair[0] != pair[1] {
                wrong.push(format!("{}: {} instead of {}", resource.id.name, pair[0], pair[1]));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(catalog.resources.len(), super::all().iter().map(|b| b.examples.len()).sum::<usize>());
    }
}
