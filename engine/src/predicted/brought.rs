//! What packages bring, as far as their archives tell.
//!
//! An archive names every file that is shipped, and holds the scripts that run; those are read as well (`script.rs`). So a thing
//! that is neither shipped nor made or spoken of by a script will not be there, and one that is only spoken of is known later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::{Entry, Predicted};
use crate::system::archive::{Contents, Shipped, has_word};
use crate::{ActiveState, EnableState, FileKind, Known, PackageChange, Stat, World};

mod dpkg;

use dpkg::Configuration;

/// What packages bring besides the files that they ship.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Users that their scripts make.
    pub users: Vec<Arc<str>>,
    /// Groups that their scripts make.
    pub groups: Vec<Arc<str>>,
    /// Units that their scripts enable.
    pub enables: Vec<Arc<str>>,
    /// Units that their scripts start.
    pub starts: Vec<Arc<str>>,
    /// Files, directories and symlinks that their scripts make.
    pub makes: Vec<PathBuf>,
}

impl Brought {
    /// Finds what comes with these packages on this machine; what cannot be read is not in it.
    pub fn by(world: &dyn World, because: &str, changes: &[PackageChange]) -> Self {
        let mut after = Predicted::new(world);
        let shipped = after.install(because, changes);
        let shipped: BTreeSet<PathBuf> = shipped.iter().map(|path| after.resolve(path)).collect();
        let is_new = |entry: &Entry| matches!(entry, Entry::Present { kept: false, .. } | Entry::Appearing(_));
        let makes = after.files.below(Path::new("/")).filter(|(path, entry)| is_new(entry) && !shipped.contains(*path));
        let makes =
            makes.map(|(path, _)| path.to_owned()).filter(|path| matches!(world.stat(path), Ok(Known::Is(None)))).collect();
        let absent = |seen: bool, name: &Arc<str>| seen.then(|| name.clone());
        let users = after
            .users
            .iter()
            .filter_map(|(name, user)| absent(user.is_some() && matches!(world.user(name), Ok(Known::Is(None))), name));
        let groups = after
            .groups
            .iter()
            .filter_map(|(name, group)| absent(group.is_some() && matches!(world.group(name), Ok(Known::Is(None))), name));
        let mut brought = Self { users: users.collect(), groups: groups.collect(), makes, ..Self::default() };
        for (name, state) in &after.units {
            let before = world.unit(name).ok().and_then(|seen| seen.value().cloned());
            let was =
                |test: &dyn Fn(&crate::UnitState) -> bool| before.as_ref().is_some_and(|before| before.exists && test(before));
            if state.active == Known::Is(ActiveState::Active) && !was(&|before| before.active == state.active) {
                brought.starts.push(name.clone());
            }
            if state.enabled == Known::Is(EnableState::Enabled) && !was(&|before| before.enabled == state.enabled) {
                brought.enables.push(name.clone());
            }
        }
        brought
    }
}

/// What goes besides what somebody knows to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Files, directories and symlinks.
    pub takes: Vec<PathBuf>,
    /// Units that will not run any more.
    pub stops: Vec<Arc<str>>,
    /// Units that will not be started with others any more: their links are taken away.
    pub disables: Vec<Arc<str>>,
}

impl Predicted<'_> {
    /// Finds what the machine has and this world has not, besides these paths.
    pub fn lost(&self, known: &[&Path]) -> Lost {
        let known: BTreeSet<PathBuf> = known.iter().map(|path| self.resolve(path)).collect();
        let gone =
            self.files.below(Path::new("/")).filter(|(path, entry)| matches!(entry, Entry::Removed) && !known.contains(*path));
        let was_there = |path: &&Path| matches!(self.base.stat(path), Ok(Known::Is(Some(_))));
        // The links that enable a unit are told as such.
        let is_link = |path: &&Path| {
            path.parent().is_some_and(|above| above.extension().is_some_and(|suffix| suffix == "wants" || suffix == "requires"))
        };
        let (links, takes): (Vec<&Path>, Vec<&Path>) = gone.map(|(path, _)| path).filter(was_there).partition(is_link);
        let disabled: BTreeSet<&str> = links.iter().filter_map(|link| link.file_name()?.to_str()).collect();
        let runs = |state: &crate::UnitState| state.active == Known::Is(ActiveState::Active);
        let stopped = self.units.iter().filter(|(name, state)| {
            let ran = matches!(self.base.unit(name), Ok(Known::Is(before)) if runs(&before));
            ran && matches!(state.active, Known::Is(_)) && !runs(state)
        });
        Lost {
            takes: takes.into_iter().map(Path::to_owned).collect(),
            stops: stopped.map(|(name, _)| name.clone()).collect(),
            disables: disabled.into_iter().map(Arc::from).collect(),
        }
    }

    /// These packages will be installed or upgraded, and with them come what they ship and what their scripts do. Where an
    /// archive is not at hand, resources that come after find absent things to be `Unknown(because)`, as after
    /// [`Predicted::may_bring`]. Returns the paths that are shipped.
    pub fn install(&mut self, because: &str, changes: &[PackageChange]) -> Vec<PathBuf> {
        self.may_bring(because);
        let mut read: Vec<(&PackageChange, Arc<Contents>)> = Vec::new();
        let mut unread = None;
        for change in changes.iter().filter(|change| change.to.is_some()) {
            match self.base.contents(change) {
                Ok(Known::Is(contents)) => read.push((change, contents)),
                Ok(Known::Unknown(why)) => unread = unread.or(Some((change.name.clone(), why))),
                Err(error) => unread = unread.or_else(|| Some((change.name.clone(), error.to_string().into()))),
            }
        }
        // What a package needs is configured before it.
        read.sort_by_key(|(change, _)| change.wish.as_ref().is_none_or(|wish| *wish == change.name));
        let mut spoken = Vec::new();
        let mut shipped = Vec::new();
        let configuration = Configuration::of(self);
        for (change, contents) in &read {
            spoken.extend(self.prepare(because, change, contents));
            shipped.extend(self.unpack(because, change, contents, &configuration));
        }
        for (change, contents) in &read {
            spoken.extend(self.configure(because, change, contents));
        }
        spoken.extend(self.triggered(because, &shipped));
        match unread {
            Some((_, why)) if why.is_empty() => drop(self.unread.insert(because.into(), because.into())),
            Some((package, why)) => drop(self.unread.insert(because.into(), format!("{because} ({package}: {why})").into())),
            None => drop(self.archives.insert(because.into(), spoken)),
        }
        shipped
    }

    /// Scripts that run before a package is unpacked: the old one's as well.
    fn prepare(&mut self, because: &str, change: &PackageChange, contents: &Contents) -> Vec<Arc<str>> {
        let (name, to) = (&*change.name, change.to.as_deref());
        let mut spoken = Vec::new();
        if change.from.is_some()
            && let Some(script) = self.installed_script(name, "prerm")
        {
            spoken.extend(self.run_script(because, name, &script, &[Some("upgrade"), to]).spoken);
        }
        let old = self.old_version(change);
        let arguments = match (&change.from, old) {
            (Some(from), _) => vec![Some("upgrade"), Some(&**from), to],
            (None, Some(_)) => vec![Some("install")],
            (None, None) => vec![Some("install"), None, to],
        };
        if let Some(script) = contents.script("preinst") {
            spoken.extend(self.run_script(because, name, script, &arguments).spoken);
        }
        spoken
    }

    /// The version that was configured last: empty when none was, `None` when it is not known.
    fn old_version(&self, change: &PackageChange) -> Option<Arc<str>> {
        match (&change.from, self.base.package(&change.name)) {
            (Some(from), _) => Some(from.clone()),
            (None, Ok(Known::Is(state))) if !state.config_files && !state.broken => Some("".into()),
            _ => None,
        }
    }

    fn configure(&mut self, because: &str, change: &PackageChange, contents: &Contents) -> Vec<Arc<str>> {
        let mut spoken = Vec::new();
        if change.from.is_some()
            && let Some(script) = self.installed_script(&change.name, "postrm")
        {
            spoken.extend(self.run_script(because, &change.name, &script, &[Some("upgrade"), change.to.as_deref()]).spoken);
        }
        let old = self.old_version(change);
        if let Some(script) = contents.script("postinst") {
            spoken.extend(self.run_script(because, &change.name, script, &[Some("configure"), old.as_deref()]).spoken);
        }
        spoken
    }

    /// Scripts of packages that are there and asked to be told about these paths.
    fn triggered(&mut self, because: &str, shipped: &[PathBuf]) -> Vec<Arc<str>> {
        let Some(interests) = self.text("/var/lib/dpkg/triggers/File") else { return Vec::new() };
        let mut by_package: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in interests.lines() {
            let Some((path, package)) = line.split_once(' ') else { continue };
            let package = package.split('/').next().unwrap_or(package);
            if shipped.iter().any(|shipped| shipped.starts_with(path)) {
                by_package.entry(package.to_owned()).or_default().push(path.to_owned());
            }
        }
        let mut spoken = Vec::new();
        for (package, paths) in by_package {
            if let Some(script) = self.installed_script(&package, "postinst") {
                let names = paths.join(" ");
                spoken.extend(self.run_script(because, &package, &script, &[Some("triggered"), Some(&names)]).spoken);
            }
        }
        spoken
    }

    /// A script of a package that is there.
    fn installed_script(&self, name: &str, kind: &str) -> Option<String> {
        let bare = name.split(':').next().unwrap_or(name);
        let plain = self.text(&format!("/var/lib/dpkg/info/{bare}.{kind}"));
        plain.or_else(|| {
            let arch = self.text("/var/lib/dpkg/arch").and_then(|text| text.lines().next().map(str::to_owned));
            let arch = name.split_once(':').map(|(_, arch)| arch.to_owned()).or(arch)?;
            self.text(&format!("/var/lib/dpkg/info/{bare}:{arch}.{kind}"))
        })
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = self.read(Path::new(path)).ok()?.value().cloned()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns where everything was put.
    fn unpack(
        &mut self,
        because: &str,
        change: &PackageChange,
        contents: &Contents,
        configuration: &Configuration,
    ) -> Vec<PathBuf> {
        let recorded = match self.old_version(change).as_deref() {
            Some("") => BTreeMap::new(),
            _ => self.text("/var/lib/dpkg/status").map(|status| dpkg::conffiles(&status, &change.name)).unwrap_or_default(),
        };
        let mut placed = Vec::new();
        for shipped in &contents.files {
            if configuration.excludes(&shipped.path) && !contents.conffiles.contains(&shipped.path) {
                continue;
            }
            let mut shipped = shipped.clone();
            configuration.adjust(&change.name, &mut shipped);
            if shipped.stat.kind == FileKind::Directory {
                self.place_directory(&shipped);
            } else if contents.conffiles.contains(&shipped.path) {
                self.place_conffile(because, &shipped, recorded.get(&shipped.path).map(String::as_str));
            } else {
                self.put(&shipped.path, shipped.stat.clone(), shipped.content.clone());
            }
            placed.push(shipped.path);
        }
        if change.from.is_some() {
            self.leave(change, &placed, &recorded);
        }
        placed
    }

    /// dpkg leaves a directory as it finds it, and a symlink to one as well.
    fn place_directory(&mut self, shipped: &Shipped) {
        if matches!(self.stat(&shipped.path), Ok(Known::Is(None) | Known::Unknown(_))) {
            self.put(&shipped.path, shipped.stat.clone(), None);
        }
    }

    /// A configuration file: one that somebody has changed is kept, and the package's own is put beside it; one that was removed stays so.
    fn place_conffile(&mut self, because: &str, shipped: &Shipped, recorded: Option<&str>) {
        let path = &shipped.path;
        let found = match self.stat(path) {
            Ok(Known::Is(found)) => found,
            _ if recorded.is_none() && self.unread.is_empty() => None,
            _ => return self.obscure(path, because),
        };
        let Some(stat) = found else {
            if recorded.is_none() {
                self.put(path, shipped.stat.clone(), shipped.content.clone());
            }
            return;
        };
        let present = self.read(path).ok().and_then(|seen| seen.value().cloned().flatten());
        let (FileKind::File, Some(present), Some(new)) = (stat.kind, present, shipped.content.clone()) else {
            return self.obscure(path, because);
        };
        if present == new || recorded.is_some_and(|hash| hash == hashed(&new)) {
            return;
        }
        if recorded.is_some_and(|hash| hash == hashed(&present)) {
            // Mode and owner are those that the old one has.
            self.put(path, Stat { size: new.len() as u64, ..stat }, Some(new));
        } else {
            let mut beside = path.clone().into_os_string();
            beside.push(".dpkg-dist");
            self.put(Path::new(&beside), shipped.stat.clone(), Some(new));
        }
    }

    /// What the old version shipped and the new one does not goes; configuration stays.
    fn leave(&mut self, change: &PackageChange, placed: &[PathBuf], recorded: &BTreeMap<PathBuf, String>) {
        let bare = change.name.split(':').next().unwrap_or(&change.name).to_owned();
        let Some(list) =
            self.installed_script(&change.name, "list").or_else(|| self.text(&format!("/var/lib/dpkg/info/{bare}.list")))
        else {
            return;
        };
        let kept: BTreeSet<&Path> = placed.iter().map(PathBuf::as_path).collect();
        let mut gone: Vec<&Path> = list.lines().map(Path::new).filter(|path| path.components().count() > 1).collect();
        gone.retain(|path| !kept.contains(path) && !recorded.contains_key(*path));
        gone.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for path in gone {
            match self.stat(path) {
                Ok(Known::Is(Some(stat))) if stat.kind == FileKind::Directory => {
                    if matches!(self.list(path), Ok(Known::Is(Some(entries))) if entries.is_empty()) {
                        self.remove(path);
                    }
                }
                Ok(Known::Is(Some(_))) => self.remove(path),
                _ => {}
            }
        }
    }

    /// A thing of this name (a file, an account, a unit) that is absent so far, and may have been brought by what comes before.
    pub(super) fn maybe_brought<T>(&self, may_be_packaged: bool, name: &str) -> Known<Option<T>> {
        let brings = |because: &&Arc<str>| match self.archives.get(*because) {
            Some(spoken) => spoken.iter().any(|words| has_word(words, name)),
            None => true,
        };
        match self.bringers.iter().find(brings) {
            Some(because) if may_be_packaged => Known::Unknown(self.unread.get(because).unwrap_or(because).clone()),
            _ => Known::Is(None),
        }
    }

    /// What comes before whose scripts speak of this path, and so may put something into a directory.
    pub(super) fn spoken_of(&self, path: &Path) -> Option<&Arc<str>> {
        let path = path.to_str()?.trim_end_matches('/');
        let speaks = |because: &&Arc<str>| {
            self.archives.get(*because).is_some_and(|spoken| spoken.iter().any(|words| has_word(words, path)))
        };
        self.bringers.iter().find(speaks)
    }

    pub(super) fn maybe_brought_path<T>(&self, path: &Path) -> Known<Option<T>> {
        if !self.filled.is_empty()
            && let Some(because) = self.filler_of(&self.resolve(path))
        {
            return Known::Unknown(because.clone());
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        self.maybe_brought(super::may_be_packaged(path), name)
    }
}

fn hashed(content: &[u8]) -> String {
    Md5::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::system::archive::Shipped;
    use crate::test_support::Files;
    use crate::{Look, Owner, Stat};

    fn shipped(path: &str, text: &str) -> Shipped {
        let stat = Stat {
            kind: FileKind::File,
            mode: 0o644,
            uid: Owner::Id(0),
            gid: Owner::Id(0),
            size: text.len() as u64,
            target: None,
        };
        Shipped { path: PathBuf::from(path), stat, content: Some(text.as_bytes().into()) }
    }

    fn contents() -> Arc<Contents> {
        let unit = "[Service]\nExecStart=/usr/sbin/demo\n[Install]\nWantedBy=multi-user.target\n";
        Arc::new(Contents {
            files: vec![shipped("/etc/demo.conf", "listen = 80\n"), shipped("/usr/lib/systemd/system/demo.service", unit)],
            conffiles: vec!["/etc/demo.conf".into()],
            scripts: vec![(
                "postinst".into(),
                "adduser --system --group demo\ndeb-systemd-helper enable demo.service\nsystemctl daemon-reload\ndeb-systemd-invoke start demo.service\n".into(),
            )],
        })
    }

    fn after_install(base: Files, contents: Option<Arc<Contents>>, test: impl FnOnce(&Predicted<'_>)) {
        let base = base.with_archive(contents);
        let mut world = Predicted::new(&base);
        let change = PackageChange { name: "demo".into(), to: Some("1".into()), ..PackageChange::default() };
        world.install("package[\"demo\"]", &[change]);
        let brought = world.take_brought();
        world.look_as(brought.into(), None);
        test(&world);
    }

    fn is_unknown<T>(look: Look<T>) -> bool {
        matches!(look, Ok(Known::Unknown(_)))
    }

    #[test]
    fn what_an_archive_ships_is_there() {
        after_install(Files::of(&[]), Some(contents()), |world| {
            let read = world.read(Path::new("/etc/demo.conf")).expect("it can be looked at");
            assert_eq!(read.value().cloned().flatten().as_deref(), Some(&b"listen = 80\n"[..]));
        });
    }

    #[test]
    fn what_no_archive_ships_and_no_script_speaks_of_is_not() {
        after_install(Files::of(&[]), Some(contents()), |world| {
            assert_eq!(world.stat(Path::new("/etc/other.conf")).ok(), Some(Known::Is(None)));
            assert!(matches!(world.user("demo"), Ok(Known::Is(Some(_)))), "a script makes it");
            assert_eq!(world.user("other").ok(), Some(Known::Is(None)));
        });
    }

    #[test]
    fn a_package_without_an_archive_may_bring_anything() {
        after_install(Files::of(&[]), None, |world| {
            assert!(is_unknown(world.stat(Path::new("/etc/demo.conf"))));
            assert!(is_unknown(world.stat(Path::new("/etc/other.conf"))));
        });
    }

    #[test]
    fn what_is_in_a_directory_that_a_script_speaks_of_is_not_known() {
        let base = Files::of(&[("/etc/sites/mine", "x"), ("/etc/others/mine", "x")]);
        let scripts = vec![("postinst".into(), "make-sites --all /etc/sites\n".into())];
        after_install(base, Some(Arc::new(Contents { scripts, ..Contents::default() })), |world| {
            assert!(is_unknown(world.list(Path::new("/etc/sites"))));
            assert!(is_unknown(world.list(Path::new("/etc/sites/"))));
            assert!(matches!(world.list(Path::new("/etc/others")), Ok(Known::Is(Some(entries))) if entries.len() == 1));
        });
    }

    #[test]
    fn a_configuration_file_that_somebody_wrote_is_kept() {
        after_install(Files::of(&[("/etc/demo.conf", "mine\n")]), Some(contents()), |world| {
            let read = |path: &str| world.read(Path::new(path)).ok().and_then(|seen| seen.value().cloned().flatten());
            assert_eq!(read("/etc/demo.conf").as_deref(), Some(&b"mine\n"[..]));
            assert_eq!(read("/etc/demo.conf.dpkg-dist").as_deref(), Some(&b"listen = 80\n"[..]));
        });
    }

    /// What becomes of a conffile in an upgrade: `recorded` is what the old version shipped, `present` what is there now.
    fn upgraded(recorded: &str, present: Option<&str>) -> (Option<String>, bool) {
        let status =
            format!("Package: demo\nStatus: install ok installed\nConffiles:\n /etc/demo.conf {}\n", hashed(recorded.as_bytes()));
        let mut files = vec![("/var/lib/dpkg/status", status.as_str()), ("/etc/other", "")];
        files.extend(present.map(|text| ("/etc/demo.conf", text)));
        let base = Files::of(&files).with_archive(Some(contents()));
        let mut world = Predicted::new(&base);
        let change =
            PackageChange { name: "demo".into(), from: Some("0".into()), to: Some("1".into()), ..PackageChange::default() };
        world.install("package[\"demo\"]", &[change]);
        (world.text("/etc/demo.conf"), world.text("/etc/demo.conf.dpkg-dist").is_some())
    }

    #[test]
    fn an_upgrade_replaces_a_configuration_file_that_nobody_has_changed() {
        let new = "listen = 80\n";
        assert_eq!(upgraded("old\n", Some("old\n")), (Some(new.into()), false));
        assert_eq!(upgraded("old\n", Some("mine\n")), (Some("mine\n".into()), true));
        assert_eq!(upgraded(new, Some("mine\n")), (Some("mine\n".into()), false), "the package's own is the same as before");
        assert_eq!(upgraded("old\n", Some(new)), (Some(new.into()), false));
        assert_eq!(upgraded("old\n", None), (None, false), "somebody has removed it");
    }

    #[test]
    fn what_comes_besides_the_files_is_told() {
        let base = Files::of(&[("/run/systemd/system/x", "")]).with_archive(Some(contents()));
        let change = PackageChange { name: "demo".into(), to: Some("1".into()), ..PackageChange::default() };
        let brought = Brought::by(&base, "package[\"demo\"]", &[change]);
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        assert_eq!((brought.users, brought.groups), (names(&["demo"]), names(&["demo"])));
        assert_eq!((brought.enables, brought.starts), (names(&["demo.service"]), names(&["demo.service"])));
        assert_eq!(brought.makes, Vec::<PathBuf>::new());
    }

    #[test]
    fn a_unit_that_the_scripts_start_runs() {
        after_install(Files::of(&[("/run/systemd/system/x", "")]), Some(contents()), |world| {
            let state = world.unit("demo.service").expect("it can be looked at").value().cloned().expect("it is known");
            assert_eq!(state.active, Known::Is(ActiveState::Active));
            assert_eq!(state.enabled, Known::Is(EnableState::Enabled));
            assert!(!state.needs_daemon_reload);
        });
    }
}
