//! The graph of many resources: what its edges cost the compiler, and what its order costs the engine.

use std::fmt::Write as _;
use std::sync::Arc;

use stead_compiler::{Input, MemorySources, NodeContext, Project, Schemas};
use stead_engine::Graph;

use crate::plan::catalog_of;
use crate::timer;

/// Resources below one directory.
const BELOW: usize = 100;

/// Compiles `resources` resources without an edge, and again with three each: one automatic, to the directory above, and two
/// written. The difference is what edges, their merging and the search for circles take. Then puts them in order.
pub(crate) fn run(rounds: usize, resources: usize) -> Result<String, String> {
    let registry = stead_stdlib::registry();
    let schemas = Arc::new(Schemas::new(registry.schemas()));
    let node = NodeContext { name: "bench".into(), ..NodeContext::default() };
    let load = |text: String| {
        let sources = Arc::new(MemorySources::new().with("main.stead", text));
        Project::load(Input::file(sources, schemas.clone(), "main.stead"))
    };
    let (bare, tied) = (load(source(resources, false)), load(source(resources, true)));
    let (without, catalog) = timer::median(rounds, || catalog_of(&bare, &node));
    let edges_without = catalog?.edges.len();
    let (with, catalog) = timer::median(rounds, || catalog_of(&tied, &node));
    let catalog = catalog?;
    let (order, ordered) = timer::median(rounds, || Graph::of(&catalog).order().len());
    let edges = timer::Took { cpu: with.cpu.saturating_sub(without.cpu), wall: with.wall.saturating_sub(without.wall) };
    Ok(serde_json::json!({
        "compile_without_edges": timer::json(without),
        "compile": timer::json(with),
        "edges": timer::json(edges),
        "order": timer::json(order),
        "counts": {
            "resources": catalog.resources.len(), "ordered": ordered,
            "edges": catalog.edges.len(), "edges_without": edges_without,
        },
    })
    .to_string())
}

/// Files in directories. `require` names the two before, so that the longest way through the graph is as long as it can be.
fn source(resources: usize, is_tied: bool) -> String {
    let directories = resources.div_ceil(BELOW + 1);
    let mut text = String::new();
    if is_tied {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "for d in 0..{directories} {{ directory \"/srv/d${{d}}\" {{ mode = 0755 }} }}");
    } else {
        // As many resources, none above another.
        let _ = writeln!(text, "for d in 0..{directories} {{ directory \"/opt/d${{d}}\" {{ mode = 0755 }} }}");
    }
    let files = resources - directories;
    let name = |offset: usize| format!("\"/srv/d${{(i - {offset}) / {BELOW}}}/f${{i - {offset}}}\"");
    let _ = writeln!(text, "for i in 0..2 {{ file {} {{ mode = 0644 }} }}", name(0));
    let require = if is_tied { format!(", require = [file[{}], file[{}]]", name(1), name(2)) } else { String::new() };
    let _ = writeln!(text, "for i in 2..{files} {{ file {} {{ mode = 0644{require} }} }}", name(0));
    text
}
