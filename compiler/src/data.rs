//! What the operator provides: data files, their hierarchy, and binding them to types.
//!
//! A file is read into a tree of [`Node`]s that keep their file and span (`yaml`, `toml`, `json`). [`DataSet`] holds the trees
//! of a project; [`DataSet::merged`] lays those of one node's levels over one another. Values get their types when they are bound
//! to a parameter ([`Node::bind`]); what does not fit is reported where it stands in the data file.

mod bind;
mod hierarchy;
mod json;
mod merge;
mod node;
mod scalar;
mod toml;
mod yaml;

use std::sync::Arc;

pub use self::hierarchy::{Hierarchy, Level, Pattern, PatternError};
pub use self::merge::{MergeRules, Strategy};
pub use self::node::{Entry, Kind, Node, Place, Step, StepKind};

use stead_grammar::ast::Span;

use crate::Diagnostic;
use crate::position::offset_u32;

/// Largest data file, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// Deepest nesting of lists and maps in a data file.
pub const MAX_DEPTH: usize = 64;
/// Most values in a data file, with every use of a YAML alias counted in full.
pub const MAX_NODES: usize = 1_000_000;

/// The format of a data file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.yaml` and `.yml`.
    Yaml,
    /// `.toml`.
    Toml,
    /// `.json`.
    Json,
}

impl Format {
    /// Returns the format of the file `name`; `None` when it is no data file.
    pub fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Reads a data file. Returns what could be read together with what is wrong; an empty file is an empty map.
pub fn parse(file: &Arc<str>, bytes: &[u8], format: Format) -> (Option<Node>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let Some(text) = text_of(file, bytes, &mut found) else { return (None, found) };
    let node = parse_text(file, text, format, &mut found);
    (node, found)
}

pub(crate) fn parse_text(file: &Arc<str>, text: &str, format: Format, found: &mut Vec<Diagnostic>) -> Option<Node> {
    match format {
        Format::Yaml => yaml::parse(file, text, found),
        Format::Toml => toml::parse(file, text, found),
        Format::Json => json::parse(file, text, found),
    }
}

fn text_of<'a>(file: &Arc<str>, bytes: &'a [u8], found: &mut Vec<Diagnostic>) -> Option<&'a str> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than the {} MiB a data file may have", bytes.len(), MAX_BYTES >> 20);
        found.push(Diagnostic::error("data-too-large", message).at(file, Span::at(0), ""));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let at = error.valid_up_to();
            let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
            let diagnostic = Diagnostic::error("invalid-utf8", format!("byte {at} on line {line} is not UTF-8"))
                .at(file, Span::new(offset_u32(at), offset_u32(at + 1)), "")
                .hint("save the file as UTF-8");
            found.push(diagnostic);
            None
        }
    }
}

/// The data files of a project, read once.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    files: Vec<DataFile>,
    /// A secret stands in some file.
    pub(crate) has_secrets: bool,
}

#[derive(Clone, Debug)]
struct DataFile {
    /// The path below `data/` without the extension: `node/web-1`.
    level: Box<str>,
    name: Arc<str>,
    root: Node,
}

impl DataFile {
    /// The name without its extension.
    fn below(&self) -> &str {
        self.name.rsplit_once('.').map_or(&*self.name, |(below, _)| below)
    }
}

impl DataSet {
    /// Reads files, each with its name in the project (`data/common.yaml`), its path below the data directory and its bytes. Files that are
    /// not data by their name are passed over. The order of `files` does not matter.
    pub fn read(files: &[(Arc<str>, &str, &[u8])]) -> (Self, Vec<Diagnostic>) {
        use rayon::prelude::*;
        let mut parsed: Vec<(Option<DataFile>, Vec<Diagnostic>)> = files
            .par_iter()
            .filter_map(|(name, below, bytes)| {
                let (node, found) = parse(name, bytes, Format::of(below)?);
                let level = below.rsplit_once('.').map_or(*below, |(level, _)| level).into();
                let (root, found) = as_map(name, node, found);
                Some((root.map(|root| DataFile { level, name: name.clone(), root }), found))
            })
            .collect();
        parsed.sort_by(|a, b| a.0.as_ref().map(|f| &f.name).cmp(&b.0.as_ref().map(|f| &f.name)));
        let mut set = Self::default();
        let mut diagnostics = Vec::new();
        for (file, found) in parsed {
            set.files.extend(file);
            diagnostics.extend(found);
        }
        diagnostics.extend(set.rivals());
        set.has_secrets = set.files.iter().any(|file| crate::secrets::has_sealed(&file.root));
        (set, diagnostics)
    }

    /// Lays the files of these levels over one another, the first level on top.
    pub fn merged(&self, levels: &[Level], rules: &MergeRules) -> Node {
        let layers =
            levels.iter().flat_map(|level| self.files.iter().filter(|file| level.holds(&file.level)).map(|file| &file.root));
        merge::merge(layers, rules)
    }

    /// Reports files of one level that differ in nothing but their format: which of them would win is not for chance to say.
    fn rivals(&self) -> Vec<Diagnostic> {
        let mut first: std::collections::BTreeMap<&str, &DataFile> = std::collections::BTreeMap::new();
        let mut found = Vec::new();
        for file in &self.files {
            let Some(other) = first.get(&*file.level) else {
                first.insert(&file.level, file);
                continue;
            };
            let message = format!("`{}` and `{}` are the same level of the data", other.name, file.name);
            let hint = format!("keep one of them, with what both hold, or make a directory of it: `{}/`", file.below());
            found.push(
                Diagnostic::error("duplicate-data-file", message)
                    .at(&file.name, Span::at(0), "this one")
                    .also(&other.name, Span::at(0), "and this one")
                    .hint(hint),
            );
        }
        found
    }

    /// Warns of the files that no level of the hierarchy can ever name.
    pub fn unreachable_files(&self, hierarchy: &Hierarchy) -> Vec<Diagnostic> {
        let never = self.files.iter().filter(|file| !hierarchy.may_name(&file.level));
        never
            .map(|file| {
                let hint = format!("name it in the hierarchy of stead.toml, which is {}", hierarchy.describe());
                let message = format!("no node reads this file: no level of the hierarchy is called `{}`", file.level);
                Diagnostic::warning("unreachable-data", message).at(&file.name, Span::at(0), "").hint(hint)
            })
            .collect()
    }

    /// The trees of the files, in the order of their names.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Node> {
        self.files.iter().map(|file| &file.root)
    }

    /// Says whether there is no data at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

fn as_map(file: &Arc<str>, node: Option<Node>, mut found: Vec<Diagnostic>) -> (Option<Node>, Vec<Diagnostic>) {
    match node {
        Some(node) if matches!(node.kind, Kind::Map(_)) => (Some(node), found),
        Some(node) => {
            let message = format!("the file holds {}, expected keys with values", node.to_value().kind());
            found.push(Diagnostic::error("data-not-a-map", message).at(file, node.span, "").hint("write `key: value`"));
            (None, found)
        }
        None => (None, found),
    }
}

#[cfg(test)]
mod tests {
    use super::{Strategy, *};
    use proptest::prelude::{any, prop_assert, proptest};

    fn set(files: &[(&str, &str)]) -> DataSet {
        let names: Vec<Arc<str>> = files.iter().map(|(name, _)| format!("data/{name}").into()).collect();
        let input: Vec<_> = files.iter().zip(&names).map(|((name, text), full)| (full.clone(), *name, text.as_bytes())).collect();
        let (set, found) = DataSet::read(&input);
        assert_eq!(found, []);
        set
    }

    fn check(files: &[(&str, &str)], levels: &[&str], rules: &[(&str, Strategy)], expected: &str) {
        let levels: Vec<Level> = levels.iter().map(|l| Level::new(*l)).collect();
        let rules = MergeRules::new(rules.iter().map(|(key, strategy)| ((*key).to_owned(), *strategy)));
        assert_eq!(set(files).merged(&levels, &rules).to_value().to_string(), expected);
    }

    #[test]
    fn the_first_level_wins_and_maps_merge() {
        check(
            &[
                ("common.yaml", "web: {port: 80, tls: false}\nusers: [a]\n"),
                ("os/debian.toml", "[web]\ntls = true\nuser = \"www-data\"\n"),
                ("node/web-1.json", "{\"users\": [\"b\"]}"),
                ("node/web-2.json", "{\"users\": [\"c\"]}"),
            ],
            &["node/web-1", "os/debian", "common"],
            &[],
            "{ users = [\"b\"], web = { tls = true, user = \"www-data\", port = 80 } }",
        );
    }

    #[test]
    fn strategies_are_chosen_by_key() {
        let files = [("common.yaml", "a: {l: [1, 2], m: {x: 1}}\n"), ("node/n.yaml", "a: {l: [3, 1], m: {y: 2}}\n")];
        let levels = ["node/n", "common"];
        check(&files, &levels, &[], "{ a = { l = [3, 1], m = { y = 2, x = 1 } } }");
        check(&files, &levels, &[("a.l", Strategy::Unique)], "{ a = { l = [3, 1, 2], m = { y = 2, x = 1 } } }");
        check(&files, &levels, &[("a", Strategy::Deep)], "{ a = { l = [3, 1, 2], m = { y = 2, x = 1 } } }");
        check(&files, &levels, &[("a.m", Strategy::First)], "{ a = { l = [3, 1], m = { y = 2 } } }");
    }

    #[test]
    fn none_takes_a_key_away() {
        check(&[("common.yaml", "a: 1\n"), ("node/n.yaml", "a: null\n")], &["node/n", "common"], &[], "{ a = none }");
    }

    #[test]
    fn a_level_may_be_a_directory() {
        check(
            &[("common/web.yaml", "web: 1\n"), ("common/db.yaml", "db: 2\n"), ("common.yaml", "x: 3\n")],
            &["common"],
            &[],
            "{ x = 3, db = 2, web = 1 }",
        );
    }

    #[test]
    fn files_of_no_level_are_told() {
        let set = set(&[("nodes/web-1.yaml", "a: 1\n"), ("node/web-1.yaml", "a: 1\n"), ("common.yaml", "")]);
        let found = set.unreachable_files(&Hierarchy::default());
        assert_eq!(found.iter().map(|d| &*d.labels[0].file).collect::<Vec<_>>(), ["data/nodes/web-1.yaml"]);
    }

    #[test]
    fn files_of_one_level_in_two_formats_are_told() {
        let files = ["common.yaml", "common.yml", "common/a.toml", "os/a.json", "common.toml"];
        let names: Vec<Arc<str>> = files.iter().map(|name| format!("data/{name}").into()).collect();
        let input: Vec<_> = files.iter().zip(&names).map(|(name, full)| (full.clone(), *name, &b""[..])).collect();
        let found = DataSet::read(&input).1;
        let shown: Vec<_> = found.iter().filter(|d| d.code == "duplicate-data-file").map(|d| &*d.message).collect();
        assert_eq!(
            shown,
            [
                "`data/common.toml` and `data/common.yaml` are the same level of the data",
                "`data/common.toml` and `data/common.yml` are the same level of the data",
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_told() {
        let (node, found) = parse(&"x.yaml".into(), b"a: 1\nb: \xff\n", Format::Yaml);
        assert!(node.is_none());
        assert_eq!(found[0].to_string(), "error[invalid-utf8]: byte 8 on line 2 is not UTF-8");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for format in [Format::Yaml, Format::Toml, Format::Json] {
                let _ = parse(&"x".into(), &bytes, format);
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "[\\[\\]{}:,\"'#&*!|>%@`\\-?\n\r\t ab01.=_\\\\éx😀~<]{0,120}") {
            for format in [Format::Yaml, Format::Toml, Format::Json] {
                let (node, found) = parse(&"x".into(), text.as_bytes(), format);
                for label in found.iter().flat_map(|d| &d.labels) {
                    prop_assert!(label.span.start <= label.span.end && label.span.end as usize <= text.len() + 1, "{:?} {:?}", text, found);
                }
                if let Some(node) = node {
                    let _ = node.to_value().to_string();
                }
            }
        }

        #[test]
        fn mutated_data_never_panics(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let yaml = "web:\n  vhosts: &v\n    - {name: a.b, port: 0x1f, tls: yes}\n    - name: 'c'\n      root: |\n        text\n  again: *v\n  <<: {x: 1}\n";
            let toml = "a = 0o644\n[web]\nvhosts = [{name = \"a\", port = 1_0}]\n[[l.x]]\nd = 1979-05-27\n'q' = '''x\n'''\n";
            let json = "{\"web\": {\"vhosts\": [{\"name\": \"\\u00e9\\ud83d\\ude00\", \"port\": -1.5e3}, null, true]}}";
            for (text, format) in [(yaml, Format::Yaml), (toml, Format::Toml), (json, Format::Json)] {
                let mut bytes = text.as_bytes().to_vec();
                let at = at % bytes.len();
                bytes[at] = byte;
                bytes.truncate(cut.max(1));
                let _ = parse(&"x".into(), &bytes, format);
            }
        }
    }
}
