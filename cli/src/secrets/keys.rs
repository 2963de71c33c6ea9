//! The user's keys: where they are looked for, and how they are read.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use age::secrecy::SecretString;
use stead_compiler::secrets::SecretError;

use crate::inventories::home;

/// Files given with `--identity`.
static GIVEN: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Takes the files that the command line names; once, before any secret is opened.
pub(crate) fn use_identities(files: Vec<PathBuf>) {
    // A second call would be a second command line: there is none.
    let _ = GIVEN.set(files);
}

/// Largest file of keys, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A file with keys.
pub(crate) struct KeyFile {
    name: String,
    identities: Vec<Box<dyn age::Identity + Send + Sync>>,
}

impl KeyFile {
    pub(crate) fn identities(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.identities.iter().map(|identity| identity.as_ref() as &dyn age::Identity)
    }

    /// Reads keys: `AGE-SECRET-KEY-1…` lines, or a private key of ssh. Messages hold nothing of it.
    pub(crate) fn of_text(name: &str, text: &str) -> Result<Self, SecretError> {
        let unusable = |what: &str, hint: &str| SecretError {
            code: "no-identity",
            message: format!("{name} {what}"),
            hint: Some(hint.to_owned()),
        };
        let mut identities: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
        if text.starts_with("-----BEGIN") {
            let key = age::ssh::Identity::from_buffer(text.as_bytes(), Some(name.to_owned()));
            match key {
                Ok(age::ssh::Identity::Unsupported(_)) | Err(_) => {
                    return Err(unusable("is not a key that opens secrets", "use an ed25519 key of ssh, or one of age"));
                }
                Ok(key @ age::ssh::Identity::Unencrypted(_)) => identities.push(Box::new(key)),
                Ok(key) => identities.push(Box::new(key.with_callbacks(Asking))),
            }
            return Ok(Self { name: name.to_owned(), identities });
        }
        if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE") {
            let hint = "decrypt it into a file that only you can read, for the time you need it";
            return Err(unusable("is itself encrypted with a passphrase", hint));
        }
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let hint = "expected lines `AGE-SECRET-KEY-1…`, or a private key of ssh";
            let key: age::x25519::Identity = line.parse().map_err(|_| unusable("holds a line that is no key", hint))?;
            identities.push(Box::new(key));
        }
        if identities.is_empty() {
            return Err(unusable("holds no key", "expected lines `AGE-SECRET-KEY-1…`, or a private key of ssh"));
        }
        Ok(Self { name: name.to_owned(), identities })
    }

    fn of_file(path: &Path) -> Result<Self, SecretError> {
        let name = path.display().to_string();
        let unreadable = |error: io::Error| SecretError {
            code: "no-identity",
            message: format!("cannot read the key {name}: {error}"),
            hint: None,
        };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
        Self::of_text(&name, &text)
    }
}

/// The keys of the user: those the command line names, else of the environment, else those at their usual places.
pub(super) fn find() -> Result<Vec<KeyFile>, SecretError> {
    let given = GIVEN.get().map(Vec::as_slice).unwrap_or_default();
    if !given.is_empty() {
        return given.iter().map(|path| KeyFile::of_file(path)).collect();
    }
    if let Some(value) = std::env::var_os("STEAD_AGE_IDENTITY").filter(|value| !value.is_empty()) {
        return match value.to_str() {
            Some(text) if text.contains("AGE-SECRET-KEY-") || text.starts_with("-----BEGIN") => {
                Ok(vec![KeyFile::of_text("$STEAD_AGE_IDENTITY", text)?])
            }
            _ => Ok(vec![KeyFile::of_file(Path::new(&value))?]),
        };
    }
    // A key at a usual place that cannot be used here hides no other.
    let usual = usual_places().into_iter().filter(|path| path.is_file()).map(|path| KeyFile::of_file(&path));
    let (found, unusable): (Vec<_>, Vec<_>) = usual.partition(Result::is_ok);
    let found: Vec<KeyFile> = found.into_iter().flatten().collect();
    match unusable.into_iter().find_map(Result::err) {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// Where a key is kept that was made for Stead.
pub(crate) fn usual_identity() -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.unwrap_or_else(|| home().join(".config"));
    config.join("stead/identity")
}

/// Where keys are looked for when nothing names them.
fn usual_places() -> Vec<PathBuf> {
    vec![usual_identity(), home().join(".ssh/id_ed25519")]
}

/// Says that no key fits.
pub(super) fn none_opens(keys: &[KeyFile]) -> SecretError {
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let (message, hint) = if names.is_empty() {
        let places: Vec<String> = usual_places().iter().map(|path| path.display().to_string()).collect();
        let message = format!("there is no key to open this secret: looked for {}", places.join(" and "));
        (message, "give one with --identity FILE, or with STEAD_AGE_IDENTITY".to_owned())
    } else {
        let message = format!("none of your keys opens this secret ({})", names.join(", "));
        (message, "name another key with --identity FILE; or somebody who can read it adds your public key to `recipients`, and runs `stead secret rekey`".to_owned())
    };
    SecretError { code: "no-identity", message, hint: Some(hint) }
}

/// Asks for the passphrase of an ssh key, on the terminal and nowhere else.
#[derive(Clone)]
struct Asking;

impl age::Callbacks for Asking {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        // Once a run for each key: every secret would ask again.
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        // The words come with marks of direction around names, which a terminal may not know.
        let question = description.replace(['\u{2068}', '\u{2069}'], "");
        let ask = || ask_hidden(&format!("{question}: ")).ok().flatten().map(SecretString::from);
        asked.entry(description.to_owned()).or_insert_with(ask).clone()
    }
}

/// What was typed for each key; nothing where there was no terminal.
static ASKED: Mutex<BTreeMap<String, Option<SecretString>>> = Mutex::new(BTreeMap::new());

/// Says that a key did not open for its passphrase: that it is wrong, or that nobody could be asked.
pub(super) fn not_unlocked() -> SecretError {
    let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let (message, hint) = match asked.values().any(Option::is_none) {
        true => (
            "the key has a passphrase, and there is no terminal to ask for it",
            "use a key without one where nobody sits, such as one of `stead secret keygen`",
        ),
        false => ("the passphrase does not open the key", "try again"),
    };
    SecretError { code: "no-identity", message: message.into(), hint: Some(hint.into()) }
}

/// Says that some key has a passphrase that nobody could be asked for.
pub(super) fn is_locked() -> bool {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner).values().any(Option::is_none)
}

/// Asks on the terminal without showing what is typed; `None` where there is no terminal.
pub(crate) fn ask_hidden(question: &str) -> io::Result<Option<String>> {
    let Ok(terminal) = std::fs::File::options().read(true).write(true).open("/dev/tty") else { return Ok(None) };
    if !terminal.is_terminal() {
        return Ok(None);
    }
    (&terminal).write_all(question.as_bytes())?;
    let typed = crate::hidden::read(&terminal);
    (&terminal).write_all(b"\n")?;
    typed
}
