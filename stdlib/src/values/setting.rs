//! A value that is written into somebody's configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Type, Value};

use super::AttributeType;

/// A text, a number or another single value, for a setting whose type only its program knows.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// A text.
    Text(Arc<str>),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A length of time.
    Duration(Duration),
    /// A number of bytes.
    Size(u64),
    /// Permission bits.
    Mode(u32),
}

/// As most programs read it: `true`, bytes as a number, permission bits in octal, a length of time in the units of systemd.time(7).
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Duration(length) => f.write_str(&span(*length)),
            Self::Size(bytes) => write!(f, "{bytes}"),
            Self::Mode(bits) => write!(f, "{bits:04o}"),
        }
    }
}

/// A length of time in the largest unit that it is a whole number of: `90s`, `2h`, `1500ms`.
pub(crate) fn span(length: Duration) -> String {
    let nanos = length.as_nanos();
    let units: [(u128, &str); 6] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    let unit = units.iter().find(|(unit, _)| nanos > 0 && nanos.is_multiple_of(*unit));
    match unit {
        Some((unit, word)) => format!("{}{word}", nanos / unit),
        None => format!("{}us", nanos / 1_000),
    }
}

impl AttributeType for SettingValue {
    fn ty() -> Type {
        Type::Union(Arc::new(vec![Type::STRING, Type::INT, Type::Bool, Type::Duration, Type::Size, Type::Mode]))
    }
    fn from_value(value: &Value) -> Option<Self> {
        Some(match value.reveal() {
            Value::String(text) => Self::Text(text.clone()),
            Value::Int(number) => Self::Int(*number),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Duration(nanos) => Self::Duration(Duration::from_nanos(*nanos)),
            Value::Size(bytes) => Self::Size(*bytes),
            Value::Mode(bits) => Self::Mode(*bits),
            _ => return None,
        })
    }
    fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Int(number) => Value::Int(*number),
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Duration(length) => Value::Duration(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
            Self::Size(bytes) => Value::Size(*bytes),
            Self::Mode(bits) => Value::Mode(*bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_programs_read_them() {
        let shown = |scalar: SettingValue| scalar.to_string();
        assert_eq!(shown(SettingValue::Duration(Duration::from_secs(90))), "90s");
        assert_eq!(shown(SettingValue::Duration(Duration::from_secs(7200))), "2h");
        assert_eq!(shown(SettingValue::Duration(Duration::from_millis(1500))), "1500ms");
        assert_eq!(shown(SettingValue::Duration(Duration::ZERO)), "0us");
        assert_eq!(shown(SettingValue::Mode(0o27)), "0027");
        assert_eq!(shown(SettingValue::Bool(true)), "true");
    }
}
