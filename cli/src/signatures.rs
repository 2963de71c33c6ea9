//! Signatures over saved plans, made and checked by the user's own `ssh-keygen`: so agents, hardware keys and certificates count.
//!
//! The signatures of `FILE` are in `FILE.sig`, one after the other, each as `ssh-keygen -Y sign` writes it. Who may sign stands in a
//! file of allowed signers in the repository (see ssh-keygen(1)); a signature counts once for a person and once for a key.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::project::Loaded;
use crate::terminal::Terminal;

/// Keeps a signature for something else from counting for a plan.
const NAMESPACE: &str = "stead-plan";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Signatures of one plan that are looked at.
const MOST: usize = 64;

/// Why a plan was not signed, or is not signed well enough.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignatureError {
    /// `ssh-keygen` cannot be started.
    #[error("`ssh-keygen` cannot be started: {0}")]
    NoProgram(io::Error),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// `ssh-keygen` would not sign.
    #[error("the plan was not signed: {0}")]
    NotSigned(String),
    /// Too few good signatures.
    #[error("{} has {good} of the {wanted} signature{} that the project demands", path.display(), if *.wanted == 1 { "" } else { "s" })]
    TooFew {
        /// The plan.
        path: PathBuf,
        /// People whose signatures are good.
        good: usize,
        /// How many are demanded.
        wanted: usize,
        /// Why others do not count.
        others: Vec<String>,
    },
    /// A plan that was not saved cannot be signed.
    #[error("the project demands {wanted} signature{} of what is applied, and this is no saved plan", if *.wanted == 1 { "" } else { "s" })]
    NoSavedPlan {
        /// How many are demanded.
        wanted: usize,
    },
}

impl SignatureError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoProgram(_) => "ssh-keygen-missing",
            Self::File { .. } | Self::NotSigned(_) => "not-signed",
            Self::TooFew { .. } | Self::NoSavedPlan { .. } => "signatures-missing",
        }
    }

    /// The way out.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoProgram(_) => "install OpenSSH's client, such as with `apt install openssh-client`".into(),
            Self::File { .. } => return None,
            Self::NotSigned(_) => "name the key with `--key FILE`; of one in an agent, its public half".into(),
            Self::TooFew { others, .. } if others.is_empty() => "somebody else signs it with `stead sign FILE`".into(),
            Self::TooFew { others, .. } => others.join("; "),
            Self::NoSavedPlan { .. } => {
                "save it with `stead plan -o FILE`, have it signed with `stead sign FILE`, and apply that".into()
            }
        })
    }
}

/// Where the signatures of a plan are.
pub(crate) fn signatures_of(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn keygen(arguments: &[&OsStr], input: &Path) -> Result<Output, SignatureError> {
    let file = File::open(input).map_err(|source| SignatureError::File { path: input.to_owned(), source })?;
    let mut command = Command::new("ssh-keygen");
    command.args(arguments).stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.output().map_err(SignatureError::NoProgram)
}

fn said(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Signs a plan, and adds the signature to those it has. Asks on the terminal for a passphrase or a touch, as `ssh-keygen` does.
///
/// # Errors
/// [`SignatureError::NotSigned`] where `ssh-keygen` says no.
pub(crate) fn sign(plan: &Path, key: &Path) -> Result<PathBuf, SignatureError> {
    let arguments =
        [OsStr::new("-Y"), OsStr::new("sign"), OsStr::new("-n"), OsStr::new(NAMESPACE), OsStr::new("-f"), key.as_os_str()];
    let output = keygen(&arguments, plan)?;
    let signature = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || blocks(&signature).len() != 1 {
        return Err(SignatureError::NotSigned(said(&output)));
    }
    let path = signatures_of(plan);
    let failed = |source| SignatureError::File { path: path.clone(), source };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o644).open(&path).map_err(failed)?;
    file.write_all(signature.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(path)
}

/// Demands so many good signatures, by different people with different keys, of those that `allowed` names. Returns who signed.
///
/// # Errors
/// [`SignatureError::TooFew`] with the reasons of those that do not count.
pub(crate) fn demand(plan: &Path, allowed: &Path, wanted: usize) -> Result<BTreeSet<String>, SignatureError> {
    let path = signatures_of(plan);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(SignatureError::File { path, source }),
    };
    if let Err(source) = File::open(allowed) {
        return Err(SignatureError::File { path: allowed.to_owned(), source });
    }
    let directory = tempfile::Builder::new().prefix("stead-signatures-").tempdir();
    let directory = directory.map_err(|source| SignatureError::File { path: std::env::temp_dir(), source })?;
    let (mut people, mut keys, mut others) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (at, block) in blocks(&text).iter().take(MOST).enumerate() {
        let signature = directory.path().join("signature");
        fs::write(&signature, block).map_err(|source| SignatureError::File { path: signature.clone(), source })?;
        match verify(plan, allowed, &signature)? {
            Ok((person, key)) => {
                if keys.insert(key) {
                    people.insert(person);
                } else {
                    others.push(format!("signature {} is by a key that signed already", at + 1));
                }
            }
            Err(why) => others.push(format!("signature {} does not count: {why}", at + 1)),
        }
    }
    if people.len() < wanted {
        return Err(SignatureError::TooFew { path: plan.to_owned(), good: people.len(), wanted, others });
    }
    Ok(people)
}

/// Demands the signatures that a project wants before anything of it is applied; `saved` is the plan's file, where there is one.
///
/// # Errors
/// [`SignatureError::TooFew`], and [`SignatureError::NoSavedPlan`] where nothing was saved that could be signed.
pub(crate) fn demand_for(loaded: &Loaded, saved: Option<&Path>, terminal: &Terminal) -> Result<(), SignatureError> {
    let review = &loaded.project.config().review;
    let wanted = review.signatures as usize;
    if wanted == 0 {
        return Ok(());
    }
    let Some(plan) = saved else { return Err(SignatureError::NoSavedPlan { wanted }) };
    let allowed = loaded.root.join(review.allowed_signers.as_deref().unwrap_or("allowed_signers"));
    let people = demand(plan, &allowed, wanted)?;
    let names: Vec<_> = people.iter().map(|person| stead_report::clean(person).into_owned()).collect();
    terminal.note(&format!("signed by {}\n", names.join(", ")));
    Ok(())
}

/// Who made a signature with which key; else why it does not count.
fn verify(plan: &Path, allowed: &Path, signature: &Path) -> Result<Result<(String, String), String>, SignatureError> {
    let start = |what: &'static str| {
        [OsStr::new("-Y"), OsStr::new(what), OsStr::new("-f"), allowed.as_os_str(), OsStr::new("-s"), signature.as_os_str()]
    };
    let found = keygen(&start("find-principals"), plan)?;
    let people = String::from_utf8_lossy(&found.stdout).into_owned();
    if !found.status.success() {
        return Ok(Err("its key is not among the allowed signers".to_owned()));
    }
    let mut why = "its key is not among the allowed signers".to_owned();
    for person in people.lines().map(str::trim).filter(|person| !person.is_empty() && !person.starts_with('-')) {
        let mut arguments = start("verify").to_vec();
        arguments.extend([OsStr::new("-n"), OsStr::new(NAMESPACE), OsStr::new("-I"), OsStr::new(person)]);
        let output = keygen(&arguments, plan)?;
        let words = said(&output);
        if output.status.success() {
            // Good "stead-plan" signature for alice with ED25519 key SHA256:…
            let key = words.rsplit(' ').next().unwrap_or_default().to_owned();
            return Ok(Ok((person.to_owned(), key)));
        }
        why = words;
    }
    Ok(Err(why))
}

/// The armoured signatures in a text.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(BEGIN) {
        let Some(end) = rest[begin..].find(END) else { break };
        let end = begin + end + END.len();
        blocks.push(format!("{}\n", &rest[begin..end]));
        rest = &rest[end..];
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn key(&self, name: &str) -> String {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(self.path(name))
                .status();
            assert!(made.expect("ssh-keygen runs: tests/setup installs it").success());
            fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a public key")
        }
    }

    #[test]
    fn signatures_count_once_for_a_person_and_a_key() {
        let place = Place(tempfile::tempdir().expect("a directory"));
        let (alice, second, bob) = (place.key("alice"), place.key("second"), place.key("bob"));
        place.key("mallory");
        let allowed = place.path("allowed_signers");
        fs::write(&allowed, format!("alice namespaces=\"stead-plan\" {alice}alice {second}bob {bob}")).expect("written");
        let plan = place.path("plan");
        fs::write(&plan, "stead-plan\u{1}…").expect("written");
        let count = |wanted| match demand(&plan, &allowed, wanted) {
            Ok(people) => people.into_iter().collect::<Vec<_>>().join(","),
            Err(SignatureError::TooFew { good, others, .. }) => format!("{good} {}", others.join("; ")),
            Err(error) => error.to_string(),
        };
        assert_eq!(count(1), "0 ");
        sign(&plan, &place.path("alice")).expect("signs");
        sign(&plan, &place.path("alice")).expect("signs");
        sign(&plan, &place.path("second")).expect("signs");
        sign(&plan, &place.path("mallory")).expect("signs");
        assert_eq!(count(1), "alice");
        assert_eq!(
            count(2),
            "1 signature 2 is by a key that signed already; signature 4 does not count: its key is not among the allowed signers"
        );
        sign(&plan, &place.path("bob")).expect("signs");
        assert_eq!(count(2), "alice,bob");
        fs::write(&plan, "stead-plan\u{1}.. another").expect("written");
        assert!(count(1).starts_with("0 signature 1 does not count: "), "{}", count(1));
        assert!(matches!(sign(&plan, &place.path("nobody")), Err(SignatureError::NotSigned(_))));
    }

    #[test]
    fn a_signature_for_something_else_is_none_for_a_plan() {
        let place = Place(tempfile::tempdir().expect("a directory"));
        let alice = place.key("alice");
        let (plan, allowed) = (place.path("plan"), place.path("allowed"));
        fs::write(&allowed, format!("alice {alice}")).expect("written");
        fs::write(&plan, "x").expect("written");
        let signed =
            Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", "git", "-f"]).arg(place.path("alice")).arg(&plan).status();
        assert!(signed.expect("ssh-keygen runs").success());
        assert!(matches!(demand(&plan, &allowed, 1), Err(SignatureError::TooFew { good: 0, .. })));
    }
}
