//! One side of a change, in words.

use std::borrow::Cow;
use std::fmt::Display;

use stead_catalog::{Change, Shown, Value};

use crate::paint::Style;

/// Text that is shown as a diff of lines.
pub(crate) fn as_text(side: &Shown) -> Option<Cow<'_, str>> {
    match side {
        Shown::Text(text) => Some(Cow::Borrowed(text)),
        Shown::Value(Value::String(text)) if text.contains('\n') => Some(Cow::Borrowed(text)),
        Shown::Absent => Some(Cow::Borrowed("")),
        _ => None,
    }
}

/// Returns both sides when they are to be shown as a diff of lines.
pub(crate) fn text_sides(change: &Change) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    if is_hidden(change) || (change.before == Shown::Absent && change.after == Shown::Absent) {
        return None;
    }
    let is_text = |side: &Shown| as_text(side).is_some() && *side != Shown::Absent;
    // A one-line value on the other side is text too, once one side has lines.
    let plain = |side: &Shown| match side {
        Shown::Value(Value::String(text)) => Some(Cow::Owned(text.to_string())),
        other => as_text(other).map(|text| Cow::Owned(text.into_owned())),
    };
    if is_text(&change.before) || is_text(&change.after) { Some((plain(&change.before)?, plain(&change.after)?)) } else { None }
}

/// Says whether neither side of a change may be shown.
pub(crate) fn is_hidden(change: &Change) -> bool {
    let secret = |side: &Shown| match side {
        Shown::Sensitive => true,
        Shown::Value(value) => value.is_sensitive(),
        _ => false,
    };
    change.sensitive || secret(&change.before) || secret(&change.after)
}

/// Returns one side of a change in words, with the style that says how sure it is.
pub(crate) fn words(side: &Shown, hidden: bool) -> (Style, String) {
    match side {
        Shown::Absent => (Style::Dim, "(absent)".into()),
        Shown::Unknown(because) => (Style::Hidden, format!("(known after {because})")),
        Shown::Sensitive => (Style::Hidden, "(sensitive)".into()),
        _ if hidden => (Style::Hidden, "(sensitive)".into()),
        Shown::Value(value) => (Style::Plain, value.to_string()),
        Shown::Text(text) => (Style::Plain, Value::string(text.clone()).to_string()),
        Shown::Digest { hash, size } => (Style::Dim, format!("({}, blake3 {})", size_words(*size), short_hash(hash))),
    }
}

/// Bytes for a reader: `512 bytes`, `1.2 MiB`.
pub fn size_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return if bytes == 1 { "1 byte".into() } else { format!("{bytes} bytes") };
    }
    // The digits of a size above 2^53 do not matter at one decimal.
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut amount = bytes as f64;
    let mut unit = "";
    for name in UNITS {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = name;
    }
    format!("{amount:.1} {unit}")
}

/// The first sixteen digits tell two contents apart; JSON carries all of them.
pub(crate) fn short_hash(hash: &str) -> &str {
    hash.char_indices().nth(16).map_or(hash, |(at, _)| &hash[..at])
}

/// How many of a thing there are: `1 host`, `3 hosts`. For words whose plural ends in `s`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, word: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {word}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_300_000, "1.2 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (bytes, words) in cases {
            assert_eq!(size_words(bytes), words);
        }
    }
}
