//! `cargo xtask codegen`: see the library.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["codegen"] => xtask::codegen().map_err(|error| error.to_string()),
        _ => Err("usage: cargo xtask codegen".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
