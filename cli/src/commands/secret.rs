//! `stead secret`: encrypted values of data files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use stead_catalog::Value;
use stead_compiler::Sources as _;
use stead_compiler::config::Config;
use stead_compiler::data::{self, Format, Kind};
use stead_report::{clean, counted};

use crate::args::{
    SecretArguments, SecretCheckArguments, SecretCommand, SecretEditArguments, SecretKeygenArguments, SecretRekeyArguments,
    SecretSetArguments,
};
use crate::failure::Failure;
use crate::project::Secrets;
use crate::secrets::{DataFile, KeyPath, Recipients, UserKeys, ask_hidden, edit, recipients_of};
use crate::sources::DirectorySources;
use crate::terminal::Terminal;

/// Largest secret that is set, in bytes.
const MAX_SECRET: u64 = 1 << 20;

pub(crate) fn run(arguments: &SecretArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match &arguments.command {
        SecretCommand::Set(arguments) => set(arguments, terminal),
        SecretCommand::Edit(arguments) => edit_file(arguments, terminal),
        SecretCommand::Rekey(arguments) => rekey(arguments, terminal),
        SecretCommand::Check(arguments) => check(arguments, terminal),
        SecretCommand::Keygen(arguments) => keygen(arguments, terminal),
    }
}

/// The project that a data file belongs to: the directory above it with a `stead.toml`.
fn project_of(file: &Path) -> Result<(PathBuf, Config), Failure> {
    let full = std::path::absolute(file).map_err(|source| Failure::Unreadable { path: file.to_owned(), source })?;
    let root = full.ancestors().skip(1).find(|directory| directory.join("stead.toml").is_file());
    let Some(root) = root else {
        let path = full.parent().unwrap_or(&full).to_owned();
        return Err(Failure::NotAProject { path, suggestion: Some("`stead init` makes a project".into()) });
    };
    Ok((root.to_owned(), crate::dependencies::read_config(root)))
}

fn key_path(text: &str) -> Result<KeyPath, Failure> {
    KeyPath::parse(text).ok_or_else(|| Failure::BadKey(text.to_owned()))
}

fn set(arguments: &SecretSetArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let key = key_path(&arguments.key)?;
    let (root, config) = project_of(&arguments.file)?;
    let recipients = Recipients::read(&config.secrets.recipients)?;
    let mut file = DataFile::read(&arguments.file, terminal)?;
    let value = read_value(&arguments.key)?;
    file.set(&key, &recipients.encrypt(&value)?)?;
    file.write()?;
    terminal.note(&format!("set `{key}` in {}\n", clean(&arguments.file.to_string_lossy())));
    let below = std::path::absolute(&arguments.file).ok().and_then(|file| file.strip_prefix(&root).ok().map(Path::to_owned));
    if below.is_some_and(|below| !below.starts_with(&*config.data.directory)) {
        terminal.note(&format!("that is no data of the project: it lies below {}/\n", clean(&config.data.directory)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the value: from what is piped in, without the newline at its end; on a terminal twice, unseen. Never from the command line.
fn read_value(key: &str) -> Result<String, Failure> {
    let unreadable = |source| Failure::Unreadable { path: PathBuf::from("standard input"), source };
    if !io::stdin().is_terminal() {
        let mut text = String::new();
        io::stdin().take(MAX_SECRET + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_SECRET {
            return Err(unreadable(io::Error::other("a secret has at most 1 MiB")));
        }
        if text.ends_with('\n') {
            text.pop();
        }
        return if text.is_empty() { Err(Failure::EmptySecret) } else { Ok(text) };
    }
    let first = ask_hidden(&format!("value of {}: ", stead_report::clean(key))).map_err(unreadable)?;
    let second = ask_hidden("again: ").map_err(unreadable)?;
    match (first, second) {
        (Some(first), Some(second)) if first == second && !first.is_empty() => Ok(first),
        (Some(first), Some(second)) if first == second => Err(Failure::EmptySecret),
        _ => Err(unreadable(io::Error::other("the two are not the same"))),
    }
}

/// Opens every encrypted value of a file, with its key.
fn open_all(file: &DataFile, keys: &UserKeys) -> Result<Vec<(KeyPath, Arc<str>)>, Failure> {
    let opened = file.sealed().into_iter().map(|(key, base64)| match keys.decrypt(&base64) {
        Ok(text) => Ok((key, text)),
        Err(source) => Err(Failure::Secret { path: file.path.clone(), key: key.to_string(), source }),
    });
    opened.collect()
}

fn edit_file(arguments: &SecretEditArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (root, config) = project_of(&arguments.file)?;
    let recipients = Recipients::read(&config.secrets.recipients)?;
    let mut file = DataFile::read(&arguments.file, terminal)?;
    let opened = open_all(&file, &UserKeys::new(&root, Secrets::Needed))?;
    let mut text = format!(
        "# The secrets of {}, as plain text. What is changed is encrypted anew, what is added is encrypted;\n# this file is gone when the editor ends.\n",
        arguments.file.display()
    );
    for (key, value) in &opened {
        let _ = writeln!(text, "{}: {}", json(&key.to_string()), block(value));
    }
    let edited = edit(&text)?;
    let before: BTreeMap<String, Arc<str>> = opened.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
    let after = read_edited(&edited)?;
    if let Some(gone) = before.keys().find(|key| !after.contains_key(*key)) {
        return Err(Failure::SecretGone { path: arguments.file.clone(), key: gone.clone() });
    }
    let mut changed = 0;
    for (key, value) in &after {
        if before.get(key).is_none_or(|old| **old != **value) {
            file.set(&key_path(key)?, &recipients.encrypt(value)?)?;
            changed += 1;
        }
    }
    if changed > 0 {
        file.write()?;
    }
    let what = counted(changed, "secret");
    terminal.note(&format!("{what} changed in {}\n", arguments.file.display()));
    Ok(ExitCode::SUCCESS)
}

/// A string as JSON writes it, which YAML reads.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value for the editor: several lines as a block where that keeps them exactly, else in quotes.
fn block(text: &str) -> String {
    let is_plain = text.chars().all(|c| c == '\n' || !c.is_control()) && !text.starts_with([' ', '\n']) && !text.ends_with([' ']);
    let body = text.trim_end_matches('\n');
    if !is_plain || !body.contains('\n') || text.len() - body.len() > 1 {
        return json(text);
    }
    let chomp = if body.len() == text.len() { "|-" } else { "|" };
    let lines: Vec<String> = body.lines().map(|line| if line.is_empty() { String::new() } else { format!("  {line}") }).collect();
    format!("{chomp}\n{}", lines.join("\n"))
}

/// Keys with texts, as the editor left them. Messages hold no line of it.
fn read_edited(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let (root, found) = data::parse(&"secrets".into(), text.as_bytes(), Format::Yaml);
    if let Some(error) = found.iter().find(|diagnostic| diagnostic.is_error()) {
        return Err(Failure::EditedSecrets(format!("it is no YAML any more ({})", error.code)));
    }
    let mut values = BTreeMap::new();
    let Some(root) = root else { return Ok(values) };
    let Kind::Map(entries) = &root.kind else {
        return Err(Failure::EditedSecrets("expected a line `KEY: VALUE` for each secret".into()));
    };
    for (key, entry) in entries.iter() {
        let value = match &entry.node.kind {
            Kind::Scalar(Value::String(text)) => text.to_string(),
            // A number without quotes is meant as its text.
            Kind::Scalar(Value::None) | Kind::List(_) | Kind::Map(_) => {
                return Err(Failure::EditedSecrets(format!("the value of `{key}` is no text")));
            }
            Kind::Scalar(_) => entry.node.span.text(text).to_owned(),
        };
        values.insert(key.to_string(), value);
    }
    Ok(values)
}

/// The data files of a project.
fn data_files(path: &Path, terminal: &Terminal) -> Result<(PathBuf, Config, Vec<DataFile>), Failure> {
    let root = crate::project::root_of(path)?;
    let config = crate::dependencies::read_config(&root);
    let sources = DirectorySources::open(&root).map_err(|source| Failure::Unreadable { path: root.clone(), source })?;
    let names = sources.files(&config.data.directory, &["yaml", "yml", "toml", "json"]);
    let below = |name: &str| if root == Path::new(".") { PathBuf::from(name) } else { root.join(name) };
    let files: Result<Vec<DataFile>, Failure> = names.iter().map(|name| DataFile::read(&below(name), terminal)).collect();
    Ok((root, config, files?))
}

fn rekey(arguments: &SecretRekeyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (root, config, files) = data_files(&arguments.path, terminal)?;
    let recipients = Recipients::read(&config.secrets.recipients)?;
    let keys = UserKeys::new(&root, Secrets::Needed);
    let mut count = 0;
    let mut changed = Vec::new();
    // Everything is opened before anything is written: a key that is missing leaves all files as they are.
    for mut file in files {
        let opened = open_all(&file, &keys)?;
        for (key, value) in &opened {
            file.set(key, &recipients.encrypt(value)?)?;
        }
        count += opened.len();
        if !opened.is_empty() {
            changed.push(file);
        }
    }
    for file in &changed {
        file.write()?;
    }
    let (files, keys) = (counted(changed.len(), "file"), counted(config.secrets.recipients.len(), "key"));
    terminal.note(&format!("{} in {files} encrypted anew for {keys}\n", counted(count, "secret")));
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &SecretCheckArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (root, config, files) = data_files(&arguments.path, terminal)?;
    if files.iter().any(|file| !file.sealed().is_empty()) {
        Recipients::read(&config.secrets.recipients)?;
    }
    let keys = UserKeys::new(&root, Secrets::Needed);
    let wanted = config.secrets.recipients.len();
    let mut checked = Vec::new();
    for file in &files {
        for (key, base64) in file.sealed() {
            let problem = match (keys.decrypt(&base64), recipients_of(&base64)) {
                (Err(error), _) => Some(error.message),
                (Ok(_), Some(count)) if count != wanted => {
                    Some(format!("it is encrypted for {count} keys, and stead.toml names {wanted}: `stead secret rekey`"))
                }
                (Ok(_), _) => None,
            };
            checked.push((file.path.display().to_string(), key.to_string(), problem));
        }
    }
    let bad = checked.iter().filter(|(.., problem)| problem.is_some()).count();
    if arguments.json {
        let secrets = checked.iter().map(|(file, key, problem)| json!({ "file": file, "key": key, "problem": problem }));
        let fields = json!({ "secrets": secrets.collect::<Vec<_>>() });
        terminal.print(&super::document(fields)?)?;
    } else {
        let line = |(file, key, problem): &(String, String, Option<String>)| {
            Some(stead_report::clean(&format!("{file}: {key}: {}", problem.as_ref()?)).into_owned() + "\n")
        };
        let lines: String = checked.iter().filter_map(line).collect();
        terminal.print(&format!("{lines}{} good, {bad} bad\n", checked.len() - bad))?;
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn keygen(arguments: &SecretKeygenArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    use age::secrecy::ExposeSecret as _;
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => crate::secrets::usual_identity(),
    };
    let unwritable = |source| Failure::Unwritable { path: path.clone(), source };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(unwritable)?;
    }
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public();
    // A key that is there is never overwritten: what it opens would be lost.
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(unwritable)?;
    let text = format!("# public key: {public}\n{}\n", identity.to_string().expose_secret());
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    terminal.note(&format!("wrote {}; name the public key in stead.toml: [secrets] recipients = [\"…\"]\n", path.display()));
    terminal.print(&format!("{public}\n"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_from_the_editor_as_it_went() {
        for text in [
            "x",
            "007",
            "yes",
            "a: b",
            "# no",
            "two\nlines",
            "two\nlines\n",
            "a\n\n\nb",
            "end\n\n",
            " lead\nx",
            "tab\tx\ny",
            "quote\"s\nand 'more'",
            "é\u{1f511}\nü",
            "-----BEGIN X-----\nabc=\n-----END X-----\n",
            "trail \nx",
            "\u{1}",
        ] {
            let document = format!("\"a.b\": {}\n", block(text));
            let read = read_edited(&document).unwrap_or_else(|e| panic!("{text:?}: {e}\n{document}"));
            assert_eq!(read["a.b"], text, "{document}");
        }
    }
}
