//! Inventories of other tools, as `stead.toml` names them: read, and run where they are programs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use stead_catalog::{Map, Target, Value};
use stead_compiler::Diagnostic;
use stead_compiler::config::{Config, InventoryFile};
use stead_compiler::inventory::{InventoryFormat, InventoryText, Owner, VARIABLE_FOLDERS, ssh_includes, variable_files};
use stead_compiler::targets::{Selected, Targets};
use stead_engine::run_program;
use stead_report::json;

use crate::failure::Failure;
use crate::many;
use crate::project::Loaded;

/// How long a program may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How old what a node told may be to say which nodes a target means.
const FRESH: Duration = Duration::from_secs(24 * 3600);
/// Largest inventory, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Deepest directories in the one of a group's or host's variables.
const MAX_FOLDERS: usize = 8;
/// Most files with variables beside one inventory.
const MAX_VARIABLES: usize = 200_000;
/// Deepest chain of files that include each other.
const MAX_INCLUDES: usize = 16;

/// Inventories by their paths in `stead.toml`.
type Inventories = BTreeMap<Arc<str>, Vec<InventoryText>>;

/// Runs an inventory that is a program, for what it prints; `None` where it is not to be run.
type Run<'a> = dyn Fn(&Path) -> Result<Option<Arc<str>>, Failure> + 'a;

/// Reads inventories.
struct Reader<'a> {
    root: &'a Path,
    run: &'a Run<'a>,
    /// The text of a file, where it is not the one on disk that counts.
    buffer: &'a dyn Fn(&Path) -> Option<Arc<[u8]>>,
}

/// Reads the inventories that the project at `root` names, by their paths there, and runs those that are programs.
pub(crate) fn read(root: &Path, config: &Config) -> Result<Inventories, Failure> {
    let timeout = timeout(config);
    let reader = Reader { root, run: &|path| run(root, path, timeout).map(Some), buffer: &|_| None };
    let mut inventories = BTreeMap::new();
    for file in &config.inventory.files {
        let mut texts = Vec::new();
        if reader.read(file, &mut texts)?.is_some() {
            inventories.insert(file.path.clone(), texts);
        }
    }
    Ok(inventories)
}

/// Reads inventories as [`read`] does, with the texts that an editor has in place of those on disk. What a program printed is taken from `printed`;
/// it is run for that where `may_run`. What cannot be read or was not run is told, and does not hinder the rest.
pub(crate) fn read_for_editor(
    root: &Path,
    config: &Config,
    buffer: &dyn Fn(&Path) -> Option<Arc<[u8]>>,
    may_run: bool,
    printed: &Printed,
) -> (Inventories, Vec<String>) {
    let (timeout, not_run) = (timeout(config), RefCell::new(Vec::new()));
    let run = |path: &Path| match may_run {
        true => printed.of(path, || run(root, path, timeout)).map(Some),
        false => {
            not_run
                .borrow_mut()
                .push(format!("{} is a program, and was not run: the setting `runPrograms` allows it", path.display()));
            Ok(None)
        }
    };
    let reader = Reader { root, run: &run, buffer };
    let (mut inventories, mut unread) = (BTreeMap::new(), Vec::new());
    for file in &config.inventory.files {
        let mut texts = Vec::new();
        match reader.read(file, &mut texts) {
            Ok(None) => continue,
            Ok(Some(())) => {}
            Err(error) => unread.push(error.to_string()),
        }
        inventories.insert(file.path.clone(), texts);
    }
    unread.append(&mut not_run.borrow_mut());
    (inventories, unread)
}

/// What programs printed, until they are changed.
#[derive(Default)]
pub(crate) struct Printed(Mutex<HashMap<PathBuf, Output>>);

/// When a program was changed last, and what it printed.
type Output = (Option<SystemTime>, Arc<str>);

impl Printed {
    fn of(&self, path: &Path, run: impl FnOnce() -> Result<Arc<str>, Failure>) -> Result<Arc<str>, Failure> {
        let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = known().get(path).filter(|(then, _)| *then == changed) {
            return Ok(text.clone());
        }
        let text = run()?;
        known().insert(path.to_owned(), (changed, text.clone()));
        Ok(text)
    }
}

fn timeout(config: &Config) -> Duration {
    config.inventory.timeout_ns.map_or(TIMEOUT, Duration::from_nanos)
}

fn run(root: &Path, path: &Path, timeout: Duration) -> Result<Arc<str>, Failure> {
    let argv: Vec<Arc<str>> =
        vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into(), "--list".into()];
    let directory = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let printed =
        run_program(&argv, &directory, timeout).map_err(|source| Failure::InventoryProgram { path: path.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&printed).into())
}

impl Reader<'_> {
    /// Reads a file or each of a directory. `None` for what is missing in the project: that is told where stead.toml names it.
    fn read(&self, file: &InventoryFile, texts: &mut Vec<InventoryText>) -> Result<Option<()>, Failure> {
        let path = full_path(self.root, &file.path);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.path.starts_with(['/', '~']) => return Ok(None),
            Err(source) => return Err(Failure::Unreadable { path, source }),
        };
        if metadata.is_dir() {
            for path in files_of(&path)? {
                self.one(&name_in(self.root, &path), &path, file, texts)?;
            }
        } else {
            self.one(&file.path, &path, file, texts)?;
        }
        let directory = if metadata.is_dir() { Some(&*path) } else { path.parent() };
        if let Some(directory) = directory.filter(|_| texts.iter().any(|text| text.format.is_ansible())) {
            self.beside(directory, texts)?;
        }
        Ok(Some(()))
    }

    /// Reads the variables of groups and hosts that lie in the directory of an inventory.
    fn beside(&self, directory: &Path, texts: &mut Vec<InventoryText>) -> Result<(), Failure> {
        for (of, path) in variables_of(directory, &|_: &Path| true)? {
            let bytes = match (self.buffer)(&path) {
                Some(bytes) => bytes.to_vec(),
                None => read_bounded(&path)?,
            };
            texts.push(InventoryText::variables(name_in(self.root, &path), String::from_utf8_lossy(&bytes), of));
        }
        Ok(())
    }

    fn one(&self, name: &str, path: &Path, file: &InventoryFile, texts: &mut Vec<InventoryText>) -> Result<(), Failure> {
        let bytes = match (self.buffer)(path) {
            Some(bytes) => bytes.to_vec(),
            None => read_bounded(path)?,
        };
        if is_program(path, &bytes) {
            if let Some(text) = (self.run)(path)? {
                texts.push(InventoryText::new(format!("{name} --list"), text, InventoryFormat::AnsibleJson));
            }
            return Ok(());
        }
        let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
        let format = file.format.unwrap_or_else(|| InventoryFormat::of(name, &text));
        if format == InventoryFormat::SshConfig {
            include(&text, MAX_INCLUDES, texts);
        }
        texts.push(InventoryText::new(name, text, format));
        Ok(())
    }
}

/// Reads the inventories that are files of the project at `root`, and names those that are not: programs, and what lies outside.
pub(crate) fn read_alone(root: &Path, config: &Config) -> Result<(Inventories, BTreeSet<Arc<str>>), Failure> {
    let (mut inventories, mut withheld) = (BTreeMap::new(), BTreeSet::new());
    let inside = root.canonicalize().map_err(|source| Failure::Unreadable { path: root.to_owned(), source })?;
    for file in &config.inventory.files {
        let path = full_path(root, &file.path);
        // What is missing in the project is told where stead.toml names it.
        let may_be_missing = !file.path.starts_with(['/', '~']) && file.path.split('/').all(|part| part != "..");
        if may_be_missing && std::fs::symlink_metadata(&path).is_err() {
            continue;
        }
        let lies_inside = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(&inside));
        let paths = match std::fs::metadata(&path) {
            Ok(metadata) if lies_inside(&path) && metadata.is_dir() => files_of(&path)?,
            Ok(metadata) if lies_inside(&path) && metadata.is_file() => vec![path.clone()],
            _ => {
                withheld.insert(file.path.clone());
                continue;
            }
        };
        let mut texts = Vec::with_capacity(paths.len());
        for each in &paths {
            let bytes = if lies_inside(each) { read_bounded(each)? } else { Vec::new() };
            if !lies_inside(each) || is_program(each, &bytes) {
                withheld.insert(file.path.clone());
                // A listing stands for it.
                texts.clear();
                break;
            }
            let name = name_in(root, each);
            let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
            let format = file.format.unwrap_or_else(|| InventoryFormat::of(&name, &text));
            // What an ssh configuration includes lies in the user's home, which is nobody else's business.
            texts.push(InventoryText::new(name, text, format));
        }
        let is_listed = withheld.contains(&file.path);
        let directory = if path.is_dir() { Some(&*path) } else { path.parent() };
        if let Some(directory) = directory.filter(|_| is_listed || texts.iter().any(|text| text.format.is_ansible()))
            && !beside_alone(root, directory, &lies_inside, &mut texts)?
        {
            withheld.insert(file.path.clone());
            texts.retain(|text| text.variables_of.is_some());
        }
        inventories.insert(file.path.clone(), texts);
    }
    Ok((inventories, withheld))
}

/// Reads the variables in the directory of an inventory that lie in the project. Says whether all of them do.
fn beside_alone(
    root: &Path,
    directory: &Path,
    lies_inside: &dyn Fn(&Path) -> bool,
    texts: &mut Vec<InventoryText>,
) -> Result<bool, Failure> {
    let folders = VARIABLE_FOLDERS.map(|folder| directory.join(folder));
    let mut is_whole = folders.iter().all(|folder| !folder.exists() || lies_inside(folder));
    for (of, path) in variables_of(directory, lies_inside)? {
        if lies_inside(&path) {
            let text = read_bounded(&path)?;
            texts.push(InventoryText::variables(name_in(root, &path), String::from_utf8_lossy(&text), of));
        } else {
            is_whole = false;
        }
    }
    Ok(is_whole)
}

/// What a file is called in messages: by its path in the project, where it is there.
fn name_in(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// The files with variables of groups and hosts that lie in the directory of an inventory of Ansible's. A directory that must not be entered
/// stands for what is in it.
fn variables_of(directory: &Path, may_enter: &dyn Fn(&Path) -> bool) -> Result<Vec<(Owner, PathBuf)>, Failure> {
    let mut paths = Vec::new();
    for folder in VARIABLE_FOLDERS {
        let folder = directory.join(folder);
        if folder.is_dir() && may_enter(&folder) {
            list(&folder, may_enter, MAX_FOLDERS, &mut paths)?;
        }
    }
    let relative = paths.iter().filter_map(|path| path.strip_prefix(directory).ok()?.to_str());
    let chosen = variable_files(relative).into_iter().map(|(of, path)| (of, directory.join(path)));
    Ok(chosen.collect())
}

/// Lists the files below a directory.
fn list(directory: &Path, may_enter: &dyn Fn(&Path) -> bool, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |source| Failure::Unreadable { path: directory.to_owned(), source };
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let metadata = match std::fs::metadata(&path) {
            // A link that leads nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(|source| Failure::Unreadable { path: path.clone(), source })?,
        };
        if metadata.is_file() || (metadata.is_dir() && !may_enter(&path)) {
            paths.push(path);
        } else if metadata.is_dir() && depth > 0 {
            list(&path, may_enter, depth - 1, paths)?;
        }
        if paths.len() > MAX_VARIABLES {
            return Err(unreadable(io::Error::other(format!("there are more than {MAX_VARIABLES} files with variables"))));
        }
    }
    Ok(())
}

fn full_path(root: &Path, path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => root.join(path),
    }
}

pub(crate) fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()).unwrap_or_else(|| PathBuf::from("/"))
}

/// The inventories in a directory, in the order of their names; variables of groups and hosts are data, and left out.
fn files_of(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_left_out = name.starts_with('.') || name.ends_with('~') || name.ends_with(".orig") || name.ends_with(".cfg");
        if !is_left_out && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(unreadable(io::Error::other(format!("it has more than {} MiB", MAX_FILE >> 20))));
    }
    Ok(bytes)
}

/// Says whether a file is meant to be run: it may be, and is a script or a binary. A file system that lets everything be run says nothing.
fn is_program(path: &Path, bytes: &[u8]) -> bool {
    let may_run = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0);
    may_run && (bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF"))
}

/// Reads what an ssh configuration includes; what cannot be read is left out, as ssh does.
fn include(text: &str, depth: usize, texts: &mut Vec<InventoryText>) {
    if depth == 0 {
        return;
    }
    for pattern in ssh_includes(text) {
        let pattern = match pattern.strip_prefix("~/") {
            Some(rest) => home().join(rest),
            None => home().join(".ssh").join(pattern),
        };
        let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str())) else {
            continue;
        };
        let Ok(glob) = globset::GlobBuilder::new(name).build() else { continue };
        let glob = glob.compile_matcher();
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.file_name().is_some_and(|name| glob.is_match(name))).collect();
        paths.sort();
        for path in paths {
            let Ok(bytes) = read_bounded(&path) else { continue };
            let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
            include(&text, depth - 1, texts);
            let name = path.to_string_lossy().into_owned();
            texts.push(InventoryText::new(name, text, InventoryFormat::SshConfig));
        }
    }
}

/// The machines of the inventory that a target means; all of them without one. Nobody is asked: facts are those that are known.
pub(crate) fn select<'l>(loaded: &'l Loaded, on: Option<&str>, state: &Path) -> Result<Selected<'l>, Failure> {
    let inventory = loaded.project.inventory();
    let Some(on) = on else {
        return Ok(Selected { targets: inventory.targets().iter().collect(), unknown: Vec::new() });
    };
    let failed = |source| Failure::Target { text: on.to_owned(), source };
    let targets = Targets::parse(on).map_err(failed)?;
    let facts = |name: &str| known_facts(loaded, name, state);
    targets.select(inventory, loaded.project.facts_type(), &facts).map_err(failed)
}

/// The facts of a node that lie in the project, else those that it told within the last day; with the defaults of those it does not tell.
pub(crate) fn known_facts(loaded: &Loaded, name: &str, state: &Path) -> Option<Map> {
    stored_facts(loaded, name).or_else(|| {
        let (_, kept) = many::kept_facts(state, name, FRESH)?;
        read_told(loaded, name, kept.to_string().as_bytes())
    })
}

/// The facts of a node that lie in the project, where they are what they should be.
pub(crate) fn stored_facts(loaded: &Loaded, name: &str) -> Option<Map> {
    let directory = loaded.root.join(&*loaded.project.config().facts.directory);
    read_told(loaded, name, &std::fs::read(directory.join(format!("{name}.json"))).ok()?)
}

/// What a node has told, held to the types of the project and with its defaults; nothing where something does not fit.
pub(crate) fn completed(loaded: &Loaded, name: &str, told: &Map) -> Option<Map> {
    read_told(loaded, name, json::facts_json(&Value::Map(Arc::new(told.clone()))).to_string().as_bytes())
}

fn read_told(loaded: &Loaded, name: &str, told: &[u8]) -> Option<Map> {
    let file: Arc<str> = format!("facts of {name}").into();
    let (facts, found) = stead_compiler::facts::from_json(&file, told, loaded.project.facts_type());
    let fits = !found.iter().any(Diagnostic::is_error);
    fits.then(|| loaded.project.completed_facts(&loaded.project.node(name, facts)))
}

/// Three names, and how many more.
pub(crate) fn shortened(names: &[&str]) -> String {
    match names {
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more", names.len() - 3),
        names => names.join(", "),
    }
}

/// The machine of this name.
pub(crate) fn host<'l>(loaded: &'l Loaded, name: &str) -> Result<&'l Target, Failure> {
    let inventory = loaded.project.inventory();
    inventory.target(name).ok_or_else(|| Failure::NoSuchHost {
        name: name.to_owned(),
        closest: stead_catalog::closest(name, inventory.targets().iter().map(|target| &*target.name)).map(str::to_owned),
    })
}
