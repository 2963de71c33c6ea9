//! Observing and diffing alone.

use std::path::Path;
use std::sync::Arc;

use stead_compiler::{Input, MemorySources, NodeContext, Project, Schemas};
use stead_engine::{Observed, PlanOptions, Registry, RootSpec, plan};

use crate::timer;

/// Plans what is at `path` some times over.
pub(crate) fn run(rounds: usize, path: &str) -> Result<String, String> {
    let registry = stead_stdlib::registry();
    let catalog = compile(Path::new(path), &registry)?;
    let spec = RootSpec::Machine;
    let (took, (changes, failed)) = timer::median(rounds, || {
        // A world of its own each time, as each process has: nothing is remembered from the round before.
        let Ok(observed) = Observed::new(&spec) else { return (0, catalog.resources.len()) };
        let planned = plan(&catalog, &registry, &observed, &PlanOptions::default());
        let resources = &planned.plan.resources;
        let changes = resources.iter().filter(|resource| resource.action != stead_catalog::Action::None).count();
        (changes, resources.iter().filter(|resource| resource.error.is_some()).count())
    });
    let counts = serde_json::json!({ "resources": catalog.resources.len(), "changes": changes, "failed": failed });
    Ok(serde_json::json!({ "plan": timer::json(took), "counts": counts }).to_string())
}

/// Compiles a directory with a `stead.toml`, or one file, for this machine.
fn compile(path: &Path, registry: &Registry) -> Result<stead_catalog::Catalog, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut sources = MemorySources::new();
    let mut single = None;
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))? {
            let entry = entry.map_err(|error| format!("{}: {error}", path.display()))?;
            if entry.path().is_file() {
                sources.insert(entry.file_name().to_string_lossy(), read(&entry.path())?);
            }
        }
    } else {
        single = Some("main.stead");
        sources.insert("main.stead", read(path)?);
    }
    let schemas = Arc::new(Schemas::new(registry.schemas()));
    let sources = Arc::new(sources);
    let input = match single {
        Some(file) => Input::file(sources, schemas, file),
        None => Input::directory(sources, schemas),
    };
    let facts = stead_engine::facts::gather(Path::new("/")).map_err(|error| error.to_string())?;
    let node = NodeContext { name: "bench".into(), facts, ..NodeContext::default() };
    catalog_of(&Project::load(input), &node)
}

/// The catalog of a project; its first mistake where there is none.
pub(crate) fn catalog_of(project: &Project, node: &NodeContext) -> Result<stead_catalog::Catalog, String> {
    let (catalog, diagnostics) = stead_compiler::compile(project, node);
    catalog.ok_or_else(|| diagnostics.first().map_or_else(String::new, |diagnostic| diagnostic.message.to_string()))
}
