//! Secrets: the keys that open them, the recipients they are sealed for, and the programs that tell some.

mod editing;
mod file;
mod keys;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stead_compiler::config::Program;
use stead_compiler::secrets::{PREFIX, SecretError, Unseal};
use stead_engine::run_program;
use stead_grammar::ast::Span;

use crate::failure::Failure;
use crate::project::Secrets;

pub(crate) use editing::edit;
pub(crate) use file::{DataFile, KeyPath, recipients_of};
pub(crate) use keys::{ask_hidden, use_identities, usual_identity};

use keys::KeyFile;

/// Largest secret, in bytes.
const MAX_SECRET: u64 = 1 << 20;

fn damaged() -> SecretError {
    SecretError {
        code: "damaged-secret",
        message: "this secret is damaged: it is not what age wrote".into(),
        hint: Some("set it anew: `stead secret set FILE KEY`".into()),
    }
}

/// Opens nothing, and looks whether what is sealed could be opened at all: for editors.
pub(crate) struct SealedOnly;

impl Unseal for SealedOnly {
    fn open(&self, base64: &str) -> Result<Option<Arc<str>>, SecretError> {
        let sealed = STANDARD.decode(base64).map_err(|_| damaged())?;
        age::Decryptor::new_buffered(&sealed[..]).map_err(|_| damaged())?;
        Ok(None)
    }

    fn ask(&self, _: &Program, _: Option<&str>) -> Result<Option<Arc<str>>, SecretError> {
        Ok(None)
    }
}

/// What opens the secrets of a project for this user.
pub(crate) struct UserKeys {
    /// Programs run here.
    root: PathBuf,
    with: Secrets,
    keys: OnceLock<Result<Vec<KeyFile>, SecretError>>,
}

impl UserKeys {
    /// Keys are read when the first secret is met that is to be opened.
    pub(crate) fn new(root: &Path, with: Secrets) -> Self {
        Self { root: root.to_owned(), with, keys: OnceLock::new() }
    }

    /// Opens base64 of what age wrote.
    pub(crate) fn decrypt(&self, base64: &str) -> Result<Arc<str>, SecretError> {
        let sealed = STANDARD.decode(base64).map_err(|_| damaged())?;
        let decryptor = age::Decryptor::new_buffered(&sealed[..]).map_err(|_| damaged())?;
        let keys = self.keys.get_or_init(keys::find).as_ref().map_err(Clone::clone)?;
        let opened = decryptor.decrypt(keys.iter().flat_map(KeyFile::identities));
        let reader = match opened {
            Ok(reader) => reader,
            Err(age::DecryptError::NoMatchingKeys) if !keys::is_locked() => return Err(keys::none_opens(keys)),
            Err(age::DecryptError::NoMatchingKeys | age::DecryptError::KeyDecryptionFailed) => return Err(keys::not_unlocked()),
            Err(_) => return Err(damaged()),
        };
        let mut text = Vec::new();
        reader.take(MAX_SECRET + 1).read_to_end(&mut text).map_err(|_| damaged())?;
        if text.len() as u64 > MAX_SECRET {
            return Err(SecretError { code: "damaged-secret", message: "this secret is larger than 1 MiB".into(), hint: None });
        }
        let text = String::from_utf8(text).map_err(|_| SecretError {
            code: "damaged-secret",
            message: "this secret is not text".into(),
            hint: Some("encode bytes in base64 before they are encrypted, and decode them where they are used".into()),
        })?;
        Ok(text.into())
    }
}

impl Unseal for UserKeys {
    fn open(&self, base64: &str) -> Result<Option<Arc<str>>, SecretError> {
        if self.with == Secrets::Sealed {
            return Ok(None);
        }
        match self.decrypt(base64) {
            Ok(text) => Ok(Some(text)),
            Err(error) if self.with == Secrets::WhereOpen && error.code == "no-identity" => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, program: &Program, argument: Option<&str>) -> Result<Option<Arc<str>>, SecretError> {
        // A check asks nobody: programs may have to be unlocked, or be far away. A review runs nothing of what it looks at.
        if self.with != Secrets::Needed {
            return Ok(None);
        }
        let failed = |message: String| SecretError { code: "secret-command-failed", message, hint: None };
        let mut argv = program.argv.clone();
        if let Some(argument) = argument {
            if argument.starts_with('-') || argument.chars().any(char::is_control) {
                return Err(failed("the argument of a secret starts with `-` or holds control characters".into()));
            }
            argv.push(argument.into());
        }
        let directory = std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone());
        let printed = run_program(&argv, &directory, Duration::from_nanos(program.timeout_ns))
            .map_err(|error| failed(format!("the secret is not told: {error}")))?;
        let text = String::from_utf8(printed).map_err(|_| failed(format!("`{}` printed something that is not text", argv[0])))?;
        // One newline at the end is how programs end a line, and no part of the secret.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if text.is_empty() {
            return Err(failed(format!("`{}` printed nothing", argv[0])));
        }
        Ok(Some(text.into()))
    }

    fn may_leave_out(&self) -> bool {
        self.with == Secrets::WhereOpen
    }
}

/// Public keys that secrets are sealed for.
pub(crate) struct Recipients {
    list: Vec<Box<dyn age::Recipient + Send>>,
}

impl Recipients {
    /// Reads the recipients of `stead.toml`.
    ///
    /// # Errors
    /// When there are none, or one is no public key that can be used.
    pub(crate) fn read(recipients: &[(Arc<str>, Span)]) -> Result<Self, Failure> {
        if recipients.is_empty() {
            return Err(Failure::NoRecipients);
        }
        let mut list: Vec<Box<dyn age::Recipient + Send>> = Vec::with_capacity(recipients.len());
        for (text, _) in recipients {
            let bad = |reason: &str| Failure::BadRecipient { recipient: text.to_string(), reason: reason.to_owned() };
            if text.starts_with("age1") {
                let recipient: age::x25519::Recipient = text.parse().map_err(bad)?;
                list.push(Box::new(recipient));
            } else if text.starts_with("ssh-ed25519 ") {
                let recipient: age::ssh::Recipient = text.parse().map_err(|_| bad("it is not a public key of ssh"))?;
                list.push(Box::new(recipient));
            } else if text.starts_with("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
                // The text itself is not repeated: it is what must not be seen.
                let reason = "it is a private key; take it out of the file, and out of its history".to_owned();
                return Err(Failure::BadRecipient { recipient: "(private key)".into(), reason });
            } else {
                return Err(bad("expected `age1…` or `ssh-ed25519 …`"));
            }
        }
        Ok(Self { list })
    }

    /// Seals a text for all of them: `age:…`.
    pub(crate) fn encrypt(&self, text: &str) -> Result<String, Failure> {
        let failed = |message: String| Failure::NotEncrypted(message);
        let recipients = self.list.iter().map(|recipient| recipient.as_ref() as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
        writer.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        writer.finish().map_err(|error| failed(error.to_string()))?;
        Ok(format!("{PREFIX}{}", STANDARD.encode(sealed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> (Arc<str>, Span) {
        (text.into(), Span::at(0))
    }

    #[test]
    fn what_is_sealed_is_opened_by_each_recipient_and_by_no_other() {
        let (ann, bob, eve) =
            (age::x25519::Identity::generate(), age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let recipients = [span(&ann.to_public().to_string()), span(&bob.to_public().to_string())];
        let sealed = Recipients::read(&recipients)
            .unwrap_or_else(|e| panic!("{e}"))
            .encrypt("hunter2 é")
            .unwrap_or_else(|e| panic!("{e}"));
        let base64 = sealed.strip_prefix(PREFIX).expect("the prefix");
        let open = |identity: &age::x25519::Identity| {
            let keys = UserKeys::new(Path::new("/"), Secrets::Needed);
            let file = KeyFile::of_text("test", identity.to_string().expose_secret_text());
            assert!(keys.keys.set(Ok(vec![file.unwrap_or_else(|e| panic!("{}", e.message))])).is_ok());
            keys.decrypt(base64)
        };
        assert_eq!(open(&ann).as_deref(), Ok("hunter2 é"));
        assert_eq!(open(&bob).as_deref(), Ok("hunter2 é"));
        assert_eq!(open(&eve).unwrap_err().code, "no-identity");
    }

    #[test]
    fn any_change_is_noticed() {
        let ann = age::x25519::Identity::generate();
        let sealed = Recipients::read(&[span(&ann.to_public().to_string())])
            .unwrap_or_else(|e| panic!("{e}"))
            .encrypt("x")
            .unwrap_or_else(|e| panic!("{e}"));
        let bytes = STANDARD.decode(&sealed[PREFIX.len()..]).expect("base64");
        let keys = UserKeys::new(Path::new("/"), Secrets::Needed);
        let file = KeyFile::of_text("test", ann.to_string().expose_secret_text()).unwrap_or_else(|e| panic!("{}", e.message));
        assert!(keys.keys.set(Ok(vec![file])).is_ok());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(keys.decrypt(&STANDARD.encode(changed)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_private_key_is_no_recipient_and_is_not_repeated() {
        let key = age::x25519::Identity::generate().to_string();
        let error = Recipients::read(&[span(key.expose_secret_text())]).err().expect("an error").to_string();
        assert!(!error.contains("AGE-SECRET-KEY-1"), "{error}");
    }

    trait Exposed {
        fn expose_secret_text(&self) -> &str;
    }

    impl Exposed for age::secrecy::SecretString {
        fn expose_secret_text(&self) -> &str {
            use age::secrecy::ExposeSecret as _;
            self.expose_secret()
        }
    }
}
