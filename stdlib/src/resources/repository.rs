//! The resource type `repository`.

mod apt;
mod provider;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use stead_catalog::{Action, Blob, Change, Footprint, Place, PlaceKind, Problem, Shown};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, FileWrite, Known, LockClass, Machine, ObserveError, Owner, Predicted,
    ResourceType, Stat, World,
};

use self::provider::{PROVIDERS, Provider, WantedFile};
use crate::filesystem;
use crate::openpgp;
use crate::problems::Problems;
use crate::values::Many;
use crate::web::{Fetching, Origin};
use crate::{Choice, Resource};

/// A source of packages: where the package manager finds them, and the key that signs them.
///
/// The index is fetched together with the source, and before any package. A plan fetches it as well, into a place of its own,
/// where the repository can be reached: the packages that come from it are then planned with their versions and with what they bring.
/// A repository whose signature does not fit, or that cannot be reached, is refused before anything is written. On Debian and its kin the source is a file
/// below `/etc/apt/sources.list.d`, the key one below `/etc/apt/keyrings` that only this source is checked with. Compares
/// to Salt's `pkgrepo.managed`, Puppet's `apt::source`, and Ansible's `deb822_repository` and `apt_repository`.
///
/// ```stead
/// repository "example" {
///   uris       = "https://packages.example.com/debian"
///   suites     = "bookworm"
///   components = "main"
///   key_url    = "https://packages.example.com/key.asc"
///   fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "repository",
    since = "0.1",
    aliases(
        ensure = "state",
        uri = "uris",
        location = "uris",
        baseurl = "uris",
        url = "uris",
        repo = "uris",
        suite = "suites",
        release = "suites",
        dist = "suites",
        component = "components",
        comps = "components",
        repos = "components",
        arch = "architectures",
        architecture = "architectures",
        signed_by = "key",
        gpgkey = "key_url",
        key_source = "key_url",
        keyid = "fingerprint",
        allow_insecure = "trusted",
        pin = "priority",
        refresh_db = "refresh",
        update_cache = "refresh",
        disabled = "enabled"
    )
)]
pub struct Repository {
    /// Its name: that of its files. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// Whether it is there.
    #[default(State::Present)]
    pub state: State,
    /// What it offers.
    pub types: Many<Kind>,
    /// Where it is: `https://…`, `file:///…`, or several mirrors.
    pub uris: Many<String>,
    /// Which releases: `bookworm`, or a path that ends in `/` for a flat repository.
    pub suites: Many<String>,
    /// Which parts: `main`; none for a flat repository.
    pub components: Many<String>,
    /// Only for these architectures; for all that the system has when absent.
    pub architectures: Many<String>,
    /// The key that signs it, as text.
    pub key: Option<Arc<str>>,
    /// The key that signs it, as a file of the project.
    pub key_file: Option<Blob>,
    /// A URL that the key is fetched from when it is not there. Needs `fingerprint`.
    pub key_url: Option<Arc<str>>,
    /// The fingerprint that the key has to have, 40 digits. Every key in the file has to be this one, as apt trusts them all.
    pub fingerprint: Option<Arc<str>>,
    /// Take it as it is, without a signature.
    #[default(false)]
    pub trusted: bool,
    /// It is used. Otherwise it is there, and not asked.
    #[default(true)]
    pub enabled: bool,
    /// How its file is written.
    #[default(Format::Deb822)]
    pub format: Format,
    /// Further options, as apt calls them: `{ Languages = "none" }`.
    pub options: IndexMap<Arc<str>, String>,
    /// The priority of its packages over those of other sources: above 1000 also for a downgrade.
    pub priority: Option<i64>,
    /// What the priority is for, as apt's preferences name it: `origin "packages.example.com"`, `release o=Example`. The host of the first URI when absent.
    pub pin_for: Option<Arc<str>>,
    /// Fetch its index when it changes.
    #[default(true)]
    pub refresh: bool,
}

/// Whether a repository is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is there.
    Present,
    /// It is gone, with its key and its priority. Packages that came from it stay.
    Absent,
}

/// What a repository offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Kind {
    /// Packages.
    Deb,
    /// Their sources.
    DebSrc,
}

/// How the source's file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Format {
    /// `NAME.sources`, a paragraph of fields.
    Deb822,
    /// `NAME.list`, one line a source.
    OneLine,
}

/// One file of a repository as it was found.
#[derive(Clone, Debug)]
struct FoundFile {
    stat: Known<Option<Stat>>,
    content: Known<Option<Arc<[u8]>>>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedRepository {
    /// Each file that is wanted (or, without content, not wanted), with what was found of it.
    files: Vec<(WantedFile, FoundFile)>,
    /// The directory of keys, where it is to be made.
    no_keyrings: Option<&'static Path>,
    /// Files of its index that are to be fetched, and are not there.
    unfetched: Vec<PathBuf>,
    /// Its source is there as wanted, and the machine does not have its index.
    lacks_index: bool,
}

impl Repository {
    fn footprint(&self) -> Footprint {
        let all = PROVIDERS.iter().flat_map(|provider| provider.all_paths(self));
        let owns = all.filter_map(|path| path.to_str().map(Place::path)).collect::<Vec<_>>();
        if self.state == State::Absent {
            return Footprint { gone_before: owns.clone(), owns, removes: true, ..Footprint::default() };
        }
        let brings = vec![Place { kind: PlaceKind::Repository, name: "apt".into() }];
        let needs = owns.iter().cloned().chain(self.file_places()).collect();
        Footprint { owns, brings, needs, ..Footprint::default() }
    }

    /// Directories of the node that it reads packages from.
    fn file_places(&self) -> Vec<Place> {
        let paths = self.uris.iter().filter_map(|uri| uri.strip_prefix("file://").or_else(|| uri.strip_prefix("file:")));
        paths.filter(|path| path.starts_with('/')).map(|path| Place::path(path.trim_end_matches('/'))).collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(is_name) || self.name.starts_with('.') {
            problems.invalid(
                "name",
                format!("`{}` cannot be the name of apt's files", self.name),
                "it has letters, digits, `_`, `-` and `.`",
            );
        }
        let keys = [(self.key.is_some(), "key"), (self.key_file.is_some(), "key_file"), (self.key_url.is_some(), "key_url")];
        if self.state == State::Absent {
            problems.of_absent("a repository", &keys);
            return problems.finish();
        }
        for (many, name) in [(self.uris.iter().next(), "uris"), (self.suites.iter().next(), "suites")] {
            if many.is_none() {
                problems.missing(name, format!("a repository needs `{name}`"), format!("give `{name}`, one or several"));
            }
        }
        for uri in self.uris.iter().filter(|uri| !uri.contains(':') || uri.contains(char::is_whitespace)) {
            problems.invalid("uris", format!("`{uri}` is no URI"), "write one such as `https://packages.example.com/debian`");
        }
        let words =
            self.suites.iter().map(|word| ("suites", word)).chain(self.components.iter().map(|word| ("components", word)));
        for (name, word) in words.chain(self.architectures.iter().map(|word| ("architectures", word))) {
            if word.is_empty() || word.contains(char::is_whitespace) {
                problems.invalid(name, format!("`{word}` is not one word"), "give several as a list");
            }
        }
        let is_flat = |suite: &&String| suite.ends_with('/');
        if let Some(suite) = self.suites.iter().find(is_flat).filter(|_| self.components.iter().next().is_some()) {
            let message = format!("`{suite}` names a flat repository, which has no components");
            problems.conflict("components", Some("suites"), message, "leave `components` out, or name a suite without `/`");
        } else if self.components.iter().next().is_none() && self.suites.iter().any(|suite| !is_flat(&suite)) {
            problems.missing("components", "a repository with a suite has components", "give `components`, such as `main`");
        }
        let given: Vec<&str> = keys.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
        if let [first, second, ..] = given[..] {
            problems.conflict(second, Some(first), "a repository is signed by one key, and two are given", "keep one");
        }
        if self.trusted && !given.is_empty() {
            let message = "no signature is looked at, and a key is given";
            problems.conflict("trusted", Some(given[0]), message, "keep one of the two");
        }
        if self.key_url.is_some() && self.fingerprint.is_none() {
            let message = "a key from a URL can be anybody's";
            problems.missing("key_url", message, "give the `fingerprint` that its maker publishes, or the key as `key_file`");
        }
        if let Some(url) = &self.key_url
            && Origin::of(url).is_none()
        {
            problems.invalid("key_url", "this is neither a URL nor a path", "write one with `https://`");
        }
        if let Some(fingerprint) = &self.fingerprint {
            let digits = openpgp::bare_fingerprint(fingerprint);
            if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                problems.invalid("fingerprint", "a fingerprint has 40 hexadecimal digits", "write all of it, blanks or none");
            }
            if given.is_empty() {
                problems.missing("fingerprint", "there is no key to have it", "give `key`, `key_file` or `key_url`");
            }
        }
        for (attribute, key) in
            [("key", self.key.as_ref().map(|key| key.as_bytes())), ("key_file", self.key_file.as_ref().map(|blob| &*blob.bytes))]
        {
            if let Some(key) = key
                && let Err(message) = self.check_key(key)
            {
                problems.invalid(
                    attribute,
                    message,
                    "give the public key as its maker publishes it, `-----BEGIN PGP PUBLIC KEY BLOCK-----`",
                );
            }
        }
        if self.pin_for.is_some() && self.priority.is_none() {
            problems.missing("pin_for", "there is no priority to be for it", "give `priority`");
        }
        for name in self.options.keys().filter(|name| name.is_empty() || name.contains([':', '=', ' ', '\n'])) {
            problems.invalid("options", format!("`{name}` is no name of an option"), "write one such as `Languages`");
        }
        problems.finish()
    }

    /// Whether its index is fetched with it.
    fn is_refreshed(&self) -> bool {
        self.state == State::Present && self.refresh && self.enabled
    }

    /// Says what is wrong with a key.
    fn check_key(&self, key: &[u8]) -> Result<(), String> {
        let Some(found) = openpgp::fingerprints(key) else { return Err("this is no public key of OpenPGP".into()) };
        let Some(wanted) = &self.fingerprint else { return Ok(()) };
        let wanted = openpgp::bare_fingerprint(wanted);
        // apt takes a signature of any key in the file: one stranger among them is as good as all.
        if found.iter().all(|one| *one == wanted) {
            return Ok(());
        }
        let (they, have) = if found.len() == 1 {
            ("the key has the fingerprint", "expected")
        } else {
            ("the keys in it have the fingerprints", "expected no other than")
        };
        Err(format!("{they} {}, {have} {wanted}", found.join(" and ")))
    }

    /// The key; `None` where there is none.
    fn wanted_key(&self, provider: &dyn Provider, world: &dyn World) -> Result<Option<Known<Arc<[u8]>>>, ObserveError> {
        if let Some(key) = &self.key {
            let text = if key.ends_with('\n') { key.to_string() } else { format!("{key}\n") };
            return Ok(Some(Known::Is(text.into_bytes().into())));
        }
        if let Some(blob) = &self.key_file {
            return Ok(Some(Known::Is(blob.bytes.clone())));
        }
        let Some(url) = &self.key_url else { return Ok(None) };
        // A key that is there and has the fingerprint need not be fetched.
        for path in provider.key_paths(self) {
            if let Ok(Known::Is(Some(there))) = world.read(&path)
                && self.check_key(&there).is_ok()
            {
                return Ok(Some(Known::Is(there)));
            }
        }
        let failed = |why: String| ObserveError::Impossible {
            code: "fetch-failed",
            message: format!("the key {url} could not be fetched: {why}"),
            hint: "look whether the node can reach it, or keep the key in the project and name it with `key_file`".into(),
        };
        let bytes: Arc<[u8]> = match Origin::of(url) {
            Some(Origin::Path(path)) => match world.read(path)? {
                Known::Is(bytes) => bytes.ok_or_else(|| failed("there is no such file".into()))?,
                Known::Unknown(because) => return Ok(Some(Known::Unknown(because))),
            },
            _ => match world.fetch(&Fetching::default().request(url), 1 << 20)? {
                Known::Unknown(because) => return Ok(Some(Known::Unknown(because))),
                Known::Is(Err(why)) => return Err(failed(why.to_string())),
                Known::Is(Ok(reply)) if reply.status != 200 => {
                    return Err(failed(format!("the server answered {}", crate::web::status_words(reply.status))));
                }
                Known::Is(Ok(reply)) => reply.body,
            },
        };
        self.check_key(&bytes).map_err(|message| ObserveError::Impossible {
            code: "wrong-key",
            message: format!("{url}: {message}"),
            hint: "do not go on before you know why: compare with what its maker publishes".into(),
        })?;
        Ok(Some(Known::Is(bytes)))
    }

    fn look(world: &dyn World, path: &Path, wanted: bool) -> Result<FoundFile, ObserveError> {
        let stat = filesystem::stat(world, path, wanted)?;
        let content = match &stat {
            Known::Is(Some(stat)) if stat.kind == FileKind::File => world.read(path)?,
            Known::Is(None) => Known::Is(None),
            Known::Is(Some(stat)) => {
                return Err(filesystem::wrong_kind(path, stat.kind, FileKind::File, "remove what is there"));
            }
            Known::Unknown(because) => Known::Unknown(because.clone()),
        };
        Ok(FoundFile { stat, content })
    }
}

/// Mode of all files: apt reads them as a user of its own.
const MODE: u32 = 0o644;

impl FoundFile {
    fn is_as_wanted(&self, wanted: &WantedFile) -> bool {
        let Known::Is(stat) = &self.stat else { return false };
        match (&wanted.content, stat) {
            (None, None) => true,
            (Some(Known::Is(content)), Some(stat)) => {
                stat.mode == MODE && matches!(&self.content, Known::Is(Some(found)) if found == content)
            }
            _ => false,
        }
    }
}

impl ResourceType for Repository {
    type Observed = ObservedRepository;

    fn observe(&self, world: &dyn World) -> Result<ObservedRepository, ObserveError> {
        let provider = provider::of(world);
        provider::refuse(provider.abilities(), provider.name(), self)?;
        let key = if self.state == State::Absent { None } else { self.wanted_key(provider, world)? };
        let wanted = provider.files(self, key.as_ref());
        let mut files = Vec::with_capacity(wanted.len());
        for file in wanted {
            let found = Self::look(world, &file.path, file.content.is_some())?;
            files.push((file, found));
        }
        let has_key = files.iter().any(|(file, _)| file.what == "key" && file.content.is_some());
        let is_missing = |path: &Path| Ok::<_, ObserveError>(matches!(world.stat(path)?, Known::Is(None)));
        let no_keyrings = if has_key && is_missing(provider.keyrings())? { Some(provider.keyrings()) } else { None };
        let is_there =
            files.iter().any(|(file, found)| file.what == "source" && file.content.is_some() && found.is_as_wanted(file));
        let is_fetched = self.is_refreshed() && world.is_live();
        let unfetched = if is_fetched { provider.unfetched(self, world)? } else { Vec::new() };
        Ok(ObservedRepository { files, no_keyrings, lacks_index: is_there && !unfetched.is_empty(), unfetched })
    }

    fn diff(&self, observed: &ObservedRepository) -> Difference {
        let mut changes = Vec::new();
        let mut unknown = None;
        let mut exists = false;
        let text = |bytes: &Arc<[u8]>| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Shown::Text(text.into()),
            _ => Shown::Digest { hash: blake3::hash(bytes).to_hex().as_str().into(), size: bytes.len() as u64 },
        };
        for (file, found) in &observed.files {
            exists |= file.what == "source" && matches!(&found.stat, Known::Is(Some(_)));
            if found.is_as_wanted(file) {
                continue;
            }
            let before = match &found.content {
                Known::Is(None) => Shown::Absent,
                Known::Is(Some(bytes)) => text(bytes),
                Known::Unknown(because) => {
                    unknown.get_or_insert_with(|| because.clone());
                    Shown::Unknown(because.clone())
                }
            };
            let after = match &file.content {
                None => Shown::Absent,
                Some(Known::Is(bytes)) => text(bytes),
                Some(Known::Unknown(because)) => Shown::Unknown(because.clone()),
            };
            if before == after {
                let mode = |mode| Shown::Value(stead_catalog::Value::Mode(mode));
                let there = found.stat.value().cloned().flatten().map_or(Shown::Absent, |stat| mode(stat.mode));
                changes.push(Change::value(&format!("{} mode", file.what), there, mode(MODE)));
            } else {
                changes.push(Change::value(file.what, before, after));
            }
        }
        if changes.is_empty() && observed.lacks_index {
            changes.push(Change::value("index", Shown::Absent, Shown::Value(stead_catalog::Value::string("fetched"))));
        }
        if changes.is_empty() {
            return Difference::NONE;
        }
        let action = match (self.state, exists) {
            (State::Absent, _) => Action::Delete,
            (State::Present, false) => Action::Create,
            (State::Present, true) => Action::Update,
        };
        Difference { action, changes, unknown }
    }

    fn digest(&self, observed: &ObservedRepository, hasher: &mut blake3::Hasher) -> bool {
        hasher.update(&[u8::from(observed.lacks_index)]);
        observed.files.iter().all(|(_, found)| match &found.content {
            Known::Is(content) => {
                hasher.update(content.as_deref().unwrap_or_default());
                filesystem::digest_stat(&found.stat, hasher)
            }
            Known::Unknown(_) => false,
        })
    }

    fn predict(&self, observed: &ObservedRepository, difference: &Difference, effects: &mut Predicted<'_>) {
        let root = |kind, mode, size| Stat { kind, mode, uid: Owner::Id(0), gid: Owner::Id(0), size, target: None };
        if let Some(keyrings) = observed.no_keyrings {
            effects.put(keyrings, root(FileKind::Directory, 0o755, 0), None);
        }
        let source = observed.files.iter().find(|(file, _)| file.what == "source");
        if let Some((file, _)) = source.filter(|_| observed.lacks_index) {
            effects.refresh_source(&file.path);
        }
        for list in &observed.unfetched {
            effects.appear(list, &format!("repository[\"{}\"]", self.name));
        }
        for (file, found) in observed.files.iter().filter(|(file, found)| !found.is_as_wanted(file)) {
            match &file.content {
                _ if difference.unknown.is_some() => effects.obscure(&file.path, &format!("repository[\"{}\"]", self.name)),
                None if matches!(&found.stat, Known::Is(None)) => {}
                None => effects.remove(&file.path),
                Some(Known::Is(bytes)) => {
                    effects.put(&file.path, root(FileKind::File, MODE, bytes.len() as u64), Some(bytes.clone()));
                }
                Some(Known::Unknown(because)) => effects.appear(&file.path, because),
            }
            if self.refresh && file.what == "source" {
                effects.refresh_source(&file.path);
            }
        }
    }

    fn apply(&self, observed: &ObservedRepository, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let provider = provider::of(machine.world());
        let open = || observed.files.iter().filter(|(file, found)| !found.is_as_wanted(file));
        let fetches = self.is_refreshed() && !machine.system().is_tree();
        let source = observed.files.iter().find(|(file, _)| file.what == "source" && file.content.is_some());
        if fetches {
            // Before anything is written: what apt refuses, or cannot reach, never becomes a source.
            let files = open().chain(source.filter(|_| observed.lacks_index)).map(|(file, _)| {
                let content = file.content.clone().map(Known::known).transpose()?;
                Ok((file.path.clone(), content))
            });
            provider.try_files(machine, files.collect::<Result<_, ObserveError>>()?)?;
        }
        if let Some(keyrings) = observed.no_keyrings {
            machine.make_directory(keyrings, 0o755, Some(0), Some(0))?;
        }
        let mut staged = Vec::new();
        for (file, _) in open() {
            match &file.content {
                None => machine.remove_file(&file.path)?,
                Some(content) => staged.push(machine.stage_file(&FileWrite {
                    path: file.path.clone(),
                    content: content.clone().known()?,
                    mode: MODE,
                    uid: Some(0),
                    gid: Some(0),
                    validate: None,
                    sensitive: false,
                    keeps: false,
                })?),
            }
        }
        machine.commit(staged)?;
        if let Some((file, _)) = source.filter(|_| fetches) {
            provider.refresh(machine, &file.path)?;
        }
        Ok(Applied::Done)
    }

    /// apt's lists have one lock.
    fn lock_class(&self) -> LockClass {
        LockClass::Packages
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&["format"]))
    }
}
