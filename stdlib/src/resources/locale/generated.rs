//! A compiled locale as a part of a resource.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stead_catalog::{Action, Change, Shown, Value};
use stead_engine::{
    Applied, ApplyError, Difference, FileKind, Known, Look, Machine, ObserveError, Owner, Predicted, Restore, Restorer, Stat,
    World,
};

use super::archive;
use crate::parts::{Part, Seen, own};
use crate::{commands, filesystem};

/// Where compiled locales are.
const FOLDER: &str = "/usr/lib/locale";

/// Where the sources are.
const SOURCES: &str = "/usr/share/i18n/locales";

/// A compiled locale is brought back by compiling it, and taken away again.
pub(crate) static LOCALE: Restorer = Restorer {
    kind: "locale",
    is_tree: false,
    look: |world, name| {
        let known = Names::of(name).is_available(world)?.known()?;
        Ok(if known { json!({ "generated": true }) } else { serde_json::Value::Null })
    },
    restore: |name, before| {
        let locale = Restore::resource("locale", "name", name);
        if before.is_null() { locale.with("state", "absent").into() } else { locale.into() }
    },
};

/// The names that a locale goes by.
#[derive(Clone, Debug)]
pub(super) struct Names {
    name: Arc<str>,
}

impl Names {
    pub(super) fn of(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// Language and territory, encoding, modifier.
    fn split(&self) -> (&str, Option<&str>, Option<&str>) {
        let (rest, modifier) = match self.name.split_once('@') {
            Some((rest, modifier)) => (rest, Some(modifier)),
            None => (&*self.name, None),
        };
        match rest.split_once('.') {
            Some((language, charset)) => (language, Some(charset), modifier),
            None => (rest, None, modifier),
        }
    }

    /// The name as the C library looks for it: the encoding in lower case, without anything but letters and digits.
    pub(super) fn normal(&self) -> String {
        let (language, charset, modifier) = self.split();
        let mut name = language.to_owned();
        if let Some(charset) = charset {
            name.push('.');
            name.extend(charset.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
        }
        if let Some(modifier) = modifier {
            name.push('@');
            name.push_str(modifier);
        }
        name
    }

    /// The encoding that it is compiled for.
    pub(super) fn charset(&self) -> &str {
        match self.split() {
            (_, Some("utf8" | "UTF8" | "utf-8"), _) => "UTF-8",
            (_, Some(charset), _) => charset,
            (_, None, Some("euro")) => "ISO-8859-15",
            (_, None, _) => "ISO-8859-1",
        }
    }

    /// The name of its source.
    fn source(&self) -> String {
        let (language, _, modifier) = self.split();
        modifier.map_or_else(|| language.to_owned(), |modifier| format!("{language}@{modifier}"))
    }

    /// Says whether the C library has it without any file.
    pub(super) fn is_built_in(&self) -> bool {
        matches!(&*self.normal(), "C" | "POSIX" | "C.utf8")
    }

    fn folder(&self) -> PathBuf {
        Path::new(FOLDER).join(self.normal())
    }

    fn archive() -> PathBuf {
        Path::new(FOLDER).join("locale-archive")
    }

    /// Says whether programs can use it: it has a folder of its own, or is in the archive.
    fn is_available(&self, world: &dyn World) -> Look<bool> {
        if matches!(world.stat(&self.folder())?, Known::Is(Some(stat)) if stat.kind == FileKind::Directory) {
            return Ok(Known::Is(true));
        }
        Ok(world.read(&Self::archive())?.map(|bytes| {
            let names = bytes.and_then(|bytes| archive::names(&bytes)).unwrap_or_default();
            names.iter().any(|(name, _)| *name == self.normal())
        }))
    }
}

/// A locale that programs can use, or not.
#[derive(Debug)]
pub(super) struct Generated {
    pub(super) names: Names,
    pub(super) wanted: bool,
}

impl Generated {
    fn refuse(&self, world: &dyn World) -> Result<(), ObserveError> {
        let source = Path::new(SOURCES).join(self.names.source());
        if !matches!(world.stat(&source)?, Known::Is(None)) {
            return Ok(());
        }
        let is_there = |path: &str| matches!(world.stat(Path::new(path)), Ok(Known::Is(Some(_))));
        let hint = if is_there(SOURCES) {
            "check the spelling: /usr/share/i18n/SUPPORTED lists those that can be compiled".to_owned()
        } else if is_there("/etc/debian_version") {
            "declare package \"locales\", which brings the sources".to_owned()
        } else {
            let language = self.names.source();
            let language = language.split('_').next().unwrap_or_default();
            format!("declare the package that brings it: glibc-langpack-{language} on Fedora and its kin")
        };
        Err(ObserveError::Impossible {
            code: "unknown-locale",
            message: format!("there is no locale `{}`, and no source {} to compile it from", self.names.name, source.display()),
            hint,
        })
    }
}

impl Part for Generated {
    fn observe(&self, world: &dyn World) -> Result<Seen, ObserveError> {
        let available = self.names.is_available(world)?;
        if self.wanted && available == Known::Is(false) {
            self.refuse(world)?;
        }
        Ok(Arc::new(available))
    }

    fn diff(&self, seen: &Seen) -> Difference {
        let bool = |value: bool| Shown::Value(Value::Bool(value));
        match own::<Known<bool>>(seen) {
            Known::Is(available) if *available == self.wanted => Difference::NONE,
            Known::Is(available) => {
                let action = if self.wanted { Action::Create } else { Action::Delete };
                let changes = vec![Change::value("generated", bool(*available), bool(self.wanted))];
                Difference { action, changes, unknown: None }
            }
            Known::Unknown(because) => {
                let changes = vec![Change::value("generated", Shown::Unknown(because.clone()), bool(self.wanted))];
                filesystem::perhaps(Action::Update, changes, because)
            }
        }
    }

    fn digest(&self, seen: &Seen, hasher: &mut blake3::Hasher) -> bool {
        let Known::Is(available) = own::<Known<bool>>(seen) else { return false };
        hasher.update(&[u8::from(*available)]);
        true
    }

    fn predict(&self, _: &Seen, _: &Difference, effects: &mut Predicted<'_>) {
        let folder = self.names.folder();
        if self.wanted {
            // It will be in the archive or in a folder: for whoever asks, it is there.
            let root = Owner::Id(0);
            let stat = Stat { kind: FileKind::Directory, mode: 0o755, uid: root.clone(), gid: root, size: 0, target: None };
            effects.put(&folder, stat, None);
            return;
        }
        effects.remove(&folder);
        let path = Names::archive();
        if let (Ok(Known::Is(Some(stat))), Ok(Known::Is(Some(bytes)))) = (effects.stat(&path), effects.read(&path)) {
            effects.put(&path, stat, Some(archive::without(&bytes, &self.names.normal()).into()));
        }
    }

    fn apply(&self, _: &Seen, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        let before = if self.wanted { serde_json::Value::Null } else { json!({ "generated": true }) };
        machine.record(&LOCALE, &self.names.name, before)?;
        if self.wanted {
            let source = self.names.source();
            let words = ["localedef", "-i", &source, "-f", self.names.charset()];
            let aliases = Path::new("/usr/share/locale/locale.alias");
            let has_aliases = matches!(machine.world().stat(aliases)?, Known::Is(Some(_)));
            let aliases = if has_aliases { &["-A", "/usr/share/locale/locale.alias"][..] } else { &[] };
            run(machine, words.into_iter().chain(aliases.iter().copied()).chain([&*self.names.name]))?;
            return Ok(Applied::Done);
        }
        let folder = self.names.folder();
        if matches!(machine.world().stat(&folder)?, Known::Is(Some(_))) {
            machine.remove_tree(&folder)?;
        } else {
            run(machine, ["localedef", "--delete-from-archive", &self.names.normal()])?;
        }
        Ok(Applied::Done)
    }
}

/// Runs localedef. Warnings make it end with status 1, so that what counts is whether the locale is there afterwards.
fn run<'w>(machine: &Machine, words: impl IntoIterator<Item = &'w str>) -> Result<(), ApplyError> {
    commands::run_as(machine, words, None, |status| status <= 1).map(drop)
}
