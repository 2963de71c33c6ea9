//! What no whole process can show: observing and planning without the compiler, and the graph without the machine.
//!
//! `stead-bench plan ROUNDS PATH` compiles the project (or the file) once and plans it ROUNDS times. `stead-bench graph RESOURCES`
//! compiles so many resources, alone and with three edges each. Each prints one line of JSON with the median of its rounds;
//! `bench.py` calls them.

mod graph;
mod plan;
mod timer;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<usize>().map_err(|error| format!("{word}: {error}"));
    let result = match words.as_slice() {
        ["plan", rounds, path] => number(rounds).and_then(|rounds| plan::run(rounds, path)),
        ["graph", rounds, resources] => {
            number(rounds).and_then(|rounds| number(resources).and_then(|resources| graph::run(rounds, resources)))
        }
        _ => Err("stead-bench plan ROUNDS PATH | stead-bench graph ROUNDS RESOURCES".to_owned()),
    };
    match result {
        Ok(line) => {
            say(&mut std::io::stdout(), &line);
            ExitCode::SUCCESS
        }
        Err(message) => {
            say(&mut std::io::stderr(), &message);
            ExitCode::FAILURE
        }
    }
}

fn say(to: &mut dyn std::io::Write, line: &str) {
    // Nobody is left to be told where this fails.
    let _ = writeln!(to, "{line}");
}
