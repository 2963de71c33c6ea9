//! The resource type `known_host`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use stead_catalog::{Footprint, Problem};
use stead_engine::{Applied, ApplyError, Difference, Machine, ObserveError, Predicted, ResourceType, World};

use crate::edit::lines::{self, body, split};
use crate::edit::owned::{ObservedOwned, OwnedFile, is_path};
use crate::edit::{Edited, EditedFile, ObservedEdit};
use crate::problems::Problems;
use crate::ssh_keys::{self, PublicKey};
use crate::values::{AbsolutePath, FromLiteral as _, Many, Mode, Port};
use crate::{Choice, Resource};

/// Where ssh looks for the keys that all users of the machine know.
const OF_ALL: &str = "/etc/ssh/ssh_known_hosts";

/// Keys by which ssh knows a host: lines of `/etc/ssh/ssh_known_hosts`, or of a user's `~/.ssh/known_hosts`.
///
/// A host may have a key of each type. A line with another key of the same type loses the name, so that a host that was set up anew is known
/// again; names that are hashed are found as well. Other lines stay. Compares to Salt's `ssh_known_hosts.present`, Puppet's
/// `sshkey`, and Ansible's `known_hosts`; the key is not fetched over the network, where anybody could answer.
///
/// ```stead
/// known_host "git.example.com" {
///   key     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm"
///   aliases = ["10.0.0.7"]
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "known_host",
    since = "0.1",
    aliases(
        name = "host",
        hostname = "host",
        host_aliases = "aliases",
        enc = "type",
        keys = "key",
        hash_host = "hash",
        hash_known_hosts = "hash",
        config = "path",
        target = "path",
        ensure = "state"
    )
)]
pub struct KnownHost {
    /// The host's name or address, or a pattern of ssh: `*.example.com`. Identifies the resource; give `host` beside another name where several users know it.
    #[key]
    pub host: Arc<str>,
    /// Whether the host is known.
    #[default(State::Present)]
    pub state: State,
    /// Its public keys, `TYPE DATA` each, as in `/etc/ssh/ssh_host_ed25519_key.pub`; or the data alone, with `type`. With `state = absent` only these go.
    pub key: Many<Arc<str>>,
    /// The type of a key that is given as its data alone: `ssh-ed25519`.
    pub r#type: Option<Arc<str>>,
    /// Other names and addresses of the host.
    pub aliases: Vec<Arc<str>>,
    /// The port that its sshd listens at.
    #[default(22)]
    pub port: Port,
    /// New lines have the names as hashes, so that nobody can read them off.
    #[default(false)]
    pub hash: bool,
    /// What the key is: one that signs the keys of hosts, or one that must not be trusted any more.
    pub marker: Option<Marker>,
    /// Take the name off keys of types that are not given here.
    #[default(false)]
    pub purge: bool,
    /// Who knows the host: this user only. Everybody on the machine when absent.
    pub user: Option<Arc<str>>,
    /// The file, where it is neither of the two: absolute, or below the home of `user`.
    pub path: Option<Arc<str>>,
}

/// Whether the host is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The host is known by these keys.
    Present,
    /// The host is not known.
    Absent,
}

/// What a key is, other than a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Marker {
    /// It signs the keys of hosts.
    CertAuthority,
    /// It must not be trusted.
    Revoked,
}

/// What was found.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one is made for each resource, and most are of the larger kind")]
pub enum ObservedKnown {
    /// In a file of the machine.
    Machine(ObservedEdit),
    /// In a user's file.
    User(ObservedOwned),
}

/// A line with a key.
#[derive(Clone, Debug)]
struct Entry {
    marker: Option<String>,
    hosts: Vec<String>,
    key: PublicKey,
    comment: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@')).map(str::to_owned);
        let hosts = words.next()?.split(',').map(str::to_owned).collect();
        let key = PublicKey { kind: words.next()?.to_owned(), data: words.next()?.to_owned() };
        ssh_keys::is_type(&key.kind).then(|| Self { marker, hosts, key, comment: words.collect::<Vec<_>>().join(" ") })
    }

    fn line(&self) -> String {
        let marker = self.marker.as_ref().map(|marker| format!("{marker} ")).unwrap_or_default();
        let comment = if self.comment.is_empty() { String::new() } else { format!(" {}", self.comment) };
        format!("{marker}{} {} {}{comment}", self.hosts.join(","), self.key.kind, self.key.data)
    }
}

impl KnownHost {
    fn marker(&self) -> Option<&'static str> {
        self.marker.map(|marker| match marker {
            Marker::CertAuthority => "@cert-authority",
            Marker::Revoked => "@revoked",
        })
    }

    /// The host's names as ssh writes them: with the port, where it is not the usual one.
    fn names(&self) -> Vec<String> {
        let with_port = |name: &Arc<str>| match self.port.0 {
            22 => name.to_string(),
            _ if name.starts_with('[') => name.to_string(),
            port => format!("[{name}]:{port}"),
        };
        std::iter::once(&self.host).chain(&self.aliases).map(with_port).collect()
    }

    fn read(&self, text: &str) -> Result<PublicKey, String> {
        if let Some(mistake) = ssh_keys::mistaken(text) {
            return Err(mistake.into());
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match (&words[..], &self.r#type) {
            ([data], Some(kind)) => PublicKey::new(kind, data),
            ([kind, data, ..], _) if ssh_keys::is_type(kind) => PublicKey::new(kind, data),
            ([_, kind, data, ..], _) if ssh_keys::is_type(kind) => {
                Err(format!("it has a name before it, which is the resource's own: give `{kind} {data}`"))
            }
            _ => Err("a type and data are expected".into()),
        }
    }

    fn keys(&self) -> Vec<PublicKey> {
        self.key.iter().filter_map(|key| self.read(key).ok()).collect()
    }

    fn place(&self) -> AbsolutePath {
        let path = self.path.as_deref().and_then(AbsolutePath::new);
        path.unwrap_or_else(|| AbsolutePath::from_literal(OF_ALL))
    }

    fn of_machine(&self) -> EditedFile<'_> {
        EditedFile { create: true, new_mode: Mode(0o644), ..EditedFile::new(&self.place(), self.state == State::Present) }
    }

    fn of_user<'s>(&'s self, user: &'s Arc<str>) -> OwnedFile<'s> {
        let path = self.path.as_deref().unwrap_or(".ssh/known_hosts");
        let directory = (!path.starts_with('/')).then_some(Mode(0o700));
        OwnedFile { user, path, mode: Mode(0o600), directory, wanted: self.state == State::Present }
    }

    fn footprint(&self) -> Footprint {
        let file = self.user.as_ref().map_or_else(|| self.place().shared().clone(), |user| self.of_user(user).name());
        let marker = self.marker().unwrap_or_default();
        let kinds: Vec<String> = if self.purge || self.key.is_empty() {
            vec!["*".into()]
        } else {
            self.keys().into_iter().map(|key| key.kind).collect()
        };
        let host = &self.names()[0];
        let parts: Vec<String> = kinds.iter().map(|kind| format!("known_host:{file} {marker}{host} {kind}")).collect();
        match &self.user {
            Some(user) => self.of_user(user).footprint(parts),
            None => self.of_machine().footprint(parts),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        for (attribute, name) in std::iter::once(("host", &self.host)).chain(self.aliases.iter().map(|alias| ("aliases", alias)))
        {
            if name.is_empty()
                || name.starts_with(['@', '#', '|'])
                || name.contains(|c: char| c.is_whitespace() || c == ',' || c.is_control())
            {
                problems.invalid(
                    attribute,
                    format!("`{}` is no name of a host", name.escape_debug()),
                    "one name or address; others in `aliases`",
                );
            }
        }
        for key in &self.key {
            if let Err(reason) = self.read(key) {
                problems.invalid(
                    "key",
                    format!("this is no public key: {reason}"),
                    "give its type and its data, as in the host's `.pub` file",
                );
            }
        }
        let keys = self.keys();
        if let Some(twice) = keys.iter().enumerate().find(|(at, key)| keys[..*at].iter().any(|other| other.kind == key.kind)) {
            problems.invalid("key", format!("there are two keys of the type `{}`", twice.1.kind), "a host has one of each type");
        }
        if let Some(path) = &self.path
            && (!is_path(path) || (self.user.is_none() && !path.starts_with('/')))
        {
            problems.invalid(
                "path",
                format!("`{path}` is no path of a file"),
                "an absolute path, or one below the home of `user`",
            );
        }
        match self.state {
            State::Present if self.key.is_empty() => {
                problems.missing("key", "nothing says by what key the host is known", "give `key`, or set `state = absent`");
            }
            State::Absent => problems.of_absent("a host", &[(self.purge, "purge"), (self.hash, "hash")]),
            State::Present => {}
        }
        if self.hash && self.names().iter().any(|name| name.contains(['*', '?', '!'])) {
            problems.conflict(
                "hash",
                Some("host"),
                "a pattern cannot be hashed: nothing would match it",
                "take one of the two away",
            );
        }
        problems.finish()
    }

    pub(crate) fn edit(&self, text: &[u8]) -> Edited {
        let names = self.names();
        let keys = self.keys();
        let ending = lines::ending(text);
        // For each key, the names that a line has for it.
        let mut known: Vec<Vec<String>> = vec![Vec::new(); keys.len()];
        let mut edited: Vec<Vec<u8>> = Vec::new();
        for line in split(text) {
            let content = String::from_utf8_lossy(body(line)).into_owned();
            let entry = Entry::parse(&content).filter(|entry| entry.marker.as_deref() == self.marker());
            let matched = entry.as_ref().map_or_else(Vec::new, |entry| {
                names.iter().filter(|name| entry.hosts.iter().any(|host| is_host(host, name))).cloned().collect()
            });
            let Some(mut entry) = entry.filter(|_| !matched.is_empty()) else {
                edited.push(line.to_vec());
                continue;
            };
            let this = keys.iter().position(|key| *key == entry.key);
            let goes = match self.state {
                State::Absent => keys.is_empty() || this.is_some(),
                State::Present => this.is_none() && (self.purge || keys.iter().any(|key| key.kind == entry.key.kind)),
            };
            if let (false, Some(this)) = (goes, this) {
                known[this].extend(matched.iter().cloned());
            }
            if goes {
                entry.hosts.retain(|host| !matched.iter().any(|name| is_host(host, name)));
                if !entry.hosts.is_empty() {
                    edited.push(lines::line(entry.line().as_bytes(), &line[body(line).len()..]));
                }
            } else {
                edited.push(line.to_vec());
            }
        }
        if self.state == State::Present {
            for (key, known) in keys.iter().zip(&known) {
                let missing: Vec<&String> = names.iter().filter(|name| !known.contains(name)).collect();
                let hosts: Vec<Vec<String>> = match (missing.is_empty(), self.hash) {
                    (true, _) => Vec::new(),
                    (false, true) => missing.iter().map(|name| vec![hashed(name, key)]).collect(),
                    (false, false) => vec![missing.into_iter().cloned().collect()],
                };
                for hosts in hosts {
                    let marker = self.marker().map(str::to_owned);
                    let entry = Entry { marker, hosts, key: key.clone(), comment: String::new() };
                    edited.push(lines::line(entry.line().as_bytes(), ending));
                }
            }
        }
        let edited = lines::join(edited.iter().map(Vec::as_slice), ending);
        Ok((edited != text).then_some(edited))
    }
}

/// Says whether what a line has for a host is this name, hashed or not.
fn is_host(host: &str, name: &str) -> bool {
    let Some(hashed) = host.strip_prefix("|1|") else { return host.eq_ignore_ascii_case(name) };
    let Some((salt, hash)) = hashed.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    hmac_sha1(&salt, name.to_ascii_lowercase().as_bytes()).as_slice() == hash.as_slice()
}

/// A name as ssh hashes it. The salt is the same in each run, so that the plan is the change.
fn hashed(name: &str, key: &PublicKey) -> String {
    let seed = blake3::hash(format!("{name} {} {}", key.kind, key.data).as_bytes());
    let salt = &seed.as_bytes()[..20];
    let hash = hmac_sha1(salt, name.to_ascii_lowercase().as_bytes());
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// HMAC with SHA-1, the form that known_hosts has (RFC 2104, sshd(8)).
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha1::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

impl ResourceType for KnownHost {
    type Observed = ObservedKnown;

    fn observe(&self, world: &dyn World) -> Result<ObservedKnown, ObserveError> {
        match &self.user {
            Some(user) => self.of_user(user).observe(world, |text| self.edit(text)).map(ObservedKnown::User),
            None => self.of_machine().observe(world, |text| self.edit(text)).map(ObservedKnown::Machine),
        }
    }

    fn diff(&self, observed: &ObservedKnown) -> Difference {
        match (observed, &self.user) {
            (ObservedKnown::User(observed), Some(user)) => self.of_user(user).diff(observed),
            (ObservedKnown::Machine(observed), _) => self.of_machine().diff(observed),
            (ObservedKnown::User(_), None) => Difference::NONE,
        }
    }

    fn digest(&self, observed: &ObservedKnown, hasher: &mut blake3::Hasher) -> bool {
        match (observed, &self.user) {
            (ObservedKnown::User(observed), Some(user)) => self.of_user(user).digest(observed, hasher),
            (ObservedKnown::Machine(observed), _) => self.of_machine().digest(observed, hasher),
            (ObservedKnown::User(_), None) => true,
        }
    }

    fn predict(&self, observed: &ObservedKnown, difference: &Difference, effects: &mut Predicted<'_>) {
        match (observed, &self.user) {
            (ObservedKnown::User(observed), Some(user)) => self.of_user(user).predict(observed, difference, effects),
            (ObservedKnown::Machine(observed), _) => self.of_machine().predict(observed, difference, effects),
            (ObservedKnown::User(_), None) => {}
        }
    }

    fn apply(&self, observed: &ObservedKnown, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        match (observed, &self.user) {
            (ObservedKnown::User(observed), Some(user)) => self.of_user(user).apply(observed, machine),
            (ObservedKnown::Machine(observed), _) => self.of_machine().apply(observed, machine),
            (ObservedKnown::User(_), None) => Ok(Applied::Done),
        }
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["key", "type", "port", "user", "path"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hashed_as_ssh_keygen_does() {
        assert!(is_host(&hashed("example.com", &PublicKey { kind: "k".into(), data: "d".into() }), "Example.com"));
        assert!(!is_host("|1|AAAA|AAAA", "example.com") && !is_host("|1|x", "x") && is_host("Web", "web"));
        // RFC 2202, the second case.
        let expected = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c,
            0x79,
        ];
        assert_eq!(hmac_sha1(b"Jefe", b"what do ya want for nothing?"), expected);
    }
}
