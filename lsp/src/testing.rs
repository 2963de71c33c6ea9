//! A project in a few lines for the unit tests of features, with cursors in its text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use stead_catalog::{Catalog, Map};
use stead_compiler::config::Config as ProjectConfig;
use stead_compiler::{Input, MemorySources, NodeContext, Project, Schemas};
use stead_grammar::ast::Span;

use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};
use crate::workspace::Compiled;
use crate::{Host, Inventories, Opened};

/// The resource types of the tests: those there are, and one that needs an attribute.
static SCHEMAS: LazyLock<Arc<Schemas>> = LazyLock::new(|| {
    let mut schemas: Vec<_> = stead_stdlib::registry().schemas().into_iter().collect();
    let needy = schemas.iter().find(|schema| &*schema.name == "symlink").cloned();
    schemas.extend(needy.map(|mut schema| {
        schema.name = "needy".into();
        let target = schema.attributes.iter_mut().find(|attribute| &*attribute.name == "target");
        target.into_iter().for_each(|attribute| attribute.required = true);
        schema
    }));
    Arc::new(Schemas::new(schemas))
});

/// The node of the tests, called `here`.
pub(crate) fn node() -> NodeContext {
    let facts = [("hostname".into(), stead_catalog::Value::string("here"))].into_iter().collect();
    NodeContext { name: "here".into(), facts, ..NodeContext::default() }
}

/// A project: files begin with `//- NAME` lines; without, it is `site.stead`. `$0` is the cursor, `$1` the end of a selection.
pub(crate) struct Fixture {
    files: BTreeMap<Arc<str>, String>,
    cursor: Option<(Arc<str>, u32)>,
    end: Option<u32>,
}

impl Fixture {
    pub(crate) fn new(text: &str) -> Self {
        let text = if text.starts_with("//- ") { text.to_owned() } else { format!("//- site.stead\n{text}") };
        let mut fixture = Self { files: BTreeMap::new(), cursor: None, end: None };
        for part in text.split("//- ").skip(1) {
            let (name, content) = part.split_once('\n').expect("a name on its line");
            let name: Arc<str> = name.trim().into();
            let mut content = content.to_owned();
            if let Some(at) = content.find("$0") {
                content.replace_range(at..at + 2, "");
                fixture.cursor = Some((name.clone(), u32::try_from(at).expect("short")));
            }
            if let Some(at) = content.find("$1") {
                content.replace_range(at..at + 2, "");
                fixture.end = Some(u32::try_from(at).expect("short"));
            }
            fixture.files.insert(name, content);
        }
        fixture
    }

    fn project(&self) -> Project {
        let mut sources = MemorySources::new();
        for (name, text) in &self.files {
            sources.insert(name.clone(), text);
        }
        Project::load(Input::directory(Arc::new(sources), SCHEMAS.clone()))
    }

    /// The view of the file with the cursor, and the cursor's offset.
    pub(crate) fn at_cursor(&self) -> (Snapshot, u32) {
        let (name, offset) = self.cursor.clone().expect("a cursor `$0`");
        (self.view(&name), offset)
    }

    pub(crate) fn second_cursor(&self) -> Option<u32> {
        self.end
    }

    /// The view of `site.stead`.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.view("site.stead")
    }

    fn view(&self, name: &str) -> Snapshot {
        let project = Arc::new(self.project());
        let mut diagnostics = project.diagnostics().to_vec();
        let outcome = stead_compiler::compile_while(&project, &node(), &|| true).expect("it is wanted");
        if !project.has_errors() {
            diagnostics.extend(outcome.diagnostics);
        }
        let nodes = vec![(node(), outcome.catalog.map(Arc::new))];
        let reached = outcome.states.into_iter().map(|state| (state, 1)).collect();
        let text: Arc<str> = self.files[name].as_str().into();
        Snapshot {
            project,
            name: name.into(),
            text: Text::new(text, Encoding::Utf16),
            root: PathBuf::from("/project"),
            elsewhere: Arc::default(),
            encoding: Encoding::Utf16,
            takes_snippets: true,
            compiled: Some(Arc::new(Compiled {
                generation: 1,
                diagnostics,
                nodes,
                this: Some("here".into()),
                reached,
                took: Duration::ZERO,
            })),
            generation: 1,
            config: Arc::default(),
        }
    }

    /// The files that were edited, after the edits.
    pub(crate) fn apply(&self, edits: &BTreeMap<Arc<str>, Vec<(Span, String)>>) -> String {
        let mut changed = BTreeMap::new();
        for (name, list) in edits {
            let mut text = self.files[name].clone();
            let mut list = list.clone();
            list.sort_by_key(|(span, _)| *span);
            for (span, new) in list.iter().rev() {
                text.replace_range(span.range(), new);
            }
            changed.insert(name.clone(), text);
        }
        let is_single = self.files.len() == 1
            || !self.files.keys().any(|name| &**name != "site.stead" && name.ends_with(".stead") || name.ends_with(".yaml"));
        if is_single && changed.len() == 1 {
            return changed.into_values().next().unwrap_or_default();
        }
        changed.iter().map(|(name, text)| format!("//- {name}\n{text}")).collect()
    }
}

/// A host whose only project is one file, `/alone/site.stead`, and whose plans wait until they are let go.
pub(crate) struct Patient(pub(crate) Mutex<Receiver<()>>);

impl Host for Patient {
    fn schemas(&self) -> Arc<Schemas> {
        SCHEMAS.clone()
    }

    fn open(&self, _: &Path) -> Result<Opened, String> {
        let sources = Arc::new(MemorySources::new().with("site.stead", "file \"/x\"\n"));
        Ok(Opened { sources, dependencies: BTreeMap::new(), elsewhere: BTreeMap::new() })
    }

    fn inventories(&self, _: &Path, _: &ProjectConfig, _: &dyn Fn(&Path) -> Option<Arc<[u8]>>, _: bool) -> Inventories {
        Inventories::default()
    }

    fn told(&self, _: &Path, _: &Project, _: bool) -> Option<Map> {
        Some(Map::new())
    }

    fn this_node(&self) -> Result<NodeContext, String> {
        Ok(node())
    }

    fn plan(&self, _: &Catalog) -> Result<String, String> {
        let let_go = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let_go.recv().map_err(|error| error.to_string())?;
        Ok("planned".to_owned())
    }

    fn wanted(&self, _: &Catalog) -> Result<String, String> {
        Err("there is no other machine".to_owned())
    }
}
