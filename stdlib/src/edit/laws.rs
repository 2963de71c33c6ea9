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
    use crate::resources::json::Json;
    use crate::resources::known_host::KnownHost;
    use crate::resources::limits::Limits;
    use crate::resources::line::Line;
    use crate::resources::toml::Toml;
    use crate::resources::yaml::Yaml;

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
            let absent: Edit<'_> = &|text| gone.edit(text, &|_| false);
            let has_job = text.windows(13).any(|part| part == b"1 1 * * * own");
            // A blank line sets the first entry off from the head, which a file of blank lines has already.
            prop_assume!(text.is_empty() || !text.iter().all(u8::is_ascii_whitespace));
            let is_own = |line: &[u8]| line.is_empty() || is_own(line);
            check_edits(&|text| present.edit(text, &|_| false), (!has_job).then_some(absent), &is_own, &text)?;
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

        #[test]
        fn a_limit(text in text(&["own hard nofile 1\n", "own - nofile 9\n", "# own\n", "\n", "@own soft core 0\n", "own\thard\tnofile\t5 # x\n"])) {
            let domain = ("domain", string("own"));
            let limits = ("hard", Value::map([("nofile".into(), Value::Int(5))]));
            let path = ("path", string("/f"));
            let laws = Laws {
                present: attributes::<Limits>(&[domain.clone(), limits.clone(), path.clone()]),
                absent: Some(attributes::<Limits>(&[domain, limits, path, ("state", absent())])),
                is_own: &|line| line.starts_with(b"own hard") || line.starts_with(b"own\thard"),
            };
            check::<Limits>(&laws, &text)?;
        }

        #[test]
        fn a_known_host(
            text in text(&["own ssh-rsa AAAA\n", "other,own ssh-ed25519 BBBB x\n", "# own\n", "\n", "other ssh-rsa AAAA\n", "@revoked own ssh-rsa AAAA\n", "junk\n"]),
            hash in any::<bool>(),
        ) {
            let host = [("host", string("own")), ("aliases", Value::list([string("10.0.0.7")]))];
            let key = string(OWN.trim_end().trim_end_matches(" own"));
            let present: Vec<_> = host.iter().cloned().chain([("key", key), ("hash", Value::Bool(hash))]).collect();
            let gone: Vec<_> = host.into_iter().chain([("state", absent())]).collect();
            let present = KnownHost::read(&attributes::<KnownHost>(&present)).expect("the types are right");
            let gone = KnownHost::read(&attributes::<KnownHost>(&gone)).expect("the types are right");
            let is_own = |line: &[u8]| line.starts_with(b"own") || line.starts_with(b"|1|") || line.ends_with(b"BBBB x");
            let absent: Edit<'_> = &|text| gone.edit(text);
            check_edits(&|text| present.edit(text), Some(absent), &is_own, &text)?;
        }

        #[test]
        fn a_setting_of_json(value in tree(), text in json_text(), key in prop::sample::select(&["a", "b", "own", "x y"][..])) {
            tree_laws::<Json>(&text, key, value)?;
        }

        #[test]
        fn a_setting_of_yaml(value in tree(), text in yaml_text(), key in prop::sample::select(&["a", "b", "own", "x y"][..])) {
            tree_laws::<Yaml>(&text, key, value)?;
        }

        #[test]
        fn a_setting_of_toml(value in tree(), text in toml_text(), key in prop::sample::select(&["a", "b", "own", "x y"][..])) {
            tree_laws::<Toml>(&text, key, value)?;
        }
    }

    /// Values of settings: plain ones, lists and maps of them, and text that would be read as something else.
    fn tree() -> impl Strategy<Value = Value> {
        let text = prop::sample::select(
            &["x", "no", "1.10", "", " a ", "a: b", "# c", "é\u{1f600}", "one\ntwo\n", "it's", "-", "\"q\"", "0755"][..],
        );
        let leaf = prop_oneof![text.prop_map(string), any::<i64>().prop_map(Value::Int), any::<bool>().prop_map(Value::Bool)];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let keys = prop::sample::select(&["a", "b", "c", "d e", "yes"][..]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
                prop::collection::btree_map(keys, inner, 0..4)
                    .prop_map(|map| Value::map(map.into_iter().map(|(key, value)| (key.into(), value)))),
            ]
        })
    }

    fn json_text() -> impl Strategy<Value = String> {
        tree().prop_map(|value| {
            let value = serde_json::json!({ "a": crate::edit::tree::data(&value), "z": [1, { "k": null }] });
            format!("{}\n", serde_json::to_string_pretty(&value).expect("it is data"))
        })
    }

    fn yaml_text() -> impl Strategy<Value = String> {
        let part = prop::sample::select(
            &[
                "a: 1 # one\n",
                "b:\n  c: 'x'\n  # deep\n  d: [1, \"two\"]\n",
                "list:\n- a\n-   b # two\n",
                "# remark\n",
                "\n",
                "m: {k: v}\n",
                "t: |\n  some\n\n  text\n",
                "jobs:\n  - name: x\n    run:\n      - y\n  - name: z\n",
                "e:\n",
                "own: &n old\n",
                "f: >-\n  folded\n",
            ][..],
        );
        prop::collection::vec(part, 0..8).prop_map(|parts| {
            // A key stands in a map once.
            let mut seen = Vec::new();
            parts
                .into_iter()
                .filter(|part| {
                    part.starts_with(['#', '\n'])
                        || !seen.contains(part) && {
                            seen.push(part);
                            true
                        }
                })
                .collect()
        })
    }

    fn toml_text() -> impl Strategy<Value = String> {
        let top =
            prop::sample::select(&["a = 1 # one\n", "# remark\n", "\n", "l = [\n  1, # x\n  2,\n]\n", "i = { k = 'v' }\n"][..]);
        let table = prop::sample::select(
            &["[b]\nc = \"x\"\n", "\n# of t\n[t]\n[t.u]\nv = 1979-05-27\n", "[[j]]\nn = 1\n\n[[j]]\nn = 2\n"][..],
        );
        (prop::collection::vec(top, 0..5), prop::collection::vec(table, 0..3)).prop_map(|(top, tables)| {
            let mut seen = Vec::new();
            top.into_iter()
                .chain(tables)
                .filter(|part| {
                    part.starts_with(['#', '\n']) && part.len() < 10
                        || !seen.contains(part) && {
                            seen.push(part);
                            true
                        }
                })
                .collect()
        })
    }

    /// A setting is made once; every comment stays; and one that was added goes without a trace in the data.
    fn tree_laws<T: Edits + Described>(text: &str, key: &str, value: Value) -> Result<(), TestCaseError> {
        let path = ("path", string("/f"));
        let has_null = format!("{value:?}").contains("None");
        prop_assume!(!has_null);
        let at = Value::list([string(key)]);
        let set = T::read(&attributes::<T>(&[path.clone(), ("at", at.clone()), ("value", value)])).expect("the types are right");
        let gone = T::read(&attributes::<T>(&[path, ("at", at), ("state", absent())])).expect("the types are right");
        let edited = match set.edit(text.as_bytes()) {
            Ok(edited) => edited.unwrap_or_else(|| text.into()),
            // Only what an anchor names may be refused.
            Err(flaw) => {
                prop_assert!(flaw.code == "malformed-file" || text.contains('&'), "{:?} of {:?}", flaw, text);
                return Ok(());
            }
        };
        let shown = String::from_utf8_lossy(&edited).into_owned();
        prop_assert_eq!(set.edit(&edited), Ok(None), "an edit made twice: {}", shown);
        for remark in text.lines().filter(|line| line.starts_with('#')) {
            prop_assert!(shown.contains(remark), "{} is lost: {}", remark, shown);
        }
        let without = match gone.edit(&edited) {
            Ok(without) => without.unwrap_or(edited),
            Err(flaw) => return Err(TestCaseError::fail(format!("{flaw:?} of {shown}"))),
        };
        prop_assert_eq!(gone.edit(&without), Ok(None), "taken away twice");
        if gone.edit(text.as_bytes()) == Ok(None) {
            // Blank lines that set it off may stay.
            let significant =
                |text: &[u8]| String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ").replace("{}", "");
            prop_assert_eq!(
                significant(&without).trim().to_owned(),
                significant(text.as_bytes()).trim().to_owned(),
                "added, then taken away"
            );
        }
        Ok(())
    }

    const OWN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm own\n";
    const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIhTyG0NnkqAyE8pKW1KCg2GcHyfJf8sJkN1Pd3jDRgv bob\n";
}
