//! The resource type `archive`.

mod compare;
mod gone;
mod place;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::{Action, Blob, Change, Footprint, Place, Problem, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ResourceType, SecretsGo, Unmet, World,
};

use self::compare::{Compared, Source};
use self::gone::Removals;
use crate::checksum::{Listed, Wanted};
use crate::filesystem;
use crate::problems::Problems;
use crate::unpack::{Limits, Selection};
use crate::values::{AbsolutePath, Account, Guarded, Many, Mode, Secret, Size};
use crate::web::{self, Fetching, Origin};
use crate::{Choice, Resource};

/// What an archive holds, unpacked into a directory.
///
/// The archive is a file on the node or a URL (`from`), or a file of the project (`source`): tar, also compressed by gzip, xz, zstd or
/// bzip2, or zip; its first bytes tell which. It is read before anything is made: one with `..` or absolute names, with links that
/// lead out, with devices, or larger than `max_size` is refused as a whole. A new directory is unpacked beside its place and renamed
/// when it is whole. What is there is compared with the archive and put right, unless `creates` says what to look for instead;
/// a file that another resource manages is left to that. An archive from a URL is fetched when it is unpacked, so that it needs `creates`.
/// Compares to Salt's `archive.extracted`, Puppet's `archive`, and Ansible's `unarchive`.
///
/// ```stead
/// archive "/opt/app/releases" {
///   from    = "/srv/app-1.4.2.tar.gz"
///   creates = "/opt/app/releases/app-1.4.2"
/// }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "archive",
    since = "0.1",
    aliases(
        path = "destination",
        dest = "destination",
        extract_path = "destination",
        src = "from",
        url = "from",
        ensure = "state",
        user = "owner",
        source_hash = "checksum",
        source_hash_name = "checksum_name",
        strip_components = "strip",
        if_missing = "creates",
        exclude_files = "exclude",
        replace = "overwrite",
        url_username = "username",
        url_password = "password",
        ca_path = "authorities",
        validate_certs = "verify"
    )
)]
pub struct Archive {
    /// What it is, or the directory it is unpacked into. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// Whether what it holds is there.
    #[default(State::Present)]
    pub state: State,
    /// The directory it is unpacked into; the name, where that is a path. It is made when it is missing; the one it is in has to exist.
    pub destination: Option<AbsolutePath>,
    /// The archive: an absolute path on the node, or a URL with `https`, `http` or `file`.
    pub from: Option<Guarded<Arc<str>>>,
    /// The archive as a file of the project.
    pub source: Option<Blob>,
    /// The archive's checksum, `sha256:` with its digits; also sha512, sha384, sha1 and md5; or the URL or path of a file of checksums.
    /// Another archive is refused. One from a URL needs it; `"none"` says that any will do.
    pub checksum: Option<Arc<str>>,
    /// The name that the file of checksums has for it. The last part of `from` when absent.
    pub checksum_name: Option<Arc<str>>,
    /// A path, or several, that are there once it is unpacked. While they are, the archive is not looked at.
    pub creates: Many<AbsolutePath>,
    /// How many directories are taken off the front of each name in it.
    #[default(0)]
    pub strip: u32,
    /// Only what matches one of these patterns is unpacked: `"app-*/bin"` for a directory with all that is in it, `"**/*.conf"`.
    pub include: Many<String>,
    /// What matches one of these patterns is not unpacked.
    pub exclude: Many<String>,
    /// The user everything unpacked belongs to. The user that Stead runs as when absent.
    pub owner: Option<Account>,
    /// The group everything unpacked belongs to. The group that Stead runs as when absent.
    pub group: Option<Account>,
    /// What is unpacked belongs to the ids that the archive has.
    #[default(false)]
    pub keep_owner: bool,
    /// Permission bits of every file. As in the archive when absent, without set-user-ID, set-group-ID and sticky bits.
    pub mode: Option<Mode>,
    /// Permission bits of every directory. As in the archive when absent.
    pub directory_mode: Option<Mode>,
    /// Put a file back that differs from the one in the archive. Otherwise only what is missing is unpacked.
    #[default(true)]
    pub overwrite: bool,
    /// Unpack symlinks that lead out of the directory as well. Nothing is ever written through one.
    #[default(false)]
    pub outside_links: bool,
    /// Largest size of all that is in it, unpacked.
    #[default(4 << 30)]
    pub max_size: Size,
    /// Largest number of files, directories and links in it.
    #[default(500_000)]
    pub max_entries: u32,
    /// Headers that are sent with the request for a URL. Secret values are shown nowhere; another server that is redirected to does not get them.
    pub headers: indexmap::IndexMap<Arc<str>, Guarded<Arc<str>>>,
    /// The user of basic authentication, for a URL.
    pub username: Option<Arc<str>>,
    /// The user's password.
    pub password: Option<Secret<Arc<str>>>,
    /// `http://host:port` of a proxy for a URL. What the environment says when absent.
    pub proxy: Option<Guarded<Arc<str>>>,
    /// The longest wait for a server's answer, and for more of it.
    #[default(Duration::from_secs(30))]
    pub wait: Duration,
    /// The server's certificate has to be good.
    #[default(true)]
    pub verify: bool,
    /// A file of the project with the certificates (PEM) to trust instead of the node's.
    pub authorities: Option<Blob>,
}

/// Whether what an archive holds is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// It is unpacked.
    Present,
    /// What `creates` names is not there; without it, no file of the archive is, and no directory of it that would be empty.
    Absent,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct ObservedArchive {
    /// Whether each path of `creates` is there.
    created: Vec<Known<bool>>,
    source: Source,
    compared: Compared,
    removals: Removals,
}

impl Archive {
    fn destination(&self) -> &Path {
        self.destination.as_ref().map_or_else(|| Path::new(&*self.name), AbsolutePath::as_path)
    }

    fn origin(&self) -> Option<Origin<'_>> {
        match (&self.source, &self.from) {
            (Some(blob), _) => Some(Origin::Project(blob)),
            (None, Some(from)) => Origin::of(from.reveal()),
            (None, None) => None,
        }
    }

    /// The archive in words, without secrets.
    fn shown_origin(&self) -> Arc<str> {
        match (&self.source, &self.from) {
            (Some(blob), _) => blob.origin.clone(),
            (None, Some(from)) if from.is_sensitive() => "(sensitive)".into(),
            (None, Some(from)) => stead_engine::net::without_credentials(from.reveal()).into(),
            (None, None) => "the archive".into(),
        }
    }

    fn id(&self) -> Arc<str> {
        format!("archive[\"{}\"]", self.name).into()
    }

    fn wanted_checksum(&self) -> Wanted {
        Wanted::parse(self.checksum.as_deref()).unwrap_or(Wanted::Unsaid)
    }

    fn limits(&self) -> Limits {
        Limits { bytes: self.max_size.0, entries: u64::from(self.max_entries) }
    }

    /// Which entries are wanted. The patterns were checked before.
    fn selection(&self) -> Result<Selection, (String, String)> {
        let patterns = |many: &'_ Many<String>| many.iter().cloned().collect::<Vec<_>>();
        let (include, exclude) = (patterns(&self.include), patterns(&self.exclude));
        let strip = usize::try_from(self.strip).unwrap_or(usize::MAX);
        Selection::new(strip, include.iter().map(String::as_str), exclude.iter().map(String::as_str), self.outside_links)
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
        let place = |path: &AbsolutePath| Place::path(path.shared().clone());
        let destination = self.destination().to_str().unwrap_or_default();
        let read = match self.origin() {
            Some(Origin::Path(path)) => path.to_str().map(Place::path),
            _ => None,
        };
        if self.state == State::Absent {
            return Footprint {
                gone_before: self.creates.iter().map(place).collect(),
                needs: read.into_iter().collect(),
                removes: true,
                ..Footprint::default()
            };
        }
        let mut needs = filesystem::needed_places(self.destination(), self.owner.as_ref(), self.group.as_ref());
        needs.extend(read);
        if let Some(Origin::Path(path)) = self.wanted_checksum().listed().and_then(Listed::origin) {
            needs.extend(path.to_str().map(Place::path));
        }
        Footprint {
            brings: self.creates.iter().map(place).collect(),
            needs,
            brings_below: vec![destination.into()],
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |code, attribute: &str, other: Option<&str>, message: &str, hint: &str| {
            problems.push(Problem {
                code,
                attribute: Some(attribute.into()),
                other: other.map(Into::into),
                message: message.into(),
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if self.destination.is_none() && (!self.name.starts_with('/') || self.name.contains("/../")) {
            let hint = "give `destination`, or use the directory as the name";
            problem("missing-attribute", "destination", None, "it is not said where the archive is unpacked", hint);
        }
        let is_absent = self.state == State::Absent;
        let creates = self.creates.iter().next().is_some();
        match (&self.from, &self.source) {
            (Some(_), Some(_)) => {
                let hint = "keep one: `from` for a path on the node or a URL, `source` for a file of the project";
                problem("conflicting-attributes", "source", Some("from"), "an archive comes from one place", hint);
            }
            (None, None) if !(is_absent && creates) => {
                let hint = "give `from`, a path on the node or a URL, or `source`, a file of the project";
                problem("missing-attribute", "from", None, "there is no archive", hint);
            }
            _ => {}
        }
        match self.origin() {
            None if self.from.is_some() && self.source.is_none() => {
                let hint = "write an absolute path, or a URL with `https://`, `http://` or `file:///`";
                problem("invalid-value", "from", None, "this is neither a path on the node nor a URL", hint);
            }
            Some(Origin::Url(_)) => {
                if !creates {
                    let hint = "say `creates = \"/path\"`, or fetch it with a `download` and unpack it from there";
                    let message = "what an archive from a URL brings is not known before it is fetched";
                    problem("missing-attribute", "creates", Some("from"), message, hint);
                }
                if self.checksum.is_none() && !is_absent {
                    let hint = "give `checksum = \"sha256:…\"`; `\"none\"` unpacks whatever the server sends";
                    problem(
                        "missing-attribute",
                        "checksum",
                        Some("from"),
                        "there is no checksum: nothing tells whether the right archive came",
                        hint,
                    );
                }
            }
            _ => {}
        }
        if self.keep_owner {
            for (given, name) in [(self.owner.is_some(), "owner"), (self.group.is_some(), "group")] {
                if given {
                    let message = "the archive's own ids are kept, and another one is given";
                    problem("conflicting-attributes", name, Some("keep_owner"), message, "keep one of the two");
                }
            }
        }
        if let Err((pattern, reason)) = self.selection() {
            let attribute = if self.include.iter().any(|known| *known == pattern) { "include" } else { "exclude" };
            let message = format!("`{pattern}` is no pattern: {reason}");
            problem("invalid-value", attribute, None, &message, "write one such as `app-*/bin` or `**/*.conf`");
        }
        if self.checksum_name.is_some() && self.wanted_checksum().listed().is_none() {
            let hint = "give the file's URL as `checksum`, or leave the name out";
            let message = "there is no file of checksums to look the name up in";
            problem("conflicting-attributes", "checksum_name", Some("checksum"), message, hint);
        }
        let mut access = Problems::default();
        web::check_access(&mut access, (&self.username, &self.password), self.authorities.is_some(), self.verify);
        problems.extend(access.finish());
        problems.extend(Wanted::check(self.checksum.as_deref()));
        problems
    }

    /// Says whether `creates` decides that there is nothing to do; unknown where that is known later.
    fn is_created(observed: &ObservedArchive) -> Known<bool> {
        if observed.created.is_empty() || observed.created.contains(&Known::Is(false)) {
            return Known::Is(false);
        }
        observed.created.iter().find(|created| matches!(created, Known::Unknown(_))).cloned().unwrap_or(Known::Is(true))
    }

    /// The changes of what is said to be created.
    fn creates_changes(&self, observed: &ObservedArchive, changes: &mut Vec<Change>) {
        for (path, created) in self.creates.iter().zip(&observed.created) {
            let before = match created {
                Known::Is(true) => continue,
                Known::Is(false) => Shown::Absent,
                Known::Unknown(because) => Shown::Unknown(because.clone()),
            };
            changes.push(Change::value("creates", before, Shown::Value(Value::string(path.shared().clone()))));
        }
    }

    fn diff_present(&self, observed: &ObservedArchive) -> Difference {
        let mut changes = Vec::new();
        let unknown = match Self::is_created(observed) {
            Known::Is(true) => return Difference::NONE,
            Known::Is(false) => None,
            Known::Unknown(because) => Some(because),
        };
        match &observed.source {
            Source::Unasked => Difference::NONE,
            Source::Remote => {
                let from = Change::value("from", Shown::Absent, Shown::Value(Value::string(self.shown_origin())));
                changes.push(if self.from.as_ref().is_some_and(Guarded::is_sensitive) { from.hidden() } else { from });
                self.creates_changes(observed, &mut changes);
                Difference { action: Action::Create, changes, unknown }
            }
            Source::Later(because) => {
                self.creates_changes(observed, &mut changes);
                let after = Shown::Unknown(because.clone());
                changes.push(Change::value("unpacks", Shown::Absent, after));
                let certain = observed.created.contains(&Known::Is(false)) || observed.compared.is_missing;
                Difference { action: Action::Create, changes, unknown: unknown.or_else(|| (!certain).then(|| because.clone())) }
            }
            Source::Read { .. } => {
                let difference = observed.compared.difference();
                match unknown {
                    Some(because) if !difference.is_none() => Difference { unknown: Some(because), ..difference },
                    _ => difference,
                }
            }
        }
    }
}

impl ResourceType for Archive {
    type Observed = ObservedArchive;

    fn observe(&self, world: &dyn World) -> Result<ObservedArchive, ObserveError> {
        let created: Vec<Known<bool>> = self.creates.iter().map(|path| world.exists(path.as_path())).collect::<Result<_, _>>()?;
        let mut observed =
            ObservedArchive { created, source: Source::Unasked, compared: Compared::default(), removals: Removals::default() };
        if self.state == State::Absent {
            observed.removals = self.observe_removals(world)?;
            return Ok(observed);
        }
        if Self::is_created(&observed) == Known::Is(true) {
            return Ok(observed);
        }
        observed.source = self.observe_source(world)?;
        observed.compared = match &observed.source {
            Source::Read { index, .. } => self.compare(world, index)?,
            _ => self.look_at_destination(world)?,
        };
        Ok(observed)
    }

    fn diff(&self, observed: &ObservedArchive) -> Difference {
        match self.state {
            State::Present => self.diff_present(observed),
            State::Absent => observed.removals.difference(),
        }
    }

    fn digest(&self, observed: &ObservedArchive, hasher: &mut blake3::Hasher) -> bool {
        let created = observed.created.iter().all(|created| match created {
            Known::Is(created) => {
                hasher.update(&[u8::from(*created)]);
                true
            }
            Known::Unknown(_) => false,
        });
        created && observed.source.digest(hasher) && observed.compared.digest(hasher) && observed.removals.digest(hasher)
    }

    fn predict(&self, observed: &ObservedArchive, difference: &Difference, effects: &mut Predicted<'_>) {
        if self.state == State::Absent {
            return observed.removals.predict(effects);
        }
        let because = self.id();
        if let (Source::Read { index, .. }, None) = (&observed.source, &difference.unknown) {
            return self.predict_members(observed, index, effects);
        }
        let destination = self.destination();
        if matches!(effects.stat(destination), Ok(Known::Is(None))) {
            effects.appear(destination, &because);
        }
        effects.bring_below(destination, &because);
        for path in &self.creates {
            if difference.unknown.is_none() {
                effects.appear(path.as_path(), &because);
            } else {
                effects.obscure(path.as_path(), &because);
            }
        }
    }

    fn apply(&self, observed: &ObservedArchive, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        match self.state {
            State::Present => self.unpack(observed, machine),
            State::Absent => observed.removals.apply(machine),
        }
    }

    /// What it is said to create has to be there afterwards.
    fn settles(&self, _: &Difference) -> bool {
        true
    }

    fn unmet(&self, left: &Difference) -> Option<Unmet> {
        let missing = filesystem::missing_of_creates(left)?;
        Some(Unmet {
            what: format!("the archive was unpacked, and {missing} is not there"),
            way_out: "correct `creates`: the archive, `strip`, `include` and `exclude` say what comes of it".into(),
        })
    }

    // Credentials are for the server: what is unpacked does not hold them.
    fn secrets_go(&self) -> SecretsGo {
        SecretsGo::ToServer
    }
}
