//! Methods of integers and floats, and reading them.

use super::arguments::{Outcome, any, float, int, int_or, invalid, is_given, overflow, string, text};
use super::{BuiltinError, Entry, plain};
use crate::builtins::order::compare;
use stead_catalog::{Value, closest};

pub(super) const ENTRIES: &[Entry] = &[
    plain("Int.abs() -> Int", "Returns the distance from 0.", &[("(-3).abs()", "3")], |a| {
        int(a, 0)?.checked_abs().map(Value::Int).ok_or_else(|| overflow("the result is too large"))
    }),
    plain("Float.abs() -> Float", "Returns the distance from 0.", &[("(-1.5).abs()", "1.5")], |a| {
        Ok(Value::Float(float(a, 0)?.abs()))
    }),
    plain(
        "Int.clamp(low: Int, high: Int) -> Int",
        "Returns the nearest number in the range.",
        &[("99.clamp(1, 64)", "64")],
        |a| {
            let (n, low, high) = (int(a, 0)?, int(a, 1)?, int(a, 2)?);
            if low > high {
                Err(invalid(1, format!("the range {low}..={high} is empty")))
            } else {
                Ok(Value::Int(n.clamp(low, high)))
            }
        },
    ),
    plain(
        "Float.clamp(low: Float, high: Float) -> Float",
        "Returns the nearest number in the range.",
        &[("1.5.clamp(0.0, 1.0)", "1.0")],
        |a| {
            let (n, low, high) = (float(a, 0)?, float(a, 1)?, float(a, 2)?);
            if low > high {
                Err(invalid(1, format!("the range {low:?}..={high:?} is empty")))
            } else {
                Ok(Value::Float(n.max(low).min(high)))
            }
        },
    ),
    plain("Int.pow(exponent: Int) -> Int", "Raises to a power from 0.", &[("2.pow(10)", "1024")], |a| {
        let exponent = u32::try_from(int(a, 1)?).map_err(|_| invalid(1, "the exponent is out of range"))?;
        int(a, 0)?.checked_pow(exponent).map(Value::Int).ok_or_else(|| overflow("the result is too large"))
    }),
    plain("Int.div_ceil(divisor: Int) -> Int", "Divides and rounds up.", &[("10.div_ceil(4)", "3")], |a| {
        let (n, divisor) = (int(a, 0)?, int(a, 1)?);
        if divisor == 0 {
            return Err(invalid(1, "division by zero"));
        }
        let quotient = n.checked_div(divisor).ok_or_else(|| overflow("the result is too large"))?;
        let up = n % divisor != 0 && (n < 0) == (divisor < 0);
        Ok(Value::Int(quotient + i64::from(up)))
    }),
    plain("Int.is_even() -> Bool", "Says whether 2 divides it.", &[("4.is_even()", "true")], |a| {
        Ok(Value::Bool(int(a, 0)? % 2 == 0))
    }),
    plain("Int.to_float() -> Float", "Returns the nearest float.", &[("2.to_float()", "2.0")], |a| {
        Ok(Value::Float(int(a, 0)? as f64))
    }),
    plain("Int.to_hex() -> String", "Writes a number from 0 in base 16.", &[("255.to_hex()", "\"ff\"")], |a| {
        let n = int(a, 0)?;
        if n < 0 { Err(invalid(0, "a negative number has no such form")) } else { string(format!("{n:x}")) }
    }),
    plain("Int.to_octal() -> String", "Writes a number from 0 in base 8.", &[("8.to_octal()", "\"10\"")], |a| {
        let n = int(a, 0)?;
        if n < 0 { Err(invalid(0, "a negative number has no such form")) } else { string(format!("{n:o}")) }
    }),
    plain(
        "Int.pad(width: Int) -> String",
        "Writes the number with zeros in front, `width` digits in all.",
        &[("7.pad(3)", "\"007\"")],
        |a| {
            let width = super::arguments::count(a, 1)?;
            super::arguments::fits(width, 1000, "digits")?;
            string(format!("{:0width$}", int(a, 0)?))
        },
    ),
    plain("Float.floor() -> Int", "Rounds down.", &[("1.9.floor()", "1")], |a| to_int(float(a, 0)?.floor())),
    plain("Float.ceil() -> Int", "Rounds up.", &[("1.1.ceil()", "2")], |a| to_int(float(a, 0)?.ceil())),
    plain("Float.round() -> Int", "Rounds to the nearest integer, halves away from 0.", &[("1.5.round()", "2")], |a| {
        to_int(float(a, 0)?.round())
    }),
    plain("Float.truncate() -> Int", "Cuts off what follows the point.", &[("(-1.9).truncate()", "-1")], |a| {
        to_int(float(a, 0)?.trunc())
    }),
    plain(
        "Float.round_to(digits: Int) -> Float",
        "Rounds to so many digits after the point.",
        &[("3.14159.round_to(2)", "3.14")],
        |a| {
            let digits = int(a, 1)?;
            if !(0..=15).contains(&digits) {
                return Err(invalid(1, format!("found {digits}, expected a number from 0 to 15")));
            }
            let digits = usize::try_from(digits).unwrap_or(0);
            format!("{:.digits$}", float(a, 0)?).parse().map(Value::Float).map_err(|_| overflow("the result is not a number"))
        },
    ),
    plain(
        "Float.to_fixed(digits: Int) -> String",
        "Writes the number with so many digits after the point.",
        &[("1.5.to_fixed(2)", "\"1.50\"")],
        |a| {
            let digits = super::arguments::count(a, 1)?;
            super::arguments::fits(digits, 100, "digits")?;
            string(format!("{:.digits$}", float(a, 0)?))
        },
    ),
    plain("Bool.to_int() -> Int", "Returns 1 for true and 0 for false.", &[("true.to_int()", "1")], |a| match any(a, 0) {
        Value::Bool(yes) => Ok(Value::Int(i64::from(*yes))),
        other => Err(invalid(0, format!("found {}, expected a bool", other.kind()))),
    }),
    plain(
        "Bool.choose(yes: T, no: T) -> T",
        "Returns the first value for true, the second for false.",
        &[("true.choose(\"on\", \"off\")", "\"on\"")],
        |a| match any(a, 0) {
            Value::Bool(yes) => Ok(any(a, if *yes { 1 } else { 2 }).clone()),
            other => Err(invalid(0, format!("found {}, expected a bool", other.kind()))),
        },
    ),
    plain(
        "String.to_int(base?: Int) -> Int",
        "Reads an integer, in base 10 or the one given.",
        &[("\"42\".to_int()", "42"), ("\"ff\".to_int(16)", "255")],
        |a| {
            let (text, base) = (text(a, 0)?, int_or(a, 1, 10)?);
            let base = u32::try_from(base)
                .ok()
                .filter(|base| (2..=36).contains(base))
                .ok_or_else(|| invalid(1, "a base is from 2 to 36"))?;
            i64::from_str_radix(text.trim(), base)
                .map(Value::Int)
                .map_err(|_| invalid(0, format!("{} is not an integer", Value::string(text))))
        },
    ),
    plain("String.to_float() -> Float", "Reads a float.", &[("\"1.5\".to_float()", "1.5")], |a| {
        let text = text(a, 0)?;
        let number = text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
        number.map(Value::Float).ok_or_else(|| invalid(0, format!("{} is not a number", Value::string(text))))
    }),
    plain("min(a: T, b: T) -> T", "Returns the smaller of two values of one kind.", &[("min(3, 2)", "2")], |a| {
        Ok(if compare(any(a, 1), any(a, 0))?.is_lt() { any(a, 1) } else { any(a, 0) }.clone())
    }),
    plain(
        "max(a: T, b: T) -> T",
        "Returns the larger of two values of one kind.",
        &[("max(3, 2)", "3"), ("max(1s, 2s)", "2s")],
        |a| Ok(if compare(any(a, 1), any(a, 0))?.is_gt() { any(a, 1) } else { any(a, 0) }.clone()),
    ),
    plain(
        "stable_number(seed: String, below: Int) -> Int",
        "Returns a number from 0 to before `below` that looks random but is always the same for a seed: for times that spread over nodes.",
        &[("stable_number(\"web-1\", 60)", "12")],
        |a| {
            let below = u64::try_from(int(a, 1)?).ok().filter(|n| *n > 0).ok_or_else(|| invalid(1, "`below` is at least 1"))?;
            let hash = blake3::hash(text(a, 0)?.as_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&hash.as_bytes()[..8]);
            Ok(Value::Int(i64::try_from(u64::from_le_bytes(first) % below).unwrap_or(0)))
        },
    ),
    plain(
        "one_of(value: String, allowed: List<String>) -> String",
        "Returns the value when it is one of the list; otherwise it is an error that names the nearest.",
        &[("one_of(\"a\", [\"a\", \"b\"])", "\"a\"")],
        |a| {
            let (value, allowed) = (text(a, 0)?, super::arguments::texts(a, 1)?);
            if allowed.contains(&value) {
                return string(value);
            }
            let hint = closest(value, allowed.iter().copied()).map(|best| format!("did you mean `{best}`?"));
            Err(BuiltinError { hint, ..invalid(0, format!("found `{value}`, expected one of {}", allowed.join(", "))) })
        },
    ),
    plain(
        "fail(message: String) -> Any",
        "Stops compiling with the message: for what types cannot say.",
        &[("if true { 1 } else { fail(\"no port left\") }", "1")],
        |a| {
            Err(BuiltinError {
                code: "explicit-failure",
                message: text(a, 0)?.to_owned(),
                hint: None,
                argument: if is_given(a, 1) { Some(1) } else { None },
            })
        },
    ),
];

fn to_int(x: f64) -> Outcome {
    // Every float in this range is an integer of 64 bits; the upper end itself is not.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
        Ok(Value::Int(x as i64))
    } else {
        Err(overflow("the number does not fit into 64 bits"))
    }
}
