//! Modes, durations and sizes.

use super::arguments::{any, int, invalid, overflow, string, text};
use super::{BuiltinError, Entry, plain};
use stead_catalog::{Type, Value};

const SECOND: u64 = 1_000_000_000;

pub(super) const ENTRIES: &[Entry] = &[
    plain("seconds(count: Int) -> Duration", "Returns so many seconds.", &[("seconds(90)", "1m30s")], |a| {
        duration_of(int(a, 0)?, SECOND)
    }),
    plain("minutes(count: Int) -> Duration", "Returns so many minutes.", &[("minutes(5)", "5m")], |a| {
        duration_of(int(a, 0)?, 60 * SECOND)
    }),
    plain("hours(count: Int) -> Duration", "Returns so many hours.", &[("hours(2)", "2h")], |a| {
        duration_of(int(a, 0)?, 3600 * SECOND)
    }),
    plain("days(count: Int) -> Duration", "Returns so many days of 24 hours.", &[("days(7)", "7d")], |a| {
        duration_of(int(a, 0)?, 86_400 * SECOND)
    }),
    plain("kib(count: Int) -> Size", "Returns so many times 1024 bytes.", &[("kib(4)", "4KiB")], |a| size_of(int(a, 0)?, 10)),
    plain("mib(count: Int) -> Size", "Returns so many times 1024 KiB.", &[("mib(16)", "16MiB")], |a| size_of(int(a, 0)?, 20)),
    plain("gib(count: Int) -> Size", "Returns so many times 1024 MiB.", &[("gib(2)", "2GiB")], |a| size_of(int(a, 0)?, 30)),
    plain("bytes(count: Int) -> Size", "Returns so many bytes.", &[("bytes(512)", "512B")], |a| size_of(int(a, 0)?, 0)),
    plain("Duration.as_seconds() -> Int", "Returns the whole seconds.", &[("1m30s.as_seconds()", "90")], |a| {
        Ok(whole(duration(a)? / SECOND))
    }),
    plain("Duration.as_millis() -> Int", "Returns the whole milliseconds.", &[("1s.as_millis()", "1000")], |a| {
        Ok(whole(duration(a)? / 1_000_000))
    }),
    plain("Duration.as_minutes() -> Int", "Returns the whole minutes.", &[("2h.as_minutes()", "120")], |a| {
        Ok(whole(duration(a)? / (60 * SECOND)))
    }),
    plain("Duration.as_hours() -> Int", "Returns the whole hours.", &[("1d.as_hours()", "24")], |a| {
        Ok(whole(duration(a)? / (3600 * SECOND)))
    }),
    plain("Duration.as_days() -> Int", "Returns the whole days of 24 hours.", &[("1w.as_days()", "7")], |a| {
        Ok(whole(duration(a)? / (86_400 * SECOND)))
    }),
    plain("Duration.times(factor: Int) -> Duration", "Returns so many times as long.", &[("30s.times(3)", "1m30s")], |a| {
        let factor = u64::try_from(int(a, 1)?).map_err(|_| invalid(1, "a duration is not negative"))?;
        duration(a)?.checked_mul(factor).map(Value::Duration).ok_or_else(|| overflow("the duration is too long"))
    }),
    plain("Size.as_bytes() -> Int", "Returns the bytes.", &[("1KiB.as_bytes()", "1024")], |a| Ok(whole(size(a)?))),
    plain("Size.as_kib() -> Int", "Returns the whole KiB.", &[("1MiB.as_kib()", "1024")], |a| Ok(whole(size(a)? >> 10))),
    plain("Size.as_mib() -> Int", "Returns the whole MiB.", &[("1GiB.as_mib()", "1024")], |a| Ok(whole(size(a)? >> 20))),
    plain("Size.as_gib() -> Int", "Returns the whole GiB.", &[("1TiB.as_gib()", "1024")], |a| Ok(whole(size(a)? >> 30))),
    plain("Size.times(factor: Int) -> Size", "Returns so many times as much.", &[("1MiB.times(3)", "3MiB")], |a| {
        let factor = u64::try_from(int(a, 1)?).map_err(|_| invalid(1, "a size is not negative"))?;
        size(a)?.checked_mul(factor).map(Value::Size).ok_or_else(|| overflow("the size is too large"))
    }),
    plain(
        "Size.percent(share: Int) -> Size",
        "Returns a share in hundredths, rounded down: for memory limits.",
        &[("4GiB.percent(25)", "1GiB")],
        |a| {
            let share = u128::try_from(int(a, 1)?).map_err(|_| invalid(1, "a share is not negative"))?;
            let bytes = u128::from(size(a)?) * share / 100;
            u64::try_from(bytes).map(Value::Size).map_err(|_| overflow("the size is too large"))
        },
    ),
    plain(
        "Mode.symbolic() -> String",
        "Writes the permissions as `ls` does, without the file type.",
        &[("0754.symbolic()", "\"rwxr-xr--\"")],
        |a| {
            let mode = mode(a)?;
            let mut out = String::with_capacity(9);
            for (shift, special, on, off) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
                let bits = mode >> shift;
                out.push(if bits & 4 != 0 { 'r' } else { '-' });
                out.push(if bits & 2 != 0 { 'w' } else { '-' });
                out.push(match (mode & special != 0, bits & 1 != 0) {
                    (true, true) => on,
                    (true, false) => off,
                    (false, true) => 'x',
                    (false, false) => '-',
                });
            }
            string(out)
        },
    ),
    plain("Mode.add(bits: Mode) -> Mode", "Adds permissions.", &[("0640.add(0044)", "0644")], |a| {
        Ok(Value::Mode(mode(a)? | mode(&a[1..])?))
    }),
    plain("Mode.remove(bits: Mode) -> Mode", "Takes permissions away.", &[("0664.remove(0022)", "0644")], |a| {
        Ok(Value::Mode(mode(a)? & !mode(&a[1..])?))
    }),
    plain(
        "Mode.for_directory() -> Mode",
        "Adds the right to enter wherever there is one to read.",
        &[("0640.for_directory()", "0750")],
        |a| {
            let mode = mode(a)?;
            Ok(Value::Mode(mode | ((mode & 0o444) >> 2)))
        },
    ),
    plain("String.to_mode() -> Mode", "Reads octal permissions.", &[("\"0644\".to_mode()", "0644")], |a| {
        read(text(a, 0)?, &Type::Mode)
    }),
    plain("String.to_duration() -> Duration", "Reads a duration with units.", &[("\"1h30m\".to_duration()", "1h30m")], |a| {
        read(text(a, 0)?, &Type::Duration)
    }),
    plain("String.to_size() -> Size", "Reads a size with a unit.", &[("\"10MiB\".to_size()", "10MiB")], |a| {
        read(text(a, 0)?, &Type::Size)
    }),
];

fn read(text: &str, ty: &Type) -> Result<Value, BuiltinError> {
    ty.admit(&Value::string(text.trim()), true)
        .map_err(|mismatch| invalid(0, format!("found {}, expected {}", mismatch.found, mismatch.expected)))
}

fn duration(args: &[Value]) -> Result<u64, BuiltinError> {
    match any(args, 0).reveal() {
        Value::Duration(nanos) => Ok(*nanos),
        other => Err(invalid(0, format!("found {}, expected a duration", other.kind()))),
    }
}

fn size(args: &[Value]) -> Result<u64, BuiltinError> {
    match any(args, 0).reveal() {
        Value::Size(bytes) => Ok(*bytes),
        other => Err(invalid(0, format!("found {}, expected a size", other.kind()))),
    }
}

fn mode(args: &[Value]) -> Result<u32, BuiltinError> {
    match any(args, 0).reveal() {
        Value::Mode(bits) => Ok(*bits),
        other => Err(invalid(0, format!("found {}, expected a mode", other.kind()))),
    }
}

fn duration_of(count: i64, unit: u64) -> Result<Value, BuiltinError> {
    let count = u64::try_from(count).map_err(|_| invalid(0, "a duration is not negative"))?;
    count.checked_mul(unit).map(Value::Duration).ok_or_else(|| overflow("the duration is too long"))
}

fn size_of(count: i64, shift: u32) -> Result<Value, BuiltinError> {
    let count = u64::try_from(count).map_err(|_| invalid(0, "a size is not negative"))?;
    count.checked_mul(1 << shift).map(Value::Size).ok_or_else(|| overflow("the size is too large"))
}

/// Returns a number that may be past 63 bits as the largest integer.
fn whole(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
