//! The laws of the fuzz targets on their seeds, and on seeds with pieces changed, doubled, and put together.
//!
//! Deterministic: the same seeds, the same mutations. `FUZZ_ROUNDS=10000` tries more.

#[path = "src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz targets as well")]
mod laws;

use std::fs;
use std::path::{Path, PathBuf};

use laws::LAWS;

/// How often each law is tried on changed seeds.
const ROUNDS: u64 = 300;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

fn files_below(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, extensions, found);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            found.push(path);
        }
    }
    found.sort();
}

fn seeds(law: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let all = ["stead", "yaml", "toml", "json", "j2"];
    files_below(&root().join("tests/fuzz/seeds").join(law), &all, &mut files);
    match law {
        "parse" | "format" | "check" => {
            files_below(&root().join("grammar/samples"), &["stead"], &mut files);
            files_below(&root().join("examples"), &["stead"], &mut files);
        }
        "template" => files_below(&root().join("examples"), &["j2"], &mut files),
        _ => {}
    }
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a seed can be read")).collect();
    if law == "frames" {
        seeds.extend(stead_engine::frame_seeds());
    }
    if law == "saved_plan" {
        seeds.extend(laws::saved_plan_seeds());
    }
    seeds
}

/// Numbers that are the same in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).expect("it is below a usize")
    }
}

/// Pieces that mean something in one of the languages.
const PIECES: [&str; 40] = [
    "\"",
    "\"\"\"",
    "'",
    "${",
    "}",
    "{",
    "[",
    "]",
    "(",
    ")",
    ":",
    "=",
    "=>",
    "->",
    "|",
    ",",
    ".",
    "..",
    "-",
    "- ",
    "#",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "\\u",
    "&a ",
    "*a",
    "<<: ",
    "!tag ",
    "---\n",
    "{{",
    "{%",
    "%}",
    "0x7f",
    "1e999",
    "\u{feff}",
    "é",
    "\0",
    "99999999999999999999",
];

fn mutated(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(12)).min(bytes.len());
        match numbers.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, PIECES[numbers.below(PIECES.len())].bytes())),
            2 => drop(bytes.splice(at..at, PIECES[numbers.below(PIECES.len())].bytes())),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..end].to_vec();
                let times = 1 + numbers.below(40);
                drop(bytes.splice(at..at, piece.repeat(times)));
            }
            5 => {
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len() + 1);
                let to = (from + numbers.below(80)).min(other.len());
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn the_laws_hold_on_seeds_and_around_them() {
    let rounds = std::env::var("FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let failed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = LAWS.iter().map(|(name, law)| scope.spawn(move || try_law(name, *law, rounds))).collect();
        runs.into_iter().filter_map(|run| run.join().expect("a law is tried")).collect()
    });
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Tries a law; the input it fails for, where there is one.
fn try_law(name: &str, law: fn(&[u8]), rounds: u64) -> Option<String> {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has seeds");
    let holds = |bytes: &[u8]| std::panic::catch_unwind(|| law(bytes)).is_ok();
    let mut numbers = Numbers(0);
    let changed = (0..rounds).map(|_| mutated(&seeds, &mut numbers)).collect::<Vec<_>>();
    let input = seeds.iter().chain(&changed).find(|bytes| !holds(bytes))?;
    Some(format!("`{name}` fails for {:?}", String::from_utf8_lossy(input)))
}

/// The targets cannot be built without a fuzzer in each run, so they hold nothing that could be wrong.
#[test]
fn every_law_has_a_target() {
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).expect("the manifest");
    let mut targets = Vec::new();
    files_below(&root().join("tests/fuzz/fuzz_targets"), &["rs"], &mut targets);
    assert_eq!(targets.len(), LAWS.len());
    for ((name, _), target) in LAWS.iter().zip(targets) {
        let text = fs::read_to_string(&target).expect("a target");
        assert_eq!(text, format!("#![no_main]\nlibfuzzer_sys::fuzz_target!(|bytes: &[u8]| stead_fuzz::{name}(bytes));\n"));
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n")), "{name}");
    }
}
