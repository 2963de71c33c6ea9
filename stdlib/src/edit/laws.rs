//! The laws of every edit, on random files: an edit made twice is the edit made once; what was added and taken away again leaves the file
//! as it was, byte for byte; and no line is touched but the part's own.

use proptest::prelude::*;
use stead_catalog::{Attributes, Value};
use stead_engine::Described;

use super::{Edited, Edits, lines::split};

/// An edit.
pub(crate) type Edit<'e> = &'e dyn Fn(&[u8]) -> Edited;

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
    let absent = laws.absent.as_ref().map(|absent| T::read(absent).expect("the types are right"));
    let absent = absent.as_ref().map(|absent| |text: &[u8]| absent.edit(text));
    let absent = absent.as_ref().map(|edit| edit as Edit<'_>);
    check_edits(&|text| present.edit(text), absent, laws.is_own, text)
}

/// Checks the laws of two edits that undo each other, or of one.
pub(crate) fn check_edits(
    present: Edit<'_>,
    absent: Option<Edit<'_>>,
    is_own: &dyn Fn(&[u8]) -> bool,
    text: &[u8],
) -> Result<(), TestCaseError> {
    let Ok(edited) = present(text) else { return Ok(()) };
    let after = edited.unwrap_or_else(|| text.to_vec());
    prop_assert_eq!(present(&after), Ok(None), "an edit made twice: {:?}", String::from_utf8_lossy(&after));
    untouched(text, &after, is_own)?;
    let Some(absent) = absent else { return Ok(()) };
    match absent(text) {
        Err(_) => {}
        Ok(None) => {
            let back = absent(&after).expect("what was just written can be read").unwrap_or_else(|| after.clone());
            prop_assert_eq!(String::from_utf8_lossy(&back), String::from_utf8_lossy(text), "added, then taken away");
        }
        Ok(Some(without)) => {
            untouched(text, &without, is_own)?;
            prop_assert_eq!(absent(&without), Ok(None), "taken away twice");
        }
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
    use crate::resources::authorized_key::AuthorizedKey;
    use crate::resources::block::Block;
    use crate::resources::cron::Cron;
    use crate::resources::environment::Environment;
    use crate::resources::host::Host;
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

        #[test]
        fn a_key(text in text(&["# keys\n", "\n", "junk\n", BOB, OWN, "no-pty ", "command=\"a b\" "])) {
            let key = [("name", string("own")), ("user", string("root")), ("key", string(OWN.trim_end()))];
            let present = AuthorizedKey::read(&attributes::<AuthorizedKey>(&key)).expect("the types are right");
            let gone: Vec<_> = key.into_iter().chain([("state", absent())]).collect();
            let gone = AuthorizedKey::read(&attributes::<AuthorizedKey>(&gone)).expect("the types are right");
            let is_own = |line: &[u8]| line.windows(10).any(|part| part == b"DtgOBuGRye");
            let ends = text.is_empty() || text.ends_with(b"\n");
            let absent: Edit<'_> = &|text| gone.edit(text);
            if ends {
                check_edits(&|text| present.edit(text), Some(absent), &is_own, &text)?;
            }
        }

        #[test]
        fn a_job(text in text(&["# mine\n", "\n", "MAILTO=x\n", "0 1 * * * a\n", "# stead: own\n", "#Ansible: own\n", "1 1 * * * own\n", "@daily b\n", "# 2 2 * * * own\n"])) {
            let job = [("name", string("own")), ("command", string("own")), ("at", string("1 1 * * *"))];
            let present = Cron::read(&attributes::<Cron>(&job)).expect("the types are right");
            let gone = Cron::read(&attributes::<Cron>(&[("name", string("own")), ("state", absent())])).expect("the types are right");
            // An entry that has a name has the variables and the job below it.
            let has_name = text.windows(4).any(|part| part == b": ow");
            let is_own = |line: &[u8]| line.ends_with(b"own") || (has_name && (line.ends_with(b"* a") || line.ends_with(b" b") || line == b"MAILTO=x"));
            let absent: Edit<'_> = &|text| gone.edit(text);
            let has_job = text.windows(13).any(|part| part == b"1 1 * * * own");
            check_edits(&|text| present.edit(text), (!has_job).then_some(absent), &is_own, &text)?;
        }

        #[test]
        fn a_host(text in text(&["127.0.0.1 localhost\n", "# hosts\n", "\n", "10.0.0.1 own\n", "10.0.0.2\tother own # x\n", "::1 own\n", "10.0.0.1 other\n"])) {
            let name = ("name", string("own"));
            let laws = Laws {
                present: attributes::<Host>(&[name.clone(), ("ip", Value::list([string("10.0.0.1")])), ("aliases", Value::list([string("alias")]))]),
                absent: Some(attributes::<Host>(&[name, ("aliases", Value::list([string("alias")])), ("state", absent())])),
                is_own: &|line| line.windows(3).any(|part| part == b"own") || line.starts_with(b"10.0.0.2"),
            };
            check::<Host>(&laws, &text)?;
        }

        #[test]
        fn a_variable(text in text(&["A=1\n", "# OWN=2\n", "\n", "OWN=2\n", "export OWN=3\n", "OWNER=x\n", "OWN=\"a b\"\n"]), is_script in any::<bool>()) {
            let path = string(if is_script { "/f.sh" } else { "/f" });
            let part = [("name", string("OWN")), ("path", path)];
            let present: Vec<_> = part.iter().cloned().chain([("value", string("a b"))]).collect();
            let gone: Vec<_> = part.into_iter().chain([("state", absent())]).collect();
            let laws = Laws {
                present: attributes::<Environment>(&present),
                absent: Some(attributes::<Environment>(&gone)),
                is_own: &|line| line.starts_with(b"OWN=") || line.starts_with(b"export OWN="),
            };
            check::<Environment>(&laws, &text)?;
        }
    }

    const OWN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm own\n";
    const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIhTyG0NnkqAyE8pKW1KCg2GcHyfJf8sJkN1Pd3jDRgv bob\n";
}
