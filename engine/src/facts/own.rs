//! Facts of a machine's own, and facts that a project asks programs for.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Map, Value};

use super::{FactsError, value_of_json};
use crate::program::run_program;

/// Where a machine keeps facts of its own: JSON objects, and programs that print one.
const DIRECTORY: &str = "etc/stead/facts.d";
/// How long such a program may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A program that tells the value of one fact.
#[derive(Clone, Debug)]
pub struct FactProgram {
    /// The fact.
    pub name: Arc<str>,
    /// The program and its arguments.
    pub argv: Vec<Arc<str>>,
    /// How long it may take.
    pub timeout: Duration,
}

/// The facts that files below the directory hold, and programs there print. Programs are run only where the machine is the running one.
pub(super) fn own(root: &Path, problems: &mut Vec<FactsError>) -> Map {
    let directory = root.join(DIRECTORY);
    let mut facts = Map::new();
    let Ok(entries) = fs::read_dir(&directory) else { return facts };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let read = if is_json {
            fs::read_to_string(&path).map(Some).map_err(|source| FactsError::Read { path: path.clone(), source })
        } else if root == Path::new("/") {
            printed(&path)
        } else {
            Ok(None)
        };
        match read.and_then(|text| text.map_or(Ok(Map::new()), |text| parse_object(&path, &text))) {
            Ok(object) => facts.extend(object),
            Err(problem) => problems.push(problem),
        }
    }
    facts
}

/// What a program below the directory prints; nothing of what may not be run.
fn printed(path: &Path) -> Result<Option<String>, FactsError> {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    if hidden || !metadata.is_file() || metadata.mode() & 0o111 == 0 {
        return Ok(None);
    }
    // It is run as whoever gathers, which may be root: nobody else may have written it.
    let own = rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o022 != 0 || (metadata.uid() != 0 && metadata.uid() != own) {
        return Err(FactsError::Untrusted { path: path.to_owned() });
    }
    let argv: Vec<Arc<str>> = vec![path.to_string_lossy().into()];
    let printed = run_program(&argv, Path::new("/"), TIMEOUT)
        .map_err(|source| FactsError::Program { name: path.display().to_string(), source })?;
    Ok(Some(String::from_utf8_lossy(&printed).into_owned()))
}

fn parse_object(path: &Path, text: &str) -> Result<Map, FactsError> {
    let malformed = |message: String| FactsError::Malformed { path: path.to_owned(), message };
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(object)) => {
            Ok(object.iter().map(|(name, value)| (name.as_str().into(), value_of_json(value))).collect())
        }
        Ok(_) => Err(malformed("it holds something else".into())),
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// Asks programs for facts, side by side. A program prints JSON; what is none is text, without the newline at its end. One that fails has no fact, and
/// is told among the problems.
pub fn ask(programs: &[FactProgram], directory: &Path) -> (Map, Vec<FactsError>) {
    let answers: Vec<Result<Value, FactsError>> = std::thread::scope(|scope| {
        let running: Vec<_> = programs.iter().map(|program| scope.spawn(|| one(program, directory))).collect();
        let lost = || Err(FactsError::Nonsense { name: "a program".into(), message: "its thread has ended".into() });
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
    });
    let mut facts = Map::new();
    let mut problems = Vec::new();
    for (program, answer) in programs.iter().zip(answers) {
        match answer {
            Ok(value) => {
                facts.insert(program.name.clone(), value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (facts, problems)
}

fn one(program: &FactProgram, directory: &Path) -> Result<Value, FactsError> {
    let printed = run_program(&program.argv, directory, program.timeout)
        .map_err(|source| FactsError::Program { name: program.name.to_string(), source })?;
    let nonsense = |message: &str| FactsError::Nonsense { name: program.name.to_string(), message: message.to_owned() };
    if printed.len() > 1 << 20 {
        return Err(nonsense("it printed more than 1 MiB"));
    }
    let text = String::from_utf8(printed).map_err(|_| nonsense("it printed something that is not text"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if text.trim().is_empty() {
        return Err(nonsense("it printed nothing"));
    }
    match serde_json::from_str(text) {
        Ok(json) => Ok(value_of_json(&json)),
        Err(_) if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') => {
            Err(nonsense("it printed control characters"))
        }
        Err(_) => Ok(Value::string(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn program(name: &str, line: &str) -> FactProgram {
        let argv = ["/bin/sh", "-c", line].map(Arc::from).to_vec();
        FactProgram { name: name.into(), argv, timeout: Duration::from_millis(500) }
    }

    #[test]
    fn one_program_that_fails_leaves_the_others_alone() {
        let programs = [
            program("rack", "echo r7"),
            program("slots", "echo '{\"free\": 3}'"),
            program("hangs", "sleep 60"),
            program("fails", "echo no bus >&2; exit 1"),
            program("silent", "true"),
            program("noise", "printf 'a\\001b'"),
        ];
        let (facts, problems) = ask(&programs, Path::new("/"));
        assert_eq!(Value::Map(Arc::new(facts)).to_string(), "{ rack = \"r7\", slots = { free = 3 } }");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "the fact `hangs` is not told: `/bin/sh` took longer than 0.5 s and was stopped",
                "the fact `fails` is not told: `/bin/sh` failed with exit status 1: no bus",
                "the fact `silent` is not told: it printed nothing",
                "the fact `noise` is not told: it printed control characters",
            ]
        );
    }

    #[test]
    fn a_program_that_others_may_write_is_not_run() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("rack");
        fs::write(&path, "#!/bin/sh\necho '{\"rack\": \"r7\"}'\n").expect("written");
        let with = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
            printed(&path)
        };
        assert_eq!(with(0o644).expect("not run"), None);
        assert_eq!(with(0o755).expect("run").as_deref(), Some("{\"rack\": \"r7\"}\n"));
        assert!(matches!(with(0o775), Err(FactsError::Untrusted { .. })));
    }
}
