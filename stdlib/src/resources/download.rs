//! The resource type `download`.

mod fetch;
mod transfer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use stead_catalog::{Action, Blob, Change, Command, Footprint, Place, Problem, Shown, Value};
use stead_engine::net;
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Machine, ObserveError, Predicted, ResourceType, SecretsGo, Stat, World,
};

use crate::checksum::{Checksum, Listed, Sum, Wanted};
use crate::filesystem::{self, Ownership};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Account, Guarded, Mode, Secret, Size};
use crate::web::{self, Fetching, Origin};
use crate::{Choice, Resource};

/// Permission bits of a new file that says none.
const NEW_MODE: Mode = Mode(0o644);

/// A file that is fetched from a URL.
///
/// The checksum says which file is meant: one that is there and has it is left alone, and what is fetched and has another is not put in
/// place. A plan with a checksum asks no server, but for a file of checksums where one is named. Where nobody publishes one, `checksum = "none"`
/// says so: the file is then fetched when it is missing, and with `update = true` also when the server has another one. What breaks off
/// is taken up where it stopped, by the next run if need be. Compares to Salt's `file.managed` with a URL, Puppet's `archive` and `file`, and Ansible's `get_url`.
///
/// ```stead
/// download "/usr/local/bin/tool" {
///   from     = "https://example.com/tool-1.2"
///   checksum = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
///   mode     = 0755
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "download",
    since = "0.1",
    aliases(
        dest = "path",
        destination = "path",
        url = "from",
        source = "from",
        ensure = "state",
        source_hash = "checksum",
        source_hash_name = "checksum_name",
        force = "update",
        user = "owner",
        permissions = "mode",
        validate_certs = "verify",
        verify_ssl = "verify",
        ca_path = "authorities",
        url_username = "username",
        url_password = "password",
        proxy_server = "proxy"
    )
)]
pub struct Download {
    /// Absolute path on the node. Identifies the resource.
    #[key]
    pub path: AbsolutePath,
    /// Whether the file is there.
    #[default(State::Present)]
    pub state: State,
    /// The URL, with `https`, `http` or `file`.
    pub from: Option<Guarded<Arc<str>>>,
    /// The file's checksum, `sha256:` with its digits; also sha512, sha384, sha1 and md5. Or the URL or path of a file of checksums, with or
    /// without the kind before it: `sha256:https://example.com/SHA256SUMS`. `"none"`: whatever the server sends will do.
    pub checksum: Option<Arc<str>>,
    /// The name that the file of checksums has for it. The last part of `from` when absent.
    pub checksum_name: Option<Arc<str>>,
    /// Without a checksum, ask the server in every plan whether it has another file.
    #[default(false)]
    pub update: bool,
    /// Permission bits. Left as found when absent; 0644 for a new file.
    pub mode: Option<Mode>,
    /// The owning user. Left as found when absent.
    pub owner: Option<Account>,
    /// The owning group. Left as found when absent.
    pub group: Option<Account>,
    /// A command that has to accept what was fetched before it is put in place; `%s` stands for the path of the temporary file.
    pub validate: Option<Command>,
    /// Headers that are sent. Secret values are shown nowhere; another server that is redirected to does not get them.
    pub headers: IndexMap<Arc<str>, Guarded<Arc<str>>>,
    /// The user of basic authentication.
    pub username: Option<Arc<str>>,
    /// The user's password.
    pub password: Option<Secret<Arc<str>>>,
    /// `http://host:port` of a proxy. What the environment says when absent.
    pub proxy: Option<Guarded<Arc<str>>>,
    /// The longest wait for an answer, and for more of it. `timeout`, which every resource has, is for all of it.
    #[default(Duration::from_secs(30))]
    pub wait: Duration,
    /// How often it is taken up again after it broke off, without beginning anew.
    #[default(5)]
    pub resumes: u32,
    /// The server's certificate has to be good.
    #[default(true)]
    pub verify: bool,
    /// A file of the project with the certificates (PEM) to trust instead of the node's.
    pub authorities: Option<Blob>,
    /// Largest size it may have.
    #[default(16 << 30)]
    pub max_size: Size,
}

/// Whether the file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The file is there.
    Present,
    /// Nothing is there.
    Absent,
}

/// What was found out about the content.
#[derive(Clone, Debug)]
enum Content {
    /// It is as wanted, or nobody asks.
    Good,
    /// It has to be fetched: what the file has now, and what it will have, where that is told.
    Other(Option<Arc<str>>, Option<Arc<str>>),
    /// Known later.
    Later(Arc<str>),
}

/// What was found at the path.
#[derive(Clone, Debug)]
pub struct ObservedDownload {
    stat: Known<Option<Stat>>,
    content: Content,
    /// The checksum that it has to have, where there is one.
    wanted: Known<Option<Checksum>>,
    /// Bytes of a source that is a file of the node.
    source: Option<Known<Arc<[u8]>>>,
    ownership: Ownership,
}

impl Download {
    fn origin(&self) -> Option<Origin<'_>> {
        self.from.as_ref().and_then(|from| Origin::of(from.reveal()))
    }

    fn shown_origin(&self) -> Arc<str> {
        match &self.from {
            Some(from) if from.is_sensitive() => "(sensitive)".into(),
            Some(from) => stead_engine::net::without_credentials(from.reveal()).into(),
            None => "the file".into(),
        }
    }

    fn wanted_checksum(&self) -> Wanted {
        Wanted::parse(self.checksum.as_deref()).unwrap_or(Wanted::Unsaid)
    }

    fn fetching(&self) -> Fetching<'_> {
        Fetching {
            headers: &self.headers,
            proxy: self.proxy.as_ref(),
            timeout: self.wait,
            verify: self.verify,
            authorities: self.authorities.as_ref().map(|blob| &blob.bytes),
            credentials: web::credentials(self.username.as_ref(), self.password.as_ref()),
        }
    }

    fn footprint(&self) -> Footprint {
        let own = Place::path(self.path.shared().clone());
        if self.state == State::Absent {
            return Footprint { gone_before: vec![own.clone()], owns: vec![own], removes: true, ..Footprint::default() };
        }
        let mut needs = filesystem::needed_places(self.path.as_path(), self.owner.as_ref(), self.group.as_ref());
        let wanted = self.wanted_checksum();
        for origin in [self.origin(), wanted.listed().and_then(Listed::origin)] {
            if let Some(Origin::Path(path)) = origin {
                needs.extend(path.to_str().map(Place::path));
            }
        }
        Footprint { fills: vec![self.path.shared().clone()], owns: vec![own], needs, ..Footprint::default() }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if filesystem::is_root(self.path.as_path()) {
            problems.invalid("path", "`/` is a directory", "name a file");
        }
        if self.state == State::Absent {
            problems.of_absent("a file", &[(self.checksum.is_some(), "checksum"), (self.update, "update")]);
            return problems.finish();
        }
        match (&self.from, self.origin()) {
            (None, _) => problems.missing("from", "it is not said where the file comes from", "give `from`, a URL"),
            (Some(_), None) => {
                problems.invalid("from", "this is no URL", "write one with `https://`, `http://` or `file:///`");
            }
            (Some(_), Some(Origin::Url(_))) if self.checksum.is_none() => {
                let hint = "give `checksum = \"sha256:…\"`; `\"none\"` takes whatever the server sends";
                problems.missing("checksum", "there is no checksum: nothing tells whether the right file came", hint);
            }
            _ => {}
        }
        if let Some(problem) = Wanted::check(self.checksum.as_deref()) {
            problems.list().push(problem);
        }
        if self.checksum_name.is_some() && self.wanted_checksum().listed().is_none() {
            let message = "there is no file of checksums to look the name up in";
            problems.conflict(
                "checksum_name",
                Some("checksum"),
                message,
                "give the file's URL as `checksum`, or leave the name out",
            );
        }
        if self.update && matches!(self.wanted_checksum(), Wanted::Is(_) | Wanted::Listed(_)) {
            let message = "the checksum says which file is meant: the server has nothing to say about it";
            problems.conflict("update", Some("checksum"), message, "keep one of the two");
        }
        web::check_access(&mut problems, (&self.username, &self.password), self.authorities.is_some(), self.verify);
        if self.validate.as_ref().is_some_and(|validate| !validate.to_string().contains("%s")) {
            let hint = "write `%s` where the path of the temporary file goes";
            problems.invalid("validate", "the command does not look at the new content", hint);
        }
        problems.finish()
    }

    /// The checksum of a file on the node.
    fn checksum_of(world: &dyn World, path: &Path, wanted: &Checksum) -> Result<Known<Option<Checksum>>, ObserveError> {
        let mut sum = Sum::new(wanted.algorithm);
        let read = world.read_through(path, &mut |piece| sum.update(piece))?;
        Ok(read.map(|size| size.map(|_| sum.finish())))
    }

    /// The checksum that the file has to have; looked up where a file of checksums has it.
    fn settled_checksum(&self, world: &dyn World) -> Result<Known<Option<Checksum>>, ObserveError> {
        let listed = match self.wanted_checksum() {
            Wanted::Is(checksum) => return Ok(Known::Is(Some(checksum))),
            Wanted::Unsaid | Wanted::Unchecked => return Ok(Known::Is(None)),
            Wanted::Listed(listed) => listed,
        };
        let origin = self.origin();
        let own = || match origin {
            Some(Origin::Url(url)) => net::file_name(url),
            Some(Origin::Path(path)) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            _ => None,
        };
        let name = self.checksum_name.as_ref().map(|name| name.to_string()).or_else(own).unwrap_or_default();
        Ok(listed.look_up(world, &name, origin, &self.fetching())?.map(Some))
    }

    fn observe_content(
        &self,
        world: &dyn World,
        found: &Stat,
        wanted: &Known<Option<Checksum>>,
    ) -> Result<Content, ObserveError> {
        let path = self.path.as_path();
        let wanted = match wanted {
            Known::Is(wanted) => wanted.as_ref(),
            Known::Unknown(because) => return Ok(Content::Later(because.clone())),
        };
        if let Some(wanted) = wanted {
            return Ok(match Self::checksum_of(world, path, wanted)? {
                Known::Is(Some(sum)) if sum == *wanted => Content::Good,
                Known::Is(sum) => Content::Other(sum.map(|sum| sum.to_string().into()), Some(wanted.to_string().into())),
                Known::Unknown(because) => Content::Later(because),
            });
        }
        match self.origin() {
            Some(Origin::Path(from)) => match world.read(from)? {
                Known::Unknown(because) => Ok(Content::Later(because)),
                Known::Is(None) => Err(missing_source(from)),
                Known::Is(Some(bytes)) => Ok(match world.holds(path, &bytes)? {
                    Known::Is(true) => Content::Good,
                    Known::Is(false) => Content::Other(None, None),
                    Known::Unknown(because) => Content::Later(because),
                }),
            },
            Some(Origin::Url(url)) if self.update => self.ask_server(world, url, found),
            _ => Ok(Content::Good),
        }
    }
}

fn missing_source(path: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "missing-source",
        message: format!("there is no file {}", path.display()),
        hint: "declare the resource that brings it, or name the path it has".into(),
    }
}

impl ResourceType for Download {
    type Observed = ObservedDownload;

    fn observe(&self, world: &dyn World) -> Result<ObservedDownload, ObserveError> {
        let path = self.path.as_path();
        let stat = filesystem::stat(world, path, self.state == State::Present)?;
        let mut observed =
            ObservedDownload { stat, content: Content::Good, wanted: Known::Is(None), source: None, ownership: Ownership::NONE };
        match &observed.stat {
            Known::Is(Some(found))
                if !matches!(found.kind, FileKind::File | FileKind::Symlink)
                    || (found.kind == FileKind::Symlink && self.state == State::Present) =>
            {
                return Err(filesystem::wrong_kind(
                    path,
                    found.kind,
                    FileKind::File,
                    "remove what is there, or name another path",
                ));
            }
            _ if self.state == State::Absent => return Ok(observed),
            _ => {}
        }
        observed.wanted = self.settled_checksum(world)?;
        observed.content = match (&observed.stat, &observed.wanted) {
            (Known::Is(Some(found)), wanted) => self.observe_content(world, found, wanted)?,
            (Known::Is(None), Known::Is(wanted)) => Content::Other(None, wanted.as_ref().map(|sum| sum.to_string().into())),
            // That it is fetched is certain; with which checksum is told then.
            (Known::Is(None), Known::Unknown(_)) => Content::Other(None, None),
            (Known::Unknown(because), _) => Content::Later(because.clone()),
        };
        let parent = match &observed.stat {
            Known::Is(None) => filesystem::parent(world, path)?,
            _ => None,
        };
        if let (Some(Origin::Path(from)), Content::Other(..)) = (self.origin(), &observed.content) {
            observed.source = Some(match world.read(from)? {
                Known::Is(Some(bytes)) => Known::Is(bytes),
                Known::Is(None) => return Err(missing_source(from)),
                Known::Unknown(because) => Known::Unknown(because),
            });
        }
        observed.ownership =
            Ownership::observe(world, self.owner.as_ref(), self.group.as_ref(), &observed.stat, parent.as_ref())?;
        Ok(observed)
    }

    fn diff(&self, observed: &ObservedDownload) -> Difference {
        if self.state == State::Absent {
            return match &observed.stat {
                Known::Is(None) => Difference::NONE,
                Known::Is(Some(_)) => {
                    let there = Shown::Value(Value::string(self.path.shared().clone()));
                    Difference {
                        action: Action::Delete,
                        changes: vec![Change::value("path", there, Shown::Absent)],
                        unknown: None,
                    }
                }
                Known::Unknown(because) => {
                    let changes = vec![Change::value("path", Shown::Unknown(because.clone()), Shown::Absent)];
                    Difference { action: Action::Delete, changes, unknown: Some(because.clone()) }
                }
            };
        }
        let mut changes = Vec::new();
        let mut unknown = None;
        let text = |text: &Arc<str>| Shown::Value(Value::string(text.clone()));
        let from = |before| {
            let change = Change::value("from", before, text(&self.shown_origin()));
            if self.from.as_ref().is_some_and(Guarded::is_sensitive) { change.hidden() } else { change }
        };
        match &observed.content {
            Content::Good => {}
            Content::Other(before, after) => {
                let is_new = matches!(observed.stat, Known::Is(None));
                let was = || if is_new { Shown::Absent } else { Shown::Value(Value::string("another file")) };
                changes.push(from(was()));
                if let Some(after) = after {
                    changes.push(Change::value("checksum", before.as_ref().map_or(Shown::Absent, text), text(after)));
                }
            }
            Content::Later(because) => {
                changes.push(from(Shown::Unknown(because.clone())));
                unknown = Some(because.clone());
            }
        }
        filesystem::mode_change(&observed.stat, self.mode, NEW_MODE, &mut changes);
        observed.ownership.changes(&observed.stat, &mut changes);
        let action = if matches!(observed.stat, Known::Is(None)) { Action::Create } else { Action::Update };
        match unknown {
            Some(because) => filesystem::perhaps(action, changes, &because),
            None if changes.is_empty() => Difference::NONE,
            None => Difference { action, changes, unknown: None },
        }
    }

    fn digest(&self, observed: &ObservedDownload, hasher: &mut blake3::Hasher) -> bool {
        match &observed.content {
            Content::Good => hasher.update(b"good"),
            Content::Other(before, after) => {
                hasher.update(before.as_deref().unwrap_or_default().as_bytes());
                hasher.update(after.as_deref().unwrap_or_default().as_bytes())
            }
            Content::Later(_) => return false,
        };
        filesystem::digest_stat(&observed.stat, hasher)
    }

    fn predict(&self, observed: &ObservedDownload, difference: &Difference, effects: &mut Predicted<'_>) {
        let path = self.path.as_path();
        if let Some(because) = &difference.unknown {
            return effects.obscure(path, because);
        }
        if self.state == State::Absent {
            return effects.remove(path);
        }
        let Known::Is(found) = &observed.stat else { return effects.appear(path, &filesystem::id("download", path)) };
        let Some((uid, gid)) = observed.ownership.predicted(found.as_ref()) else {
            return effects.appear(path, &filesystem::id("download", path));
        };
        let mode = self.mode.or_else(|| found.as_ref().map(|found| Mode(found.mode))).unwrap_or(NEW_MODE);
        let size = found.as_ref().map_or(0, |found| found.size);
        let stat = Stat { kind: FileKind::File, mode: mode.0, uid, gid, size, target: None };
        match (&observed.content, &observed.source) {
            (Content::Good, _) => effects.change(path, stat),
            (_, Some(Known::Is(bytes))) => effects.put(path, Stat { size: bytes.len() as u64, ..stat }, Some(bytes.clone())),
            _ => effects.put(path, stat, None),
        }
    }

    fn apply(&self, observed: &ObservedDownload, difference: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let path = self.path.as_path();
        if difference.action == Action::Delete {
            machine.remove_file(path)?;
            return Ok(Applied::Done);
        }
        let stat = observed.stat.clone().known()?;
        let (uid, gid) = observed.ownership.settled(stat.as_ref())?;
        let mode = self.mode.or_else(|| stat.as_ref().map(|found| Mode(found.mode)));
        if matches!(observed.content, Content::Good) {
            machine.set_attributes(path, mode.map(|mode| mode.0), uid, gid)?;
            return Ok(Applied::Done);
        }
        let wanted = observed.wanted.clone().known()?;
        self.fetch(machine, wanted.as_ref(), mode.unwrap_or(NEW_MODE), uid, gid)
    }

    fn removal(&self) -> Option<stead_engine::Removal> {
        Some(stead_engine::Removal::absent(&[]))
    }

    // Credentials are for the server: what is fetched does not hold them.
    fn secrets_go(&self) -> SecretsGo {
        SecretsGo::ToServer
    }
}
