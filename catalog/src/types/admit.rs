//! Which values a type admits, and why it does not.

use std::net::IpAddr;
use std::sync::Arc;

use super::text::{is_cidr, is_hostname, is_url, normalize_path, parse_duration, parse_mode, parse_size};
use super::{Pattern, RecordType, Span64, Type};
use crate::closest::closest;
use crate::{Map, Value};

/// Why a value does not fit a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where in the value, outermost first: field names, map keys, list positions as `[3]`.
    pub path: Vec<String>,
    /// What was expected there, in words.
    pub expected: String,
    /// What stands there, in words; never a secret.
    pub found: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
    /// What to write instead of a value that stands in the source, where there is no doubt.
    pub replacement: Option<Box<Replacement>>,
    /// Stable code: `type-mismatch`, `out-of-range`, `unknown-field`, `missing-field`, `unknown-member`, `invalid-value`.
    pub code: &'static str,
}

/// What to write in the place of a value. It is apart so that an error stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The text.
    pub text: String,
}

impl Mismatch {
    pub(super) fn new(code: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: Vec::new(), expected: expected.into(), found: found.into(), hint: None, replacement: None, code }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint `words` and what to write.
    fn written(mut self, words: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        self.hint = Some(format!("{words}: {text}"));
        self.replaced(text)
    }

    fn replaced(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.replacement = Some(Box::new(Replacement { text }));
        self
    }

    /// Leaves out what is written in a secret: a hint may say it.
    fn concealed(self) -> Self {
        Self { found: "a secret value of another kind".into(), hint: None, replacement: None, ..self }
    }

    fn under(mut self, step: impl Into<String>) -> Self {
        self.path.insert(0, step.into());
        self
    }
}

impl Type {
    /// Checks a value against the type and gives it the form the type has: a string becomes a path or an enum
    /// member, a record gets its defaults, a plain value becomes secret.
    ///
    /// Numbers, strings and bools never convert into one another. With `from_data`, text of a data file may
    /// also stand for a mode (`"0644"`), a duration (`"30s"`), a size (`"10MiB"`) and an enum member.
    ///
    /// # Errors
    /// The first place where the value does not fit.
    pub fn admit(&self, value: &Value, from_data: bool) -> Result<Value, Mismatch> {
        // What nobody has opened may be anything.
        if value.is_locked() {
            return Ok(value.clone());
        }
        if let (Value::Secret(inner), false) =
            (value, matches!(self, Self::Secret(_) | Self::Optional(_) | Self::Union(_) | Self::Any))
        {
            // A secret fits where its plain value does and stays secret: taint is kept, not refused.
            let admitted = self.admit(inner, from_data).map(Value::secret);
            return admitted.map_err(Mismatch::concealed);
        }
        let wrong = || Err(Mismatch::new("type-mismatch", self.describe(), describe_value(value)));
        match (self, value) {
            (Self::Any, _) | (Self::None, Value::None) | (Self::Bool, Value::Bool(_)) => Ok(value.clone()),
            (Self::Int(range), Value::Int(n)) if range.contains(*n) => Ok(value.clone()),
            (Self::Int(range), Value::Int(n)) => {
                Err(Mismatch::new("out-of-range", format!("an integer in {range}"), n.to_string()))
            }
            (Self::Float(range), Value::Float(x)) => match range {
                Some((min, max)) if x < min || x > max => {
                    Err(Mismatch::new("out-of-range", format!("a float in {min:?}..={max:?}"), format!("{x:?}")))
                }
                _ => Ok(value.clone()),
            },
            (Self::Float(_), Value::Int(n)) => wrong().map_err(|m| m.written("write it as a float", format!("{n}.0"))),
            (Self::Bool, Value::String(text)) if !from_data && matches!(&**text, "true" | "false") => {
                wrong().map_err(|m| m.written("write it without quotes", &**text))
            }
            (Self::String(pattern, length), Value::String(text)) => admit_string(value, text, pattern.as_ref(), *length),
            (Self::Mode, Value::Mode(_)) | (Self::Duration, Value::Duration(_)) | (Self::Size, Value::Size(_)) => {
                Ok(value.clone())
            }
            (Self::Mode, Value::String(text)) => {
                let mode = parse_mode(text);
                match mode {
                    Some(mode) if from_data => Ok(Value::Mode(mode)),
                    Some(mode) => wrong()
                        .map_err(|m| Mismatch { code: "quoted-mode", ..m }.hint(format!("write it without quotes: {mode:04o}"))),
                    None => wrong(),
                }
            }
            (Self::Mode, Value::Int(n)) => match parse_mode(&n.to_string()) {
                Some(mode) => wrong().map_err(|m| {
                    let hint = format!("a mode is octal and starts with a zero: {mode:04o}");
                    Mismatch { code: "decimal-mode", ..m }.hint(hint)
                }),
                None => wrong(),
            },
            (Self::Duration, Value::String(text)) if from_data => match parse_duration(text) {
                Some(nanos) => Ok(Value::Duration(nanos)),
                None => wrong(),
            },
            (Self::Duration, Value::String(text)) => unquoted(wrong(), text, parse_duration(text).is_some(), "s"),
            (Self::Duration, Value::Int(n)) => wrong().map_err(|m| m.written("a duration has a unit", format!("{n}s"))),
            (Self::Size, Value::String(text)) if from_data => match parse_size(text) {
                Some(bytes) => Ok(Value::Size(bytes)),
                None => wrong(),
            },
            (Self::Size, Value::String(text)) => unquoted(wrong(), text, parse_size(text).is_some(), "MiB"),
            (Self::Size, Value::Int(n)) => wrong().map_err(|m| m.written("a size has a unit", format!("{n}B"))),
            (Self::Port, Value::Int(n)) if (1..=65535).contains(n) => Ok(value.clone()),
            (Self::Port, Value::Int(n)) => Err(Mismatch::new("out-of-range", "a port in 1..=65535", n.to_string())),
            (Self::Path, Value::String(text)) => normalize_path(text).map(|p| match p {
                Some(path) => Value::string(path),
                None => value.clone(),
            }),
            (Self::Ip, Value::String(text)) => check(value, text.parse::<IpAddr>().is_ok(), "an IP address"),
            (Self::Cidr, Value::String(text)) => {
                check(value, is_cidr(text), "an address with a prefix length, such as 10.0.0.0/8")
            }
            (Self::Hostname, Value::String(text)) => {
                check(value, is_hostname(text), "a host name (letters, digits, `-` and `.`)")
            }
            (Self::Url, Value::String(text)) => check(value, is_url(text), "a URL such as https://example.com/"),
            (Self::Regex, Value::String(text)) => match regex::Regex::new(text) {
                Ok(_) => Ok(value.clone()),
                Err(error) => Err(Mismatch::new("invalid-value", "a regular expression", describe_value(value))
                    .hint(last_line(&error.to_string()))),
            },
            (Self::Version, Value::String(text)) => {
                check(value, !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control()), "a version")
            }
            (Self::Source, Value::Blob(_)) => Ok(value.clone()),
            (Self::Command, Value::String(text)) => check(value, !text.trim().is_empty() && !text.contains('\0'), "a command"),
            (Self::Command, Value::List(items)) if !items.is_empty() => Self::list(Self::STRING).admit(value, from_data),
            (Self::List(item, length), Value::List(items)) => {
                let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
                if !length.contains(count) {
                    return Err(Mismatch::new(
                        "out-of-range",
                        format!("a list of {length} elements"),
                        format!("{count} elements"),
                    ));
                }
                let admitted: Result<Vec<_>, _> = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| item.admit(v, from_data).map_err(|m| m.under(format!("[{i}]"))))
                    .collect();
                Ok(Value::List(Arc::new(admitted?)))
            }
            (Self::List(item, _), _) if !from_data && item.admit(value, false).is_ok() => {
                wrong().map_err(|m| m.hint("a list is expected: put it in `[…]`"))
            }
            (Self::Map(item), Value::Map(map)) => {
                let admitted: Result<Map, _> =
                    map.iter().map(|(k, v)| Ok((k.clone(), item.admit(v, from_data).map_err(|m| m.under(&**k))?))).collect();
                Ok(Value::Map(Arc::new(admitted?)))
            }
            (Self::Optional(_), Value::None) => Ok(Value::None),
            (Self::Optional(inner), _) => inner.admit(value, from_data),
            (Self::Record(record), Value::Map(map)) => admit_record(record, map, from_data),
            (Self::Enum(choice), Value::Member(text)) | (Self::Enum(choice), Value::String(text)) => {
                let known = choice.members.iter().any(|m| m == text);
                match value {
                    Value::Member(_) if known => Ok(value.clone()),
                    Value::String(_) if known && from_data => Ok(Value::Member(text.clone())),
                    Value::String(_) if known => wrong().map_err(|m| m.written("write the bare word", &**text)),
                    _ => {
                        let m = Mismatch::new("unknown-member", self.describe(), describe_value(value));
                        Err(match closest(text, choice.members.iter().map(|m| &**m)) {
                            Some(best) => m.hint(format!("did you mean `{best}`?")).replaced(best),
                            None => m,
                        })
                    }
                }
            }
            (Self::Literal(literal), _) if literal == value => Ok(value.clone()),
            (Self::Literal(Value::Member(a)), Value::String(b)) if from_data && a == b => Ok(Value::Member(a.clone())),
            (Self::Union(options), _) => {
                for option in options.iter() {
                    if let Ok(admitted) = option.admit(value, from_data) {
                        return Ok(admitted);
                    }
                }
                let texts = options.iter().filter_map(|option| match option {
                    Self::Literal(literal) => literal.as_str(),
                    _ => None,
                });
                let best = value.as_str().filter(|_| !value.is_sensitive()).and_then(|text| closest(text, texts));
                wrong().map_err(|mismatch| match best {
                    Some(best) => {
                        let best = Value::string(best).to_string();
                        mismatch.hint(format!("did you mean {best}?")).replaced(best)
                    }
                    None => mismatch,
                })
            }
            (Self::Secret(inner), _) => inner.admit(value.reveal(), from_data).map(Value::secret).map_err(|m| {
                let found = value.kind().into();
                match m.replacement {
                    _ if value.is_sensitive() => m.concealed(),
                    Some(_) => Mismatch { found, ..m.concealed() },
                    None => Mismatch { found, ..m },
                }
            }),
            (Self::Ref(None), Value::Ref(_)) => Ok(value.clone()),
            (Self::Ref(Some(name)), Value::Ref(id)) if id.type_name == *name => Ok(value.clone()),
            _ => wrong(),
        }
    }
}

/// The hint for a quantity in quotes.
fn unquoted(wrong: Result<Value, Mismatch>, text: &str, is_good: bool, unit: &str) -> Result<Value, Mismatch> {
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    wrong.map_err(|mismatch| match (is_good, is_bare) {
        (true, _) => mismatch.written("write it without quotes", text),
        (false, true) => mismatch.written("write it with a unit and without quotes", format!("{text}{unit}")),
        (false, false) => mismatch,
    })
}

fn admit_string(value: &Value, text: &str, pattern: Option<&Pattern>, length: Span64) -> Result<Value, Mismatch> {
    if let Some(pattern) = pattern
        && !pattern.is_match(text)
    {
        return Err(Mismatch::new("out-of-range", format!("a string matching /{}/", pattern.source), describe_value(value)));
    }
    if length != Span64::FULL && !length.contains(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)) {
        return Err(Mismatch::new("out-of-range", format!("a string of {length} characters"), describe_value(value)));
    }
    Ok(value.clone())
}

fn admit_record(record: &RecordType, map: &Map, from_data: bool) -> Result<Value, Mismatch> {
    let mut admitted = Map::with_capacity(record.fields.len());
    for (key, _) in map {
        if !record.fields.iter().any(|field| field.name == *key) {
            let mismatch = Mismatch::new("unknown-field", record_fields(record), format!("field `{key}`")).under(&**key);
            return Err(match closest(key, record.fields.iter().map(|f| &*f.name)) {
                Some(best) => mismatch.hint(format!("did you mean `{best}`?")),
                None => mismatch,
            });
        }
    }
    for field in &record.fields {
        let value = match (map.get(&field.name), &field.default) {
            (Some(value), _) => field.ty.admit(value, from_data).map_err(|m| m.under(&*field.name))?,
            (None, Some(default)) => default.clone(),
            (None, None) if matches!(field.ty, Type::Optional(_)) => Value::None,
            (None, None) => {
                return Err(Mismatch::new(
                    "missing-field",
                    format!("field `{}` ({})", field.name, field.ty.describe()),
                    "a record without it",
                ));
            }
        };
        admitted.insert(field.name.clone(), value);
    }
    Ok(Value::Map(Arc::new(admitted)))
}

fn record_fields(record: &RecordType) -> String {
    let names = record.fields.iter().map(|f| &*f.name).collect::<Vec<_>>().join(", ");
    if record.name.is_empty() { format!("one of the fields {names}") } else { format!("a field of {}: {names}", record.name) }
}

fn check(value: &Value, good: bool, expected: &str) -> Result<Value, Mismatch> {
    if good { Ok(value.clone()) } else { Err(Mismatch::new("invalid-value", expected, describe_value(value))) }
}

/// Describes a value for a message; long text is cut, a secret is not shown.
fn describe_value(value: &Value) -> String {
    match value {
        Value::Secret(_) => "a secret".into(),
        Value::List(_) | Value::Map(_) | Value::Blob(_) | Value::None => value.kind().into(),
        Value::String(text) if text.chars().count() > 60 => {
            format!("the string {}", Value::string(text.chars().take(57).chain("...".chars()).collect::<String>()))
        }
        Value::String(_) => format!("the string {value}"),
        Value::Int(_) => format!("the integer {value}"),
        Value::Member(_) => format!("`{value}`"),
        _ => {
            let kind = value.kind();
            let bare = kind.strip_prefix("an ").or(kind.strip_prefix("a ")).unwrap_or(kind);
            format!("the {bare} {value}")
        }
    }
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(ty: &Type, value: Value) -> Result<String, (String, String)> {
        ty.admit(&value, false).map(|v| v.to_string()).map_err(|m| (m.code.to_owned(), m.hint.unwrap_or_default()))
    }

    fn err(code: &str, hint: &str) -> Result<String, (String, String)> {
        Err((code.into(), hint.into()))
    }

    #[test]
    fn kinds_never_convert() {
        assert_eq!(admit(&Type::STRING, Value::Int(1)), err("type-mismatch", ""));
        assert_eq!(admit(&Type::Bool, Value::string("true")), err("type-mismatch", "write it without quotes: true"));
        assert_eq!(
            admit(&Type::list(Type::STRING), Value::string("sudo")),
            err("type-mismatch", "a list is expected: put it in `[…]`")
        );
        assert_eq!(admit(&Type::list(Type::STRING), Value::Int(1)), err("type-mismatch", ""));
        assert_eq!(admit(&Type::Mode, Value::Int(644)), err("decimal-mode", "a mode is octal and starts with a zero: 0644"));
        assert_eq!(admit(&Type::Mode, Value::string("0644")), err("quoted-mode", "write it without quotes: 0644"));
        assert_eq!(admit(&Type::Float(None), Value::Int(2)), err("type-mismatch", "write it as a float: 2.0"));
    }

    #[test]
    fn paths_are_normalised_and_absolute() {
        assert_eq!(admit(&Type::Path, Value::string("/a//b/./c/")), Ok("\"/a/b/c\"".into()));
        assert_eq!(admit(&Type::Path, Value::string("//")), Ok("\"/\"".into()));
        assert_eq!(admit(&Type::Path, Value::string("a/b")), err("invalid-value", "a path starts with `/`"));
        assert_eq!(admit(&Type::Path, Value::string("/a/../b")), err("invalid-value", "write the path without `..`"));
    }

    #[test]
    fn quantities_in_quotes_are_shown_without() {
        let hint = |ty: &Type, text: &str| ty.admit(&Value::string(text), false).expect_err("a string").hint;
        assert_eq!(hint(&Type::Duration, "1h30m").as_deref(), Some("write it without quotes: 1h30m"));
        assert_eq!(hint(&Type::Duration, "30").as_deref(), Some("write it with a unit and without quotes: 30s"));
        assert_eq!(hint(&Type::Size, "10MiB").as_deref(), Some("write it without quotes: 10MiB"));
        assert_eq!(hint(&Type::Size, "big"), None);
    }

    #[test]
    fn members_are_suggested() {
        let ty = Type::choice(&["running", "stopped"]);
        assert_eq!(admit(&ty, Value::Member("runing".into())), err("unknown-member", "did you mean `running`?"));
        assert_eq!(admit(&ty, Value::string("running")), err("type-mismatch", "write the bare word: running"));
        assert_eq!(ty.admit(&Value::string("running"), true), Ok(Value::Member("running".into())));
    }

    #[test]
    fn secrets_stay_secret_and_unshown() {
        let secret = Value::string("hunter2").secret();
        assert_eq!(admit(&Type::STRING, secret.clone()), Ok("(sensitive)".into()));
        let mismatch = Type::INT.admit(&secret, false).unwrap_err();
        assert!(!format!("{mismatch:?}").contains("hunter2"));
        let mismatch = Type::Secret(Arc::new(Type::INT)).admit(&Value::string("hunter2"), false).unwrap_err();
        assert!(!format!("{mismatch:?}").contains("hunter2"));
        // What would be the way out says what is written.
        for ty in [Type::Duration, Type::Secret(Arc::new(Type::Duration))] {
            let mismatch = ty.admit(&Value::string("77s").secret(), false).unwrap_err();
            assert!(!format!("{mismatch:?}").contains("77s"), "{mismatch:?}");
        }
    }

    #[test]
    fn what_is_locked_fits_everywhere() {
        let locked = Value::Locked([7; 32]).secret();
        let pattern = Type::String(Some(Pattern::new("^x{3}$").expect("a pattern")), Span64::FULL);
        for ty in [pattern, Type::Duration, Type::Mode, Type::list(Type::INT), Type::optional(Type::Port), Type::Any] {
            assert_eq!(ty.admit(&locked, true), Ok(locked.clone()), "{ty}");
            assert_eq!(Type::Secret(Arc::new(ty)).admit(&locked, false), Ok(locked.clone()));
        }
    }

    #[test]
    fn data_text_stands_for_units() {
        assert_eq!(Type::Duration.admit(&Value::string("1h30m"), true), Ok(Value::Duration(5_400_000_000_000)));
        assert_eq!(Type::Size.admit(&Value::string("10MiB"), true), Ok(Value::Size(10 << 20)));
        assert!(Type::Size.admit(&Value::string("99999999999TiB"), true).is_err());
        assert_eq!(Type::Mode.admit(&Value::string("640"), true), Ok(Value::Mode(0o640)));
    }
}
