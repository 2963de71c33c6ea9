//! What a project's programs told for facts: kept for as long as `[facts] max_age` of stead.toml allows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stead_catalog::{Map, Type, Value};
use stead_compiler::Diagnostic;
use stead_compiler::config::{Config, Program};
use stead_engine::facts::{FactProgram, FactsError, ask};
use stead_report::json;

/// The programs of a project that tell a fact each.
pub(crate) fn programs(config: &Config) -> Vec<FactProgram> {
    let program = |(name, program): (&Arc<str>, &Program)| FactProgram {
        name: name.clone(),
        argv: program.argv.clone(),
        timeout: Duration::from_nanos(program.timeout_ns),
    };
    config.facts.programs.iter().map(program).collect()
}

/// How old what programs told may be; they are asked each time without it.
pub(crate) fn max_age(config: &Config) -> Option<Duration> {
    config.facts.max_age_ns.map(Duration::from_nanos)
}

/// Asks the programs, or takes what they told no longer ago than `max_age`. What was told with a problem is not kept.
pub(crate) fn told(
    programs: &[FactProgram],
    directory: &Path,
    max_age: Option<Duration>,
    facts_type: &Type,
) -> (Map, Vec<FactsError>) {
    let Some(max_age) = max_age.filter(|_| !programs.is_empty()) else { return ask(programs, directory) };
    let file = file_of(programs, directory);
    if let Some(facts) = kept(&file, max_age, facts_type) {
        return (facts, Vec::new());
    }
    let (facts, problems) = ask(programs, directory);
    if problems.is_empty() {
        // Without a cache they are asked again the next time.
        let _ = keep(&file, &facts);
    }
    (facts, problems)
}

/// What the programs told before, where it is young enough. Nothing is run.
pub(crate) fn kept_only(programs: &[FactProgram], directory: &Path, max_age: Option<Duration>, facts_type: &Type) -> Option<Map> {
    kept(&file_of(programs, directory), max_age?, facts_type)
}

fn file_of(programs: &[FactProgram], directory: &Path) -> PathBuf {
    crate::dependencies::cache_home().join("facts").join(key(programs, &[directory.as_os_str().as_encoded_bytes()]))
}

/// A name for these programs in one place, which words tell from any other: another command is another question.
pub(crate) fn key(programs: &[FactProgram], place: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |word: &[u8]| _ = hasher.update(&(word.len() as u64).to_le_bytes()).update(word);
    add(&(place.len() as u64).to_le_bytes());
    place.iter().for_each(|word| add(word));
    for program in programs {
        add(&(program.argv.len() as u64).to_le_bytes());
        std::iter::once(&program.name).chain(&program.argv).for_each(|word| add(word.as_bytes()));
    }
    format!("{}.json", &hasher.finalize().to_hex()[..32])
}

/// What is kept, where it is young enough. A file from the future is of a clock that was wrong.
pub(crate) fn kept(file: &Path, max_age: Duration, facts_type: &Type) -> Option<Map> {
    let age = SystemTime::now().duration_since(fs::metadata(file).ok()?.modified().ok()?).ok()?;
    if age > max_age {
        return None;
    }
    let name: Arc<str> = file.to_string_lossy().into();
    let (facts, found) = stead_compiler::facts::from_json(&name, &fs::read(file).ok()?, facts_type);
    // What does not fit may fit no more because the declaration changed: the program knows.
    (!found.iter().any(Diagnostic::is_error)).then_some(facts)
}

/// Keeps facts, as JSON.
pub(crate) fn keep(file: &Path, facts: &Map) -> std::io::Result<()> {
    let text = json::pretty(&json::facts_json(&Value::Map(Arc::new(facts.clone()))))?;
    crate::beside::keep(file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_kept_for_its_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("cache/a.json");
        let facts: Map = [("rack".into(), Value::string("r7"))].into_iter().collect();
        let ty = stead_catalog::facts_type();
        assert_eq!(kept(&file, Duration::from_secs(60), &ty), None);
        keep(&file, &facts).expect("kept");
        assert_eq!(kept(&file, Duration::from_secs(60), &ty), Some(facts));
        let old = SystemTime::now() - Duration::from_secs(120);
        fs::File::options().write(true).open(&file).expect("open").set_modified(old).expect("aged");
        assert_eq!(kept(&file, Duration::from_secs(60), &ty), None);
        let future = SystemTime::now() + Duration::from_secs(600);
        fs::File::options().write(true).open(&file).expect("open").set_modified(future).expect("aged");
        assert_eq!(kept(&file, Duration::from_secs(60), &ty), None);
        fs::write(&file, "nonsense").expect("damaged");
        assert_eq!(kept(&file, Duration::from_secs(60), &ty), None);
    }
}
