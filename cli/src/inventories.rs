//! Inventories of other tools, as `stead.toml` names them: read, and run where they are programs.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Map, Target};
use stead_compiler::config::{Config, InventoryFile};
use stead_compiler::inventory::{InventoryFormat, InventoryText, ssh_includes};
use stead_compiler::targets::{Selected, Targets};
use stead_engine::run_program;

use crate::failure::Failure;
use crate::project::Loaded;

/// How long a program may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest inventory, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Deepest chain of files that include each other.
const MAX_INCLUDES: usize = 16;

/// Reads the inventories that the project at `root` names, by their paths there.
pub(crate) fn read(root: &Path, config: &Config) -> Result<BTreeMap<Arc<str>, Vec<InventoryText>>, Failure> {
    let timeout = config.inventory.timeout_ns.map_or(TIMEOUT, Duration::from_nanos);
    let mut inventories = BTreeMap::new();
    for file in &config.inventory.files {
        let path = full_path(root, &file.path);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // What is missing in the project is told where stead.toml names it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !file.path.starts_with(['/', '~']) => continue,
            Err(source) => return Err(Failure::Unreadable { path, source }),
        };
        let mut texts = Vec::new();
        if metadata.is_dir() {
            for path in files_of(&path)? {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                one(root, &name, &path, file, timeout, &mut texts)?;
            }
        } else {
            one(root, &file.path, &path, file, timeout, &mut texts)?;
        }
        inventories.insert(file.path.clone(), texts);
    }
    Ok(inventories)
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

fn one(
    root: &Path,
    name: &str,
    path: &Path,
    file: &InventoryFile,
    timeout: Duration,
    texts: &mut Vec<InventoryText>,
) -> Result<(), Failure> {
    let bytes = read_bounded(path)?;
    if is_program(path, &bytes) {
        let argv: Vec<Arc<str>> =
            vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into(), "--list".into()];
        let directory = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let printed = run_program(&argv, &directory, timeout)
            .map_err(|source| Failure::InventoryProgram { path: path.to_owned(), source })?;
        let text = String::from_utf8_lossy(&printed).into();
        texts.push(InventoryText { name: format!("{name} --list").into(), text, format: InventoryFormat::AnsibleJson });
        return Ok(());
    }
    let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
    let format = file.format.unwrap_or_else(|| InventoryFormat::of(name, &text));
    if format == InventoryFormat::SshConfig {
        include(&text, MAX_INCLUDES, texts);
    }
    texts.push(InventoryText { name: name.into(), text, format });
    Ok(())
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
            texts.push(InventoryText { name: name.into(), text, format: InventoryFormat::SshConfig });
        }
    }
}

/// The machines of the inventory that a target means; all of them without one. Facts are those that lie in the project.
pub(crate) fn select<'l>(loaded: &'l Loaded, on: Option<&str>) -> Result<Selected<'l>, Failure> {
    let inventory = loaded.project.inventory();
    let Some(on) = on else {
        return Ok(Selected { targets: inventory.targets.iter().collect(), unknown: Vec::new() });
    };
    let failed = |source| Failure::Target { text: on.to_owned(), source };
    let targets = Targets::parse(on).map_err(failed)?;
    let facts = |name: &str| known_facts(loaded, name);
    targets.select(inventory, loaded.project.facts_type(), &facts).map_err(failed)
}

/// The facts of a node that lie in the project, where they are what they should be.
fn known_facts(loaded: &Loaded, name: &str) -> Option<Map> {
    let directory = &*loaded.project.config().facts.directory;
    let path = loaded.root.join(directory).join(format!("{name}.json"));
    let (facts, found) = loaded.read_facts(&path, &format!("{directory}/{name}.json")).ok()?;
    (!found.iter().any(stead_compiler::Diagnostic::is_error)).then_some(facts)
}

/// The machine of this name.
pub(crate) fn host<'l>(loaded: &'l Loaded, name: &str) -> Result<&'l Target, Failure> {
    let inventory = loaded.project.inventory();
    inventory.target(name).ok_or_else(|| Failure::NoSuchHost {
        name: name.to_owned(),
        closest: stead_catalog::closest(name, inventory.targets.iter().map(|target| &*target.name)).map(str::to_owned),
    })
}
