//! Signatures of the built-in functions, and how argument types give the result type.
//!
//! A signature is written as documentation shows it: `List<T>.map(f: (T) => U) -> List<U>`. One capital letter is a
//! type variable; `?` after a parameter's name makes it optional; `(T) => U` is a lambda.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use stead_catalog::{Span64, Type, Value};

/// A type in a signature.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A type of the language.
    Type(Type),
    /// `Int` or `Float`.
    Number,
    /// A type variable.
    Var(char),
    /// A list.
    List(Box<Shape>),
    /// A map with string keys; a record fits as well.
    Map(Box<Shape>),
    /// The shape, or `none`.
    Optional(Box<Shape>),
    /// A lambda: its parameters and its result.
    Lambda(Vec<Shape>, Box<Shape>),
}

/// What the type variables of a signature stand for in one call.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<char, Type>);

/// A parameter of a built-in function.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name, for named arguments and documentation.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// May be left out.
    pub optional: bool,
}

/// A signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// What a method is called on; `None` for a free function.
    pub receiver: Option<Shape>,
    /// The function's name.
    pub name: &'static str,
    /// Its parameters without the receiver.
    pub params: Vec<Param>,
    /// What it returns.
    pub result: Shape,
}

impl Bindings {
    /// Returns what `var` stands for; `Any` before it is bound.
    pub fn get(&self, var: char) -> Type {
        self.0.get(&var).cloned().unwrap_or(Type::Any)
    }

    fn bind(&mut self, var: char, ty: &Type) {
        let joined = match self.0.get(&var) {
            Some(old) => join_types(old, ty),
            None => ty.clone(),
        };
        self.0.insert(var, joined);
    }
}

impl Shape {
    /// Says whether a value of type `ty` may stand here, and notes what the type variables stand for.
    ///
    /// Text types stand for one another: whether a string is a path is checked when the function runs. Secrets fit
    /// where their plain type does. A lambda fits nothing here: see [`Shape::lambda_params`].
    pub fn fits(&self, ty: &Type, bindings: &mut Bindings) -> bool {
        match (self, ty) {
            (Self::Var(var), Type::Any) => {
                bindings.bind(*var, ty);
                true
            }
            (Self::Lambda(..), _) => false,
            (_, Type::Any) => true,
            (_, Type::Secret(inner)) => self.fits(inner, bindings),
            (Self::Var(var), _) => {
                bindings.bind(*var, ty);
                true
            }
            (Self::Optional(_), Type::None) => true,
            (Self::Optional(inner), Type::Optional(ty)) => inner.fits(ty, bindings),
            (Self::Optional(inner), _) => inner.fits(ty, bindings),
            (_, Type::Literal(value)) => self.fits(&type_of_value(value), bindings),
            (_, Type::Union(options)) => options.iter().all(|option| self.fits(option, bindings)),
            (Self::Number, Type::Int(_) | Type::Float(_) | Type::Port) => true,
            (Self::List(item), Type::List(ty, _)) => item.fits(ty, bindings),
            (Self::Map(item), Type::Map(ty)) => item.fits(ty, bindings),
            (Self::Map(item), Type::Record(record)) => record.fields.iter().all(|field| {
                // A field that may be absent is present as `none`.
                item.fits(&field.ty, bindings)
            }),
            (Self::Type(expected), _) => same_kind(expected, ty),
            _ => false,
        }
    }

    /// Returns the type with the variables filled in; an unbound variable is `Any`.
    pub fn resolve(&self, bindings: &Bindings) -> Type {
        match self {
            Self::Type(ty) => ty.clone(),
            Self::Number => Type::Union(Arc::new(vec![Type::INT, Type::Float(None)])),
            Self::Var(var) => bindings.get(*var),
            Self::List(item) => Type::list(item.resolve(bindings)),
            Self::Map(item) => Type::Map(Arc::new(item.resolve(bindings))),
            Self::Optional(inner) => Type::optional(inner.resolve(bindings)),
            Self::Lambda(..) => Type::Any,
        }
    }

    /// Returns the parameter types of a lambda that stands here, once the other arguments are bound. `None` when no
    /// lambda is expected.
    pub fn lambda_params(&self, bindings: &Bindings) -> Option<Vec<Type>> {
        match self {
            Self::Lambda(params, _) => Some(params.iter().map(|p| p.resolve(bindings)).collect()),
            Self::Optional(inner) => inner.lambda_params(bindings),
            _ => None,
        }
    }

    /// Says whether a lambda's body of type `ty` is what is expected here, and notes what it tells about the variables.
    pub fn lambda_result_fits(&self, ty: &Type, bindings: &mut Bindings) -> bool {
        match self {
            Self::Lambda(_, result) => result.fits(ty, bindings),
            Self::Optional(inner) => inner.lambda_result_fits(ty, bindings),
            _ => false,
        }
    }

    /// Returns the expected result of a lambda that stands here.
    pub fn lambda_result(&self) -> Option<&Shape> {
        match self {
            Self::Lambda(_, result) => Some(result),
            Self::Optional(inner) => inner.lambda_result(),
            _ => None,
        }
    }

    /// Says whether a value may be the receiver of a method with this receiver shape.
    pub fn takes_value(&self, value: &Value) -> bool {
        match (self, value.reveal()) {
            (Self::Var(_), _) => true,
            (Self::Number, Value::Int(_) | Value::Float(_)) | (Self::List(_), Value::List(_)) | (Self::Map(_), Value::Map(_)) => {
                true
            }
            (Self::Type(Type::Any), _) => true,
            (Self::Type(expected), value) => same_kind(expected, &type_of_value(value)),
            (Self::Optional(inner), value) => *value == Value::None || inner.takes_value(value),
            _ => false,
        }
    }
}

impl Signature {
    /// Returns the result type of a call: the variables filled in, secret when an argument was.
    pub fn result_type(&self, bindings: &Bindings, any_secret: bool) -> Type {
        let ty = self.result.resolve(bindings);
        if any_secret && !ty.is_secret() { Type::Secret(Arc::new(ty)) } else { ty }
    }

    /// Reads a signature. The text is part of the program; a test reads them all.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let start = parser.rest;
        // A receiver ends in the `.` before the name and the parenthesis.
        let receiver = match parser.shape() {
            Some(shape) if parser.eat(".") => Some(shape),
            _ => {
                parser.rest = start;
                None
            }
        };
        let name = parser.word()?;
        let mut params = Vec::new();
        if !parser.eat("(") {
            return None;
        }
        while !parser.eat(")") {
            let name = parser.word()?;
            let optional = parser.eat("?");
            if !parser.eat(":") {
                return None;
            }
            params.push(Param { name, shape: parser.shape()?, optional });
            parser.eat(",");
        }
        if !parser.eat("->") {
            return None;
        }
        let result = parser.shape()?;
        parser.rest.trim().is_empty().then_some(Self { receiver, name, params, result })
    }
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<&'static str> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        self.rest = &text[end..];
        (end > 0).then(|| &text[..end])
    }

    fn shape(&mut self) -> Option<Shape> {
        let mut shape = if self.eat("(") {
            let mut params = Vec::new();
            while !self.eat(")") {
                params.push(self.shape()?);
                self.eat(",");
            }
            if !self.eat("=>") {
                return None;
            }
            return Some(Shape::Lambda(params, Box::new(self.shape()?)));
        } else {
            let word = self.word()?;
            match word {
                "List" | "Map" => {
                    if !self.eat("<") {
                        return None;
                    }
                    let inner = Box::new(self.shape()?);
                    if !self.eat(">") {
                        return None;
                    }
                    if word == "List" { Shape::List(inner) } else { Shape::Map(inner) }
                }
                "Number" => Shape::Number,
                _ if word.len() == 1 => Shape::Var(word.chars().next()?),
                _ => Shape::Type(named_type(word)?),
            }
        };
        if self.eat("?") {
            shape = Shape::Optional(Box::new(shape));
        }
        Some(shape)
    }
}

fn named_type(name: &str) -> Option<Type> {
    Some(match name {
        "Any" => Type::Any,
        "Bool" => Type::Bool,
        "Int" => Type::INT,
        "Float" => Type::Float(None),
        "String" => Type::STRING,
        "Path" => Type::Path,
        "Mode" => Type::Mode,
        "Duration" => Type::Duration,
        "Size" => Type::Size,
        "Port" => Type::Port,
        "Ip" => Type::Ip,
        "Cidr" => Type::Cidr,
        "Hostname" => Type::Hostname,
        "Url" => Type::Url,
        "Regex" => Type::Regex,
        "Version" => Type::Version,
        _ => return None,
    })
}

/// Says whether the type is checked text.
fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String(..) | Type::Path | Type::Ip | Type::Cidr | Type::Hostname | Type::Url | Type::Regex | Type::Version)
}

fn same_kind(expected: &Type, ty: &Type) -> bool {
    match (expected, ty) {
        (Type::Any, _) => true,
        (Type::String(..), Type::Enum(_)) => true,
        (Type::Int(_) | Type::Port, Type::Int(_) | Type::Port) | (Type::Float(_), Type::Float(_)) => true,
        (Type::Bool, Type::Bool) | (Type::Mode, Type::Mode) | (Type::Duration, Type::Duration) | (Type::Size, Type::Size) => true,
        _ => is_text(expected) && is_text(ty),
    }
}

/// Returns the plain type of a value: what inference gives a literal.
pub fn type_of_value(value: &Value) -> Type {
    match value {
        Value::None => Type::None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::INT,
        Value::Float(_) => Type::Float(None),
        Value::String(_) | Value::Member(_) => Type::STRING,
        Value::Mode(_) => Type::Mode,
        Value::Duration(_) => Type::Duration,
        Value::Size(_) => Type::Size,
        Value::Blob(_) => Type::Source,
        Value::List(items) => {
            let item = items.iter().map(type_of_value).reduce(|a, b| join_types(&a, &b));
            Type::list(item.unwrap_or(Type::Any))
        }
        Value::Map(map) => {
            let item = map.values().map(type_of_value).reduce(|a, b| join_types(&a, &b));
            Type::Map(Arc::new(item.unwrap_or(Type::Any)))
        }
        Value::Ref(id) => Type::Ref(Some(id.type_name.clone())),
        Value::Secret(inner) => Type::Secret(Arc::new(type_of_value(inner))),
        Value::Locked(_) => Type::Any,
    }
}

/// Returns the smallest type the signatures can tell that holds the values of both.
fn join_types(a: &Type, b: &Type) -> Type {
    match (a, b) {
        _ if a == b => a.clone(),
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::None, other) | (other, Type::None) => Type::optional(other.clone()),
        (Type::Optional(x), Type::Optional(y)) => Type::optional(join_types(x, y)),
        (Type::Optional(x), y) | (y, Type::Optional(x)) => Type::optional(join_types(x, y)),
        (Type::Secret(x), Type::Secret(y)) => Type::Secret(Arc::new(join_types(x, y))),
        (Type::Secret(x), y) | (y, Type::Secret(x)) => Type::Secret(Arc::new(join_types(x, y))),
        (Type::Int(_) | Type::Port, Type::Int(_) | Type::Port) => Type::INT,
        (Type::Float(_), Type::Float(_)) => Type::Float(None),
        (Type::List(x, _), Type::List(y, _)) => Type::List(Arc::new(join_types(x, y)), Span64::FULL),
        (Type::Map(x), Type::Map(y)) => Type::Map(Arc::new(join_types(x, y))),
        _ if is_text(a) && is_text(b) => Type::STRING,
        _ => Type::Union(Arc::new(vec![a.clone(), b.clone()])),
    }
}

/// Writes the shape as documentation does.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(ty) => write!(f, "{ty}"),
            Self::Number => f.write_str("Int | Float"),
            Self::Var(var) => write!(f, "{var}"),
            Self::List(item) => write!(f, "List<{item}>"),
            Self::Map(item) => write!(f, "Map<{item}>"),
            Self::Optional(inner) => write!(f, "{inner}?"),
            Self::Lambda(params, result) => {
                f.write_str("(")?;
                for (i, param) in params.iter().enumerate() {
                    write!(f, "{}{param}", if i > 0 { ", " } else { "" })?;
                }
                write!(f, ") => {result}")
            }
        }
    }
}

/// Writes the signature as documentation does.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(receiver) = &self.receiver {
            write!(f, "{receiver}.")?;
        }
        write!(f, "{}(", self.name)?;
        for (i, param) in self.params.iter().enumerate() {
            let (comma, mark) = (if i > 0 { ", " } else { "" }, if param.optional { "?" } else { "" });
            write!(f, "{comma}{}{mark}: {}", param.name, param.shape)?;
        }
        write!(f, ") -> {}", self.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(signature: &'static str, receiver: Type, args: &[Type], lambda: Option<Type>, expected: Option<&str>) {
        let signature = Signature::parse(signature).unwrap();
        let mut bindings = Bindings::default();
        let mut fits = signature.receiver.as_ref().is_none_or(|shape| shape.fits(&receiver, &mut bindings));
        for (param, arg) in signature.params.iter().zip(args) {
            fits &= param.shape.fits(arg, &mut bindings);
        }
        if let (Some(ty), Some(param)) = (lambda, signature.params.last()) {
            fits &= param.shape.lambda_result_fits(&ty, &mut bindings);
        }
        let result = fits.then(|| signature.result_type(&bindings, receiver.is_secret()).to_string());
        assert_eq!(result.as_deref(), expected);
    }

    #[test]
    fn variables_carry_types_from_arguments_to_results() {
        let ints = Type::list(Type::INT);
        check("List<T>.first() -> T?", ints.clone(), &[], None, Some("Int?"));
        check("List<T>.map(f: (T) => U) -> List<U>", ints.clone(), &[], Some(Type::STRING), Some("List<String>"));
        check(
            "List<T>.concat(other: List<T>) -> List<T>",
            ints.clone(),
            &[Type::list(Type::Bool)],
            None,
            Some("List<Int | Bool>"),
        );
        check("List<T>.filter(f: (T) => Bool) -> List<T>", ints, &[], Some(Type::STRING), None);
        check("Map<T>.values() -> List<T>", Type::Map(Arc::new(Type::Path)), &[], None, Some("List<Path>"));
        check("String.len() -> Int", Type::Secret(Arc::new(Type::STRING)), &[], None, Some("Secret<Int>"));
        check("String.len() -> Int", Type::INT, &[], None, None);
        check("Path.parent() -> Path", Type::STRING, &[], None, Some("Path"));
    }

    #[test]
    fn signatures_read_back_as_written() {
        for text in ["List<T>.fold(start: U, f: (U, T) => U) -> U", "range(start: Int, end: Int, step?: Int) -> List<Int>"] {
            assert_eq!(Signature::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Signature::parse("String.x(a String) -> Int"), None);
    }
}
