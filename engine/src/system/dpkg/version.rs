//! Debian's order of versions (deb-version(7)) and patterns over them.

use std::cmp::Ordering;

use crate::glob;

/// Compares two versions by Debian's rules: epoch, upstream version, revision.
///
/// ```
/// use std::cmp::Ordering;
/// use stead_engine::system::dpkg::compare_versions;
/// assert_eq!(compare_versions("1.0~rc1-1", "1.0-1"), Ordering::Less);
/// ```
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Says whether a version is what a pattern asks for: all of it, with `*` for any text and `?` for any character.
/// A pattern without an epoch also matches behind one: `1.22.*` matches `1:1.22.1-9`.
pub fn matches_version(pattern: &str, version: &str) -> bool {
    let behind_epoch = version.split_once(':').filter(|_| !pattern.contains(':')).map(|(_, rest)| rest);
    let holds = |version: &str| glob::matches(pattern.as_bytes(), version.as_bytes());
    holds(version) || behind_epoch.is_some_and(holds)
}

/// Epoch, upstream version, revision. A missing epoch is 0, a missing revision is empty, which sorts as `0` does.
fn split(version: &str) -> (u64, &[u8], &[u8]) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.trim().parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream.as_bytes(), revision.as_bytes())
}

/// The weight of a character that is no digit: `~` before the end, the end before letters, letters before the rest.
fn weight(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    }
}

/// Runs of other characters and runs of digits in turn, as dpkg's own `verrevcmp` does.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let is_text = |part: &[u8]| part.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !a.is_empty() || !b.is_empty() {
        while is_text(a) || is_text(b) {
            let order = weight(a.first().copied()).cmp(&weight(b.first().copied()));
            if order.is_ne() {
                return order;
            }
            (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
        }
        let (left, right) = (digits(&mut a), digits(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the digits off the front and returns them without leading zeros.
fn digits<'a>(part: &mut &'a [u8]) -> &'a [u8] {
    let end = part.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(part.len());
    let (run, rest) = part.split_at(end);
    *part = rest;
    let zeros = run.iter().position(|byte| *byte != b'0').unwrap_or(run.len());
    &run[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        for (a, order, b) in [
            ("1.0", Ordering::Equal, "1.0"),
            ("1.0", Ordering::Equal, "0:1.0"),
            ("1.0", Ordering::Equal, "1.0-0"),
            ("1.0", Ordering::Equal, "1.00"),
            ("1.0-1", Ordering::Greater, "1.0"),
            ("1.9", Ordering::Less, "1.10"),
            ("1:0.1", Ordering::Greater, "99"),
            ("1.0~rc1", Ordering::Less, "1.0"),
            ("1.0~~", Ordering::Less, "1.0~"),
            ("1.0~~a", Ordering::Less, "1.0~"),
            ("1.0a", Ordering::Greater, "1.0"),
            ("1.0+b1", Ordering::Greater, "1.0a"),
            ("1.0+deb12u1", Ordering::Less, "1.0+deb12u2"),
            ("1.22.1-9+deb12u11", Ordering::Greater, "1.22.1-9+deb12u9"),
            ("2.2.4-4+b4", Ordering::Greater, "2.2.4-4"),
            ("1-2-3", Ordering::Less, "1-2-4"),
            ("99999999999999999999999999", Ordering::Less, "100000000000000000000000000"),
            ("", Ordering::Equal, "0"),
        ] {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
            assert_eq!(compare_versions(b, a), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn a_pattern_covers_the_whole_version() {
        for (pattern, version, matches) in [
            ("1.22.*", "1.22.1-9", true),
            ("1.22.*", "1:1.22.1-9", true),
            ("1:1.22.*", "1.22.1-9", false),
            ("1.22", "1.22.1-9", false),
            ("1.22.1-9", "1.22.1-9", true),
            ("*", "", true),
            ("1.?", "1.2", true),
            ("1.?", "1.22", false),
            ("*9*1", "1.22.1-9+deb12u1", true),
        ] {
            assert_eq!(matches_version(pattern, version), matches, "{pattern} {version}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_one(a in "[0-9]{0,2}:?[0-9a-z.+~-]{0,8}", b in "[0-9a-z.+~-]{0,8}", c in "[0-9a-z.+~-]{0,8}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
            prop_assert!(compare_versions(&a, &a).is_eq());
        }
    }
}
