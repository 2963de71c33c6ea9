//! What a rendering may make: every value that a template computes is paid for by its size, before it is made.
//!
//! minijinja counts instructions, and one instruction may double a text or walk a list that holds itself a thousand times over. So
//! the operators that make values, and `set`, by which a value outlives a turn of a loop, are rewritten to filters of this module
//! ([`rewrite`]), and minijinja's own filters are told beforehand how much they will make ([`filters`]).

pub(super) mod filters;
pub(super) mod rewrite;

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Object, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Expression, State, Value as Jinja};
use stead_catalog::Value;

use super::methods::failed;
use super::value::{as_list, as_map};
use crate::builtins::{MAX_ITEMS, MAX_TEXT};

/// Bytes of values that one rendering may make, whether or not they are kept.
const MAX_BYTES: usize = 512 << 20;
/// What an element of a list or a map is counted as, besides the text in it.
const ELEMENT: usize = 32;
/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 100;

/// What is left of [`MAX_BYTES`] in a rendering.
#[derive(Debug)]
struct Meter(AtomicUsize);

impl Object for Meter {}

fn left(state: &State<'_, '_>) -> std::sync::Arc<Meter> {
    state.get_or_set_temp_object("stead meter", || Meter(AtomicUsize::new(MAX_BYTES)))
}

fn too_much() -> Error {
    Error::new(ErrorKind::OutOfFuel, "the template makes more than 512 MiB of values")
}

/// Pays for `bytes` that are about to be made.
pub(super) fn charge(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    // One rendering is one thread's: nobody takes anything between the two.
    let meter = left(state);
    let rest = meter.0.load(Ordering::Relaxed).checked_sub(bytes).ok_or_else(too_much)?;
    meter.0.store(rest, Ordering::Relaxed);
    Ok(())
}

/// How large a value is, as a tree: what is shared counts wherever it stands.
#[derive(Default)]
struct Size {
    /// Elements, and bytes of text.
    bytes: usize,
    /// The sum of the depths of all elements, for what is indented.
    depths: usize,
    /// A namespace is in it.
    has_namespace: bool,
    /// Something in it is computed whenever it is looked at.
    is_lazy: bool,
    limit: usize,
}

impl Size {
    fn count(&mut self, bytes: usize, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(failed(format!("the values nest more than {MAX_DEPTH} deep")));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.depths = self.depths.saturating_add(depth);
        if self.bytes > self.limit { Err(too_much()) } else { Ok(()) }
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value {
            Value::String(text) | Value::Member(text) => self.count(ELEMENT + text.len(), depth),
            Value::Blob(blob) => self.count(ELEMENT + blob.bytes.len(), depth),
            Value::Secret(inner) => self.value(inner, depth),
            Value::List(items) => {
                self.count(ELEMENT, depth)?;
                items.iter().try_for_each(|item| self.value(item, depth + 1))
            }
            Value::Map(map) => {
                self.count(ELEMENT, depth)?;
                map.iter().try_for_each(|(key, item)| {
                    self.count(ELEMENT + key.len(), depth + 1)?;
                    self.value(item, depth + 1)
                })
            }
            _ => self.count(ELEMENT, depth),
        }
    }

    fn template(&mut self, value: &Jinja, depth: usize) -> Result<(), Error> {
        if let Some(items) = as_list(value) {
            self.count(ELEMENT, depth)?;
            return items.iter().try_for_each(|item| self.value(item, depth + 1));
        }
        if let Some(map) = as_map(value) {
            return self.value(&Value::Map(map.clone()), depth);
        }
        match value.kind() {
            ValueKind::String => self.count(ELEMENT + value.as_str().map_or(0, str::len), depth),
            ValueKind::Bytes => self.count(ELEMENT + value.as_bytes().map_or(0, <[u8]>::len), depth),
            ValueKind::Seq | ValueKind::Iterable => {
                self.is_lazy |= !is_plain(value);
                self.count(ELEMENT, depth)?;
                value.try_iter()?.try_for_each(|item| self.template(&item, depth + 1))
            }
            ValueKind::Map => {
                self.has_namespace |= type_name(value).ends_with("::Namespace");
                self.is_lazy |= type_name(value).ends_with("::MergeDict");
                self.count(ELEMENT, depth)?;
                value.try_iter()?.try_for_each(|key| {
                    self.template(&key, depth + 1)?;
                    self.template(&value.get_item(&key)?, depth + 1)
                })
            }
            _ => self.count(ELEMENT, depth),
        }
    }
}

fn type_name(value: &Jinja) -> &'static str {
    value.as_object().map_or("", |object| object.type_name())
}

/// Says whether a sequence holds its elements, rather than makes them when it is asked.
fn is_plain(value: &Jinja) -> bool {
    type_name(value).starts_with("alloc::vec::Vec<")
}

fn size_of(state: &State<'_, '_>, value: &Jinja) -> Result<Size, Error> {
    let mut size = Size { limit: left(state).0.load(Ordering::Relaxed), ..Size::default() };
    size.template(value, 0)?;
    Ok(size)
}

/// Pays for walking a value that goes into a function of ours.
pub(super) fn walk(state: &State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let size = size_of(state, value)?;
    charge(state, size.bytes)
}

/// Pays for a value that a function of ours made.
pub(super) fn made(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mut size = Size { limit: left(state).0.load(Ordering::Relaxed), ..Size::default() };
    size.value(value, 0)?;
    charge(state, size.bytes)
}

/// Pays for writing a value out.
pub(super) fn emit(state: &State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => charge(state, text.len()),
        None => walk(state, value),
    }
}

fn fits(size: usize, limit: usize, what: &str) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::OutOfFuel, format!("the template makes {what}")))
}

fn text_fits(bytes: usize) -> Result<(), Error> {
    fits(bytes, MAX_TEXT, "a text of more than 16 MiB")
}

fn list_fits(items: usize) -> Result<(), Error> {
    fits(items, MAX_ITEMS, "a list of more than 1000000 elements")
}

fn is_sequence(value: &Jinja) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Computes with what are numbers, or tells why it cannot.
fn compute(expression: &LazyLock<Option<Expression<'static, 'static>>>, a: &Jinja, b: &Jinja) -> Result<Jinja, Error> {
    let expression = expression.as_ref().ok_or_else(|| failed("the operator is not known"))?;
    // Its place is that of the operator here, not of the operator there.
    let retell = |error: Error| match error.detail() {
        Some(detail) => Error::new(error.kind(), detail.to_owned()),
        None => Error::from(error.kind()),
    };
    expression.eval(minijinja::context! { a => a, b => b }).map_err(retell)
}

static ADD: LazyLock<Option<Expression<'static, 'static>>> = LazyLock::new(|| expression("a + b"));
static MULTIPLY: LazyLock<Option<Expression<'static, 'static>>> = LazyLock::new(|| expression("a * b"));

static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);

fn expression(text: &'static str) -> Option<Expression<'static, 'static>> {
    PLAIN.compile_expression(text).ok()
}

/// The two operands of an operator, neither undefined.
fn operands(args: &[Jinja]) -> Result<(&Jinja, &Jinja), Error> {
    match args {
        [a, b] if a.is_undefined() || b.is_undefined() => Err(Error::from(ErrorKind::UndefinedError)),
        [a, b] => Ok((a, b)),
        _ => Err(failed("an operator has two operands")),
    }
}

/// `a ~ b`.
fn concatenate(state: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let (a, b) = operands(args)?;
    for part in [a, b] {
        if part.as_str().is_none() {
            walk(state, part)?;
        }
    }
    text_fits(a.as_str().map_or(0, str::len) + b.as_str().map_or(0, str::len))?;
    let mut text = String::new();
    // A `String` takes whatever is written.
    let _ = write!(text, "{a}{b}");
    text_fits(text.len())?;
    charge(state, text.len())?;
    Ok(Jinja::from(text))
}

/// `a + b`: a list is made at once, so that no chain of promises is walked later.
fn add(state: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let (a, b) = operands(args)?;
    if let (Some(x), Some(y)) = (a.as_str(), b.as_str()) {
        text_fits(x.len() + y.len())?;
        charge(state, x.len() + y.len())?;
        return Ok(Jinja::from([x, y].concat()));
    }
    if is_sequence(a) && is_sequence(b) {
        let mut items = Vec::new();
        for item in a.try_iter()?.chain(b.try_iter()?) {
            list_fits(items.len() + 1)?;
            items.push(item);
        }
        charge(state, items.len() * ELEMENT)?;
        return Ok(Jinja::from(items));
    }
    compute(&ADD, a, b)
}

/// `a * b`.
fn multiply(state: &State<'_, '_>, args: &[Jinja]) -> Result<Jinja, Error> {
    let (a, b) = operands(args)?;
    let (repeated, times) = if b.as_usize().is_some() { (a, b) } else { (b, a) };
    let Some(times) = times.as_usize() else { return compute(&MULTIPLY, a, b) };
    if let Some(text) = repeated.as_str() {
        let size = text.len().saturating_mul(times);
        text_fits(size)?;
        charge(state, size)?;
        return Ok(Jinja::from(text.repeat(times)));
    }
    if is_sequence(repeated) {
        let items: Vec<Jinja> = repeated.try_iter()?.collect();
        let size = items.len().saturating_mul(times);
        list_fits(size)?;
        charge(state, size * ELEMENT)?;
        let copies = (0..times).flat_map(|_| items.iter().cloned());
        return Ok(Jinja::from(copies.collect::<Vec<Jinja>>()));
    }
    compute(&MULTIPLY, a, b)
}

/// The value of a `set`: as large as may be, and with nothing left to compute in it.
fn keep(state: &State<'_, '_>, args: &[Jinja], in_namespace: bool) -> Result<Jinja, Error> {
    let value = args.first().cloned().unwrap_or(Jinja::UNDEFINED);
    if as_list(&value).is_some() || as_map(&value).is_some() {
        return Ok(value);
    }
    let size = size_of(state, &value)?;
    if in_namespace && size.has_namespace {
        return Err(failed("a namespace cannot hold a namespace"));
    }
    charge(state, size.bytes)?;
    if size.is_lazy { settle(&value) } else { Ok(value) }
}

/// Makes what a value promises. How large that is, and how deep, is known to be little enough.
fn settle(value: &Jinja) -> Result<Jinja, Error> {
    let is_merged = type_name(value).ends_with("::MergeDict");
    if as_list(value).is_some() || as_map(value).is_some() {
        return Ok(value.clone());
    }
    if is_sequence(value) {
        return Ok(Jinja::from(value.try_iter()?.map(|item| settle(&item)).collect::<Result<Vec<Jinja>, Error>>()?));
    }
    if is_merged || type_name(value).contains("IndexMap<") || type_name(value).contains("BTreeMap<") {
        let entry = |key: Jinja| Ok::<_, Error>((key.clone(), settle(&value.get_item(&key)?)?));
        return Ok(value.try_iter()?.map(entry).collect::<Result<Vec<(Jinja, Jinja)>, Error>>()?.into_iter().collect());
    }
    Ok(value.clone())
}

/// Registers the filters that templates are rewritten to.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter(rewrite::CONCATENATE, |state: &State<'_, '_>, args: Rest<Jinja>| concatenate(state, &args));
    environment.add_filter(rewrite::ADD, |state: &State<'_, '_>, args: Rest<Jinja>| add(state, &args));
    environment.add_filter(rewrite::MULTIPLY, |state: &State<'_, '_>, args: Rest<Jinja>| multiply(state, &args));
    environment.add_filter(rewrite::KEEP, |state: &State<'_, '_>, args: Rest<Jinja>| keep(state, &args, false));
    environment.add_filter(rewrite::KEEP_IN_NAMESPACE, |state: &State<'_, '_>, args: Rest<Jinja>| keep(state, &args, true));
    environment.add_filter(rewrite::TEXT, |state: &State<'_, '_>, bytes: usize| charge(state, bytes).map(|()| ""));
    filters::register(environment);
}
