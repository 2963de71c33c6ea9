//! `stead.toml`: the project's name, its data hierarchy, its dependencies and how strict it is.
//!
//! ```toml
//! name = "web"
//! ledger = true
//!
//! [data]
//! hierarchy = ["node/${node.name}", "os/${facts.os.family}", "common"]
//!
//! [data.merge]
//! "web.vhosts" = "unique"
//!
//! [dependencies]
//! nginx = { git = "https://example.com/nginx.git", tag = "v1.2" }
//!
//! [lints]
//! ambiguous-scalar = "error"
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_catalog::{Type, Value, closest};
use stead_grammar::ast::Span;

use crate::data::{self, Format, Hierarchy, Kind, MergeRules, Node, Pattern, Strategy};
use crate::diagnostic::{Diagnostic, Severity};
use crate::lints;
use crate::template::Whitespace;

mod dependencies;
mod inventory;
mod program;
mod rollout;
mod secrets;

pub use dependencies::{Dependency, DependencySource, GitReference};
pub use inventory::{InventoryConfig, InventoryFile};
pub use program::Program;
pub use rollout::{HealthCheck, HealthKind, RolloutConfig, Share};
pub use secrets::SecretsConfig;

/// The name of the file.
pub const FILE_NAME: &str = "stead.toml";

/// What `stead.toml` says. The default is that of a project without one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The project's name.
    pub name: Option<Arc<str>>,
    /// What the project is, in a sentence.
    pub description: Option<Arc<str>>,
    /// Remember what was created, and offer to delete what is no longer declared.
    pub ledger: bool,
    /// The data directory, its hierarchy and how values merge.
    pub data: DataConfig,
    /// Other projects whose modules this one uses, by the name it gives them.
    pub dependencies: BTreeMap<Arc<str>, Dependency>,
    /// How strict to be, by diagnostic code.
    pub lints: BTreeMap<Arc<str>, LintLevel>,
    /// Where the facts of nodes are kept that are not asked.
    pub facts: FactsConfig,
    /// Inventories of other tools.
    pub inventory: InventoryConfig,
    /// Who may read the project's secrets, and the programs that tell some.
    pub secrets: SecretsConfig,
    /// How templates treat white space.
    pub templates: Whitespace,
    /// How long a machine's journal keeps what.
    pub journal: JournalConfig,
    /// How an apply goes through many hosts.
    pub rollout: RolloutConfig,
    /// Who has to look at what is applied.
    pub review: ReviewConfig,
}

/// The table `[review]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewConfig {
    /// How many people have to sign a plan before it is applied.
    pub signatures: u32,
    /// The file that names who may, as `ssh-keygen` reads it; relative to the project.
    pub allowed_signers: Option<Arc<str>>,
}

/// The table `[journal]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalConfig {
    /// Bytes that the journal may take.
    pub max_size: Option<u64>,
    /// Runs that are older go, in nanoseconds.
    pub max_age_ns: Option<u64>,
}

/// The table `[data]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// The directory of the data files.
    pub directory: Arc<str>,
    /// Which files a node reads.
    pub hierarchy: Hierarchy,
    /// How values of several levels go together.
    pub merge: MergeRules,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { directory: "data".into(), hierarchy: Hierarchy::default(), merge: MergeRules::default() }
    }
}

/// The table `[facts]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsConfig {
    /// The directory with a `NODE.json` for each node whose facts are known.
    pub directory: Arc<str>,
    /// How old, in nanoseconds, facts may be that were kept, before they are gathered anew; always anew when absent.
    pub max_age_ns: Option<u64>,
    /// Programs that tell facts, by the name of the declared fact.
    pub programs: BTreeMap<Arc<str>, Program>,
}

impl Default for FactsConfig {
    fn default() -> Self {
        Self { directory: "facts".into(), max_age_ns: None, programs: BTreeMap::new() }
    }
}

/// How strict to be about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintLevel {
    /// It keeps a catalog from being made.
    Error,
    /// It is told.
    Warning,
    /// It is told by `stead check` and in editors.
    Hint,
    /// It is not told.
    Off,
}

impl LintLevel {
    /// Every level, the strictest first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Hint, Self::Off];

    /// What `stead.toml` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
            Self::Off => "off",
        }
    }
}

impl Config {
    /// Reads the file `file` (as diagnostics name it). Always returns a configuration: what is wrong has its default.
    pub fn parse(file: &Arc<str>, bytes: &[u8]) -> (Self, Vec<Diagnostic>) {
        let (root, found) = data::parse(file, bytes, Format::Toml);
        let mut reader = Reader { file: file.clone(), found };
        let mut config = Self::default();
        if let Some(root) = root {
            config.read(&root, &mut reader);
        }
        (config, reader.found)
    }

    fn read(&mut self, root: &Node, reader: &mut Reader) {
        let known = [
            "name",
            "description",
            "ledger",
            "data",
            "dependencies",
            "lints",
            "facts",
            "templates",
            "journal",
            "rollout",
            "review",
            "inventory",
            "secrets",
        ];
        reader.known_keys(root, &known, "");
        self.name = reader.text(root, "name");
        self.description = reader.text(root, "description");
        self.ledger = reader.bool(root, "ledger").unwrap_or(false);
        if let Some(table) = reader.table(root, "data") {
            reader.known_keys(table, &["directory", "hierarchy", "merge"], "data");
            self.data.directory = reader.directory(table, "directory").unwrap_or(self.data.directory.clone());
            if let Some(hierarchy) = reader.hierarchy(table) {
                self.data.hierarchy = hierarchy;
            }
            self.data.merge = reader.merge_rules(table);
        }
        if let Some(table) = reader.table(root, "facts") {
            reader.known_keys(table, &["directory", "max_age", "programs"], "facts");
            self.facts.directory = reader.directory(table, "directory").unwrap_or(self.facts.directory.clone());
            self.facts.max_age_ns = reader.quantity(table, "max_age", &Type::Duration, "a duration such as \"1h\"");
            self.facts.programs = reader.programs(table, "programs");
        }
        if let Some(table) = reader.table(root, "inventory") {
            self.inventory = InventoryConfig::read(table, reader);
        }
        if let Some(table) = reader.table(root, "secrets") {
            self.secrets = SecretsConfig::read(table, reader);
        }
        if let Some(table) = reader.table(root, "templates") {
            reader.known_keys(table, &["trim_blocks", "lstrip_blocks", "keep_trailing_newline"], "templates");
            let set = |reader: &mut Reader, key: &str, value: &mut bool| *value = reader.bool(table, key).unwrap_or(*value);
            set(reader, "trim_blocks", &mut self.templates.trim_blocks);
            set(reader, "lstrip_blocks", &mut self.templates.lstrip_blocks);
            set(reader, "keep_trailing_newline", &mut self.templates.keep_trailing_newline);
        }
        if let Some(table) = reader.table(root, "journal") {
            reader.known_keys(table, &["max_size", "max_age"], "journal");
            self.journal.max_size = reader.quantity(table, "max_size", &Type::Size, "a size such as \"512MiB\"");
            self.journal.max_age_ns = reader.quantity(table, "max_age", &Type::Duration, "a duration such as \"90d\"");
        }
        if let Some(table) = reader.table(root, "rollout") {
            self.rollout = RolloutConfig::read(table, reader);
        }
        if let Some(table) = reader.table(root, "review") {
            reader.known_keys(table, &["signatures", "allowed_signers"], "review");
            self.review.signatures = reader.count(table, "signatures").unwrap_or_default();
            self.review.allowed_signers = reader.directory(table, "allowed_signers");
        }
        self.dependencies = reader.dependencies(root);
        self.lints = reader.lints(root);
    }

    /// How bad a lint is in this project; nothing where there is no such lint.
    pub fn level(&self, code: &str) -> Option<LintLevel> {
        self.lints.get(code).copied().or_else(|| lints::get(code).map(|lint| lint.level))
    }

    /// Gives lints the severity the project wants, and drops those that are off. Errors stay errors.
    pub fn apply_lints(&self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain_mut(|diagnostic| {
            match self.level(diagnostic.code).filter(|_| !diagnostic.is_error()) {
                Some(LintLevel::Error) => diagnostic.severity = Severity::Error,
                Some(LintLevel::Warning) => diagnostic.severity = Severity::Warning,
                Some(LintLevel::Hint) => diagnostic.severity = Severity::Hint,
                Some(LintLevel::Off) => return false,
                None => {}
            }
            true
        });
    }
}

struct Reader {
    file: Arc<str>,
    found: Vec<Diagnostic>,
}

impl Reader {
    fn error(&mut self, code: &'static str, span: Span, message: String) -> &mut Diagnostic {
        let at = self.found.len();
        self.found.push(Diagnostic::error(code, message).at(&self.file, span, ""));
        &mut self.found[at]
    }

    /// A mistake in what is `written` at `span`, with what was meant most likely.
    fn meant(&mut self, code: &'static str, span: Span, message: String, written: &str, best: Option<&str>, hint: String) {
        let file = self.file.clone();
        let diagnostic = self.error(code, span, message);
        diagnostic.hints.push(hint);
        if let Some(best) = best {
            diagnostic.suggest_in_data(&file, span, written, best);
        }
    }

    fn known_keys(&mut self, table: &Node, known: &[&str], name: &str) {
        let Kind::Map(entries) = &table.kind else { return };
        for (key, entry) in entries.iter().filter(|(key, _)| !known.contains(&&***key)) {
            let place = if name.is_empty() { String::new() } else { format!(" in `[{name}]`") };
            let best = closest(key, known.iter().copied());
            let hint = match best {
                Some(best) => format!("did you mean `{best}`?"),
                None => format!("known keys{place} are {}", known.join(", ")),
            };
            let best = best.filter(|best| !entries.contains_key(*best));
            self.meant("unknown-setting", entry.key_span, format!("unknown key `{key}`{place}"), key, best, hint);
        }
    }

    fn wrong_kind(&mut self, node: &Node, key: &str, expected: &str) {
        let found = node.to_value();
        self.error("invalid-setting", node.span, format!("`{key}` is {}, expected {expected}", found.kind()));
    }

    fn table<'a>(&mut self, table: &'a Node, key: &str) -> Option<&'a Node> {
        let entry = table.get(key)?;
        if matches!(entry.node.kind, Kind::Map(_)) {
            return Some(&entry.node);
        }
        self.wrong_kind(&entry.node, key, "a table");
        None
    }

    fn text(&mut self, table: &Node, key: &str) -> Option<Arc<str>> {
        let node = &table.get(key)?.node;
        match &node.kind {
            Kind::Scalar(Value::String(text)) => Some(text.clone()),
            _ => {
                self.wrong_kind(node, key, "a string");
                None
            }
        }
    }

    /// A list of strings, each with its place.
    fn texts(&mut self, table: &Node, key: &str) -> Vec<(Arc<str>, Span)> {
        let Some(entry) = table.get(key) else { return Vec::new() };
        let Kind::List(items) = &entry.node.kind else {
            self.wrong_kind(&entry.node, key, "a list of strings");
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items.iter() {
            match &item.kind {
                Kind::Scalar(Value::String(text)) => texts.push((text.clone(), item.span)),
                _ => self.wrong_kind(item, key, "a list of strings"),
            }
        }
        texts
    }

    /// A list of strings.
    fn words(&mut self, table: &Node, key: &str) -> Vec<Arc<str>> {
        self.texts(table, key).into_iter().map(|(text, _)| text).collect()
    }

    fn bool(&mut self, table: &Node, key: &str) -> Option<bool> {
        let node = &table.get(key)?.node;
        match &node.kind {
            Kind::Scalar(Value::Bool(yes)) => Some(*yes),
            _ => {
                self.wrong_kind(node, key, "true or false");
                None
            }
        }
    }

    fn count(&mut self, table: &Node, key: &str) -> Option<u32> {
        let node = &table.get(key)?.node;
        let count = if let Kind::Scalar(Value::Int(count)) = &node.kind { u32::try_from(*count).ok() } else { None };
        if count.is_none() {
            self.wrong_kind(node, key, "a number from 0");
        }
        count
    }

    fn quantity(&mut self, table: &Node, key: &str, ty: &Type, expected: &str) -> Option<u64> {
        let node = &table.get(key)?.node;
        let value = if let Kind::Scalar(value) = &node.kind { ty.admit(value, true).ok() } else { None };
        match value {
            Some(Value::Size(amount) | Value::Duration(amount)) => Some(amount),
            _ => {
                self.wrong_kind(node, key, expected);
                None
            }
        }
    }

    fn directory(&mut self, table: &Node, key: &str) -> Option<Arc<str>> {
        let text = self.text(table, key)?;
        let inside = !text.is_empty() && !text.starts_with('/') && !text.split('/').any(|part| part == "..");
        if inside {
            return Some(text.trim_end_matches('/').into());
        }
        let span = table.get(key).map_or(table.span, |entry| entry.node.span);
        self.error("invalid-setting", span, format!("`{key}` is {}, expected a directory of the project", Value::String(text)));
        None
    }

    fn hierarchy(&mut self, table: &Node) -> Option<Hierarchy> {
        let node = &table.get("hierarchy")?.node;
        let Kind::List(items) = &node.kind else {
            self.wrong_kind(node, "hierarchy", "a list of levels");
            return None;
        };
        let mut patterns = Vec::new();
        for item in items.iter() {
            let Kind::Scalar(Value::String(text)) = &item.kind else {
                self.wrong_kind(item, "hierarchy", "a list of strings");
                continue;
            };
            match Pattern::parse(text) {
                // The text starts after the opening quote.
                Ok(pattern) => patterns.push(pattern.standing_at(item.span.start + 1)),
                Err(error) => {
                    // The text starts after the opening quote.
                    let start = item.span.start + 1;
                    let span = Span::new(start + error.span.start, start + error.span.end);
                    self.error("invalid-setting", span, error.message);
                }
            }
        }
        Some(Hierarchy::new(patterns))
    }

    fn merge_rules(&mut self, table: &Node) -> MergeRules {
        let mut rules = Vec::new();
        if let Some(table) = self.table(table, "merge")
            && let Kind::Map(entries) = &table.kind
        {
            for (key, entry) in entries.iter() {
                match &entry.node.kind {
                    Kind::Scalar(Value::String(name)) => match Strategy::parse(name) {
                        Some(strategy) => rules.push((key.to_string(), strategy)),
                        None => {
                            let best = closest(name, Strategy::NAMES);
                            let hint = match best {
                                Some(best) => format!("did you mean `{best}`?"),
                                None => format!("the strategies are {}", Strategy::NAMES.join(", ")),
                            };
                            let message = format!("unknown merge strategy `{name}`");
                            self.meant("invalid-setting", entry.node.span, message, name, best, hint);
                        }
                    },
                    Kind::Map(_) => {
                        let hint = format!("put the key in quotes: \"{key}.…\" = \"unique\"");
                        self.error("invalid-setting", entry.key_span, format!("`{key}` is a table, expected a strategy"))
                            .hints
                            .push(hint);
                    }
                    _ => self.wrong_kind(&entry.node, key, "a strategy"),
                }
            }
        }
        MergeRules::new(rules)
    }

    fn lints(&mut self, root: &Node) -> BTreeMap<Arc<str>, LintLevel> {
        let mut out = BTreeMap::new();
        let Some(table) = self.table(root, "lints") else { return out };
        let Kind::Map(entries) = &table.kind else { return out };
        for (code, entry) in entries.iter() {
            if lints::get(code).is_none() {
                let mut diagnostic = lints::allow::unknown(code).at(&self.file, entry.key_span, "");
                if let Some(best) = closest(code, lints::LINTS.iter().map(|lint| lint.code)) {
                    diagnostic.suggest_in_data(&self.file, entry.key_span, code, best);
                }
                self.found.push(diagnostic);
            }
            let text = if let Kind::Scalar(Value::String(text)) = &entry.node.kind { &**text } else { "" };
            match LintLevel::ALL.into_iter().find(|level| level.name() == text) {
                Some(level) => {
                    out.insert(code.clone(), level);
                }
                None => {
                    // What other linters call them.
                    let meant = match text {
                        "warn" => Some("warning"),
                        "deny" | "forbid" => Some("error"),
                        "allow" | "ignore" | "none" => Some("off"),
                        "info" | "note" => Some("hint"),
                        other => closest(other, LintLevel::ALL.map(LintLevel::name)),
                    };
                    let message = format!("the level of `{code}` is none of \"error\", \"warning\", \"hint\", \"off\"");
                    let file = self.file.clone();
                    let diagnostic = self.error("invalid-setting", entry.node.span, message);
                    if let Some(meant) = meant {
                        diagnostic.hints.push(format!("did you mean \"{meant}\"?"));
                        diagnostic.suggest_in_data(&file, entry.node.span, text, meant);
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> Config {
        let (config, found) = Config::parse(&FILE_NAME.into(), text.as_bytes());
        let shown: Vec<String> = found
            .iter()
            .map(|d| format!("{} {:?} {}", d.code, d.labels[0].span.text(text), d.hints.join(" ")).trim_end().to_owned())
            .collect();
        assert_eq!(shown, expected);
        config
    }

    #[test]
    fn everything_is_read() {
        let config = check(
            "name = \"web\"\nledger = true\n[data]\ndirectory = \"pillar/\"\nhierarchy = [\"node/${node.name}\", \"all\"]\n[data.merge]\n\"a.b\" = \"unique\"\n\
             [dependencies]\nnginx = { git = \"https://x/y\", tag = \"v1\" }\nlocal = { path = \"../x\" }\n[facts]\ndirectory = \"known\"\n\
             [templates]\ntrim_blocks = false\n",
            &[],
        );
        assert_eq!(config.name.as_deref(), Some("web"));
        assert!(config.ledger);
        assert_eq!(&*config.data.directory, "pillar");
        assert_eq!(&*config.facts.directory, "known");
        assert!(!config.templates.trim_blocks && config.templates.lstrip_blocks);
        let git = DependencySource::Git { url: "https://x/y".into(), reference: GitReference::Tag("v1".into()) };
        assert_eq!(config.dependencies["nginx"].source, git);
    }

    #[test]
    fn mistakes_have_their_place() {
        check("nmae = \"x\"\n", &["unknown-setting \"nmae\" did you mean `name`?"]);
        check("[data]\nhierachy = []\n", &["unknown-setting \"hierachy\" did you mean `hierarchy`?"]);
        check("[data]\nhierarchy = [\"a/${host}\"]\n", &["invalid-setting \"${host}\""]);
        check("[data.merge]\na = \"uniqe\"\n", &["invalid-setting \"\\\"uniqe\\\"\" did you mean `unique`?"]);
        check("[data.merge]\na.b = \"unique\"\n", &["invalid-setting \"a\" put the key in quotes: \"a.…\" = \"unique\""]);
        check("[dependencies]\na = { git = \"u\", tag = \"1\", rev = \"2\" }\n", &["invalid-setting \"tag\""]);
        check("[dependencies]\na-b = { git = \"u\" }\n", &["invalid-setting \"a-b\" name it `a_b`"]);
        check("ledger = \"yes\"\n", &["invalid-setting \"\\\"yes\\\"\""]);
        check("[journal]\nmax_size = \"512MiB\"\nmax_age = \"90d\"\n", &[]);
        check("[journal]\nmax_size = true\n", &["invalid-setting \"true\""]);
        check("[data]\ndirectory = \"../x\"\n", &["invalid-setting \"\\\"../x\\\"\""]);
        check("[lints]\nunused-varable = \"off\"\n", &["unknown-lint \"unused-varable\" did you mean `unused-variable`?"]);
        check("[lints]\ntype-mismatch = \"off\"\n", &["unknown-lint \"type-mismatch\""]);
        check("[lints]\nshadowed-name = \"deny\"\n", &["invalid-setting \"\\\"deny\\\"\" did you mean \"error\"?"]);
        check("name = \n", &["syntax-error \"\""]);
    }

    #[test]
    fn lints_set_the_severity() {
        let mut config = Config::default();
        config.lints.insert("a".into(), LintLevel::Off);
        config.lints.insert("b".into(), LintLevel::Error);
        let mut list = vec![Diagnostic::warning("a", "m"), Diagnostic::warning("b", "m"), Diagnostic::error("a", "m")];
        config.apply_lints(&mut list);
        assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["error[b]: m", "error[a]: m"]);
        let mut list = vec![Diagnostic::warning("needless-attribute", "m"), Diagnostic::warning("shadowed-name", "m")];
        Config::default().apply_lints(&mut list);
        assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hint[shadowed-name]: m"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "(name|data|lints|dependencies|hierarchy|merge|git|x|=|\\[|\\]|\\{|\\}|\"|\\$\\{|node\\.|,|\n| |é|1){0,40}") {
            let (_, found) = Config::parse(&FILE_NAME.into(), text.as_bytes());
            for label in found.iter().flat_map(|d| &d.labels) {
                proptest::prop_assert!(label.span.end as usize <= text.len() + 1, "{:?} {:?}", text, found);
            }
        }
    }
}
