//! Times the engine alone on many small files: `cargo run --release -p stead-engine --example many_files -- DIR [COUNT]`.
//!
//! DIR is made and must not exist. Prints a line for each step: the first plan and apply, an empty plan, a plan with 1 % changed.
#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

#[expect(dead_code, reason = "it is shared with the tests")]
#[path = "../tests/it/support.rs"]
mod support;

use std::path::PathBuf;
use std::time::Instant;

use support::{Scene, catalog, folder, text};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory is named"));
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    std::fs::create_dir(&directory).expect("the directory is new");
    let scene = Scene::at(directory);

    let folders = (count / 100).max(1);
    let mut resources: Vec<_> = (0..folders).map(|number| folder(&scene.path(&format!("d{number:03}")))).collect();
    for number in 0..count {
        let content = format!("# file {number}\n{}", "key = value\n".repeat(15));
        resources.push(text(&scene.path(&format!("d{:03}/f{number:06}", number % folders)), &content));
    }
    let catalog = catalog(resources, &[]);

    let timed = |name: &str, work: &mut dyn FnMut() -> String| {
        let begun = Instant::now();
        let said = work();
        println!("{name:<24} {:>9.1} ms  {said}", begun.elapsed().as_secs_f64() * 1000.0);
    };
    timed("first plan", &mut || format!("{:?}", scene.plan(&catalog).plan.summary()));
    let planned = scene.plan(&catalog);
    timed("first apply", &mut || format!("{:?}", scene.apply_planned(&catalog, &planned).counts()));
    for _ in 0..5 {
        timed("empty plan", &mut || format!("changes: {}", !scene.plan(&catalog).plan.is_empty()));
    }
    for number in (0..count).step_by(100) {
        let path = scene.path(&format!("d{:03}/f{number:06}", number % folders));
        std::fs::write(path, "drifted").expect("the file is there");
    }
    let mut planned = scene.plan(&catalog);
    timed("plan, 1 % changed", &mut || {
        planned = scene.plan(&catalog);
        format!("{:?}", planned.plan.summary())
    });
    timed("apply, 1 % changed", &mut || format!("{:?}", scene.apply_planned(&catalog, &planned).counts()));
}
