//! The laws of every edit, on random files: an edit made twice is the edit made once; what was added and taken away again leaves the file
//! as it was, byte for byte; and no line is touched but the part's own.

use proptest::prelude::*;
use stead_catalog::{Attributes, Value};
use stead_engine::Described;

use super::{Edits, lines::split};

/// A type's part in the laws.
pub(crate) struct Laws<'l> {
    /// Attributes of the part that is wanted.
    pub(crate) present: Attributes,
    /// Attributes that take the same part away; `None` where that is not the inverse.
    pub(crate) absent: Option<Attributes>,
    /// Says whether a line belongs to the part, so that it may go or change.
    pub(crate) is_own: &'l dyn Fn(&[u8]) -> bool,
}

/// Makes attributes of pairs, with the defaults of the type.
pub(crate) fn attributes<T: Described>(given: &[(&str, Value)]) -> Attributes {
    let mut attributes = Attributes::new();
    for attribute in &T::schema().attributes {
        let value = given.iter().find(|(name, _)| *name == &*attribute.name).map(|(_, value)| value.clone());
        if let Some(value) = value.or_else(|| attribute.default.clone()) {
            attributes.set(attribute.name.clone(), attribute.ty.admit(&value, false).expect("a value of the type"));
        }
    }
    attributes
}

/// Checks the laws of a type on one file. A file that the edit refuses has no laws to keep.
pub(crate) fn check<T: Edits + Described>(laws: &Laws<'_>, text: &[u8]) -> Result<(), TestCaseError> {
    let present = T::read(&laws.present).expect("the types are right");
    let Ok(edited) = present.edit(text) else { return Ok(()) };
    let after = edited.unwrap_or_else(|| text.to_vec());
    let again = present.edit(&after);
    prop_assert_eq!(again, Ok(None), "an edit made twice: {:?}", String::from_utf8_lossy(&after));
    untouched(text, &after, laws.is_own)?;
    let Some(absent) = &laws.absent else { return Ok(()) };
    let absent = T::read(absent).expect("the types are right");
    let Ok(without) = absent.edit(text) else { return Ok(()) };
    if without.is_none() {
        let back = absent.edit(&after).expect("what was just written can be read").unwrap_or_else(|| after.clone());
        prop_assert_eq!(String::from_utf8_lossy(&back), String::from_utf8_lossy(text), "added, then taken away");
    }
    if let Some(without) = without {
        untouched(text, &without, laws.is_own)?;
        prop_assert_eq!(absent.edit(&without), Ok(None), "taken away twice");
    }
    Ok(())
}

/// The lines that are nobody's stay, in their order.
fn untouched(before: &[u8], after: &[u8], is_own: &dyn Fn(&[u8]) -> bool) -> Result<(), TestCaseError> {
    let others = |text: &[u8]| -> Vec<String> {
        let lines = split(text).into_iter().filter(|line| !is_own(super::lines::body(line)));
        lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    prop_assert_eq!(others(before), others(after), "lines of others");
    Ok(())
}

/// A file of lines of these kinds, each with its ending.
pub(crate) fn text(of: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(of), 0..12).prop_map(|lines| lines.concat().into_bytes())
}

mod types {
    use super::*;
    use crate::resources::block::Block;
    use crate::resources::ini::Ini;
    use crate::resources::line::Line;

    fn string(text: &str) -> Value {
        Value::string(text)
    }

    fn absent() -> Value {
        Value::Member("absent".into())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_block(text in text(&["a\n", "b\n", "\n", "# BEGIN stead x\n", "# END stead x\n", "own 1\n", "# BEGIN stead y\n"])) {
            let name = ("name", string("x"));
            let path = ("path", string("/f"));
            let is_own = |line: &[u8]| line.ends_with(b"stead x") || line.starts_with(b"own") ;
            let between = |line: &[u8]| is_own(line) || line == b"a" || line == b"b" || line.is_empty() || line.ends_with(b"y");
            // What stands between the markers is the block's own, whatever it is.
            let has_block = text.windows(15).any(|part| part == b"# BEGIN stead x");
            let laws = Laws {
                present: attributes::<Block>(&[name.clone(), path.clone(), ("content", string("own 1\nown 2"))]),
                absent: Some(attributes::<Block>(&[name, path, ("state", absent())])),
                is_own: if has_block { &between } else { &is_own },
            };
            check::<Block>(&laws, &text)?;
        }

        #[test]
        fn a_line(text in text(&["a\n", "b\n", "\n", "own = 1\n", "b own\n"])) {
            let path = ("path", string("/f"));
            let laws = Laws {
                present: attributes::<Line>(&[("line", string("own = 2")), path.clone(), ("match", string("^own"))]),
                absent: Some(attributes::<Line>(&[("line", string("own")), path, ("state", absent()), ("match", string("^own"))])),
                is_own: &|line| line.starts_with(b"own"),
            };
            check::<Line>(&laws, &text)?;
        }

        #[test]
        fn a_setting(text in text(&["[s]\n", "[t]\n", "a = 1\n", "  a=2\n", "b\n", "# a = 3\n", "\n", "c = x \\\n"])) {
            let path = ("path", string("/f"));
            let part = ("section", string("s"));
            let name = ("setting", string("own"));
            let laws = Laws {
                present: attributes::<Ini>(&[path.clone(), part.clone(), name.clone(), ("value", string("8"))]),
                // A section that was added is not taken away with the setting in it.
                absent: (text.windows(4).any(|part| part == b"[s]\n") && !text.contains(&b'\\')).then(|| attributes::<Ini>(&[path.clone(), part.clone(), name, ("state", absent())])),
                is_own: &|line| line.starts_with(b"own") || line.starts_with(b"  own") || line == b"[s]" || line.is_empty(),
            };
            check::<Ini>(&laws, &text)?;
            let map = Value::map([("own".into(), Value::Int(1))]);
            let ends_blank = text.ends_with(b"\n\n") || text == b"\n";
            let laws = Laws {
                present: attributes::<Ini>(&[path.clone(), part.clone(), ("settings", map)]),
                absent: (!ends_blank).then(|| attributes::<Ini>(&[path, part, ("state", absent())])),
                is_own: if text.contains(&b'\\') { &|_| true } else { &|line| line != b"[t]" },
            };
            check::<Ini>(&laws, &text)?;
        }
    }
}
