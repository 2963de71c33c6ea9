//! What packages bring, as far as their archives tell.
//!
//! An archive names every file that is shipped; what the scripts in it do is not known. So a thing that is neither
//! shipped nor spoken of by a script will not be there, and one that a script speaks of is known only later.

use std::path::Path;
use std::sync::Arc;

use super::Predicted;
use crate::system::archive::{Contents, Shipped};
use crate::units::UnitFile;
use crate::{ActiveState, EnableState, FileKind, Known, PackageChange, World};

impl Predicted<'_> {
    /// These packages will be installed or upgraded, and with them come what they ship and what their scripts do. Where an
    /// archive is not at hand, resources that come after find absent things to be `Unknown(because)`, as after
    /// [`Predicted::may_bring`].
    pub fn install(&mut self, because: &str, changes: &[PackageChange]) {
        let base = self.base;
        self.install_with(because, changes, |change| base.contents(change).ok().and_then(|seen| seen.value().cloned().flatten()));
    }

    fn install_with(&mut self, because: &str, changes: &[PackageChange], look: impl Fn(&PackageChange) -> Option<Arc<Contents>>) {
        self.may_bring(because);
        let mut all = Vec::new();
        for change in changes.iter().filter(|change| change.to.is_some()) {
            let Some(contents) = look(change) else { return };
            self.unpack(because, change, &contents);
            all.push(contents);
        }
        self.archives.insert(because.into(), all);
    }

    fn unpack(&mut self, because: &str, change: &PackageChange, contents: &Contents) {
        for shipped in &contents.files {
            self.place(because, change, contents, shipped);
        }
        for unit in contents.files.iter().filter_map(|shipped| UnitFile::of(&shipped.path)).filter(|unit| !unit.drop_in) {
            self.settle(because, contents, &unit.unit);
        }
    }

    fn place(&mut self, because: &str, change: &PackageChange, contents: &Contents, shipped: &Shipped) {
        let path = &shipped.path;
        let found = self.stat(path);
        let is_there = !matches!(found, Ok(Known::Is(None) | Known::Unknown(_)));
        if shipped.stat.kind == FileKind::Directory {
            // dpkg leaves a directory as it finds it, and a symlink to one as well.
            if !is_there {
                self.put(path, shipped.stat.clone(), None);
            }
            return;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_configuration = path.starts_with("/etc");
        let is_upgrade = change.from.is_some();
        if is_configuration && is_there && !is_upgrade {
            // dpkg is told to keep a configuration file that was there before the package.
            return;
        }
        // In an upgrade it depends on whether somebody has changed it since.
        if is_configuration && (is_upgrade || contents.may_touch(name)) {
            self.obscure(path, because);
        } else {
            self.put(path, shipped.stat.clone(), shipped.content.clone());
        }
    }

    /// What the scripts do to a unit that comes with the package.
    fn settle(&mut self, because: &str, contents: &Contents, unit: &str) {
        let Ok(Known::Is(mut state)) = self.unit(unit) else { return };
        let denied = matches!(self.stat(Path::new("/usr/sbin/policy-rc.d")), Ok(Known::Is(Some(_)) | Known::Unknown(_)));
        if contents.starts(unit) && !denied {
            state.active = Known::Is(ActiveState::Active);
            state.needs_daemon_reload = false;
        } else if contents.may_touch(unit) {
            state.active = Known::Unknown(because.into());
        }
        if contents.enables(unit) && state.enabled == Known::Is(EnableState::Disabled) {
            state.enabled = Known::Is(EnableState::Enabled);
        }
        self.put_unit(unit, state);
    }

    /// A thing of this name (a file, an account, a unit) that is absent so far, and may have been brought by what comes before.
    pub(super) fn maybe_brought<T>(&self, may_be_packaged: bool, name: &str) -> Known<Option<T>> {
        let brings = |because: &&Arc<str>| match self.archives.get(*because) {
            Some(archives) => archives.iter().any(|contents| contents.may_touch(name)),
            None => true,
        };
        match self.bringers.iter().find(brings) {
            Some(because) if may_be_packaged => Known::Unknown(because.clone()),
            _ => Known::Is(None),
        }
    }

    /// What comes before whose scripts speak of this path, and so may put something into a directory.
    pub(super) fn spoken_of(&self, path: &Path) -> Option<&Arc<str>> {
        let path = path.to_str()?.trim_end_matches('/');
        let speaks = |because: &&Arc<str>| {
            self.archives.get(*because).is_some_and(|archives| archives.iter().any(|contents| contents.may_touch(path)))
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
            scripts: vec![(
                "postinst".into(),
                "adduser demo\ndeb-systemd-helper enable demo.service\ndeb-systemd-invoke start demo.service\n".into(),
            )],
        })
    }

    fn after_install(base: &Files, contents: Option<Arc<Contents>>, test: impl FnOnce(&Predicted<'_>)) {
        let mut world = Predicted::new(base);
        let change = PackageChange { name: "demo".into(), to: Some("1".into()), ..PackageChange::default() };
        world.install_with("package[\"demo\"]", &[change], |_| contents.clone());
        let brought = world.take_brought();
        world.look_as(brought.into(), None);
        test(&world);
    }

    fn is_unknown<T>(look: Look<T>) -> bool {
        matches!(look, Ok(Known::Unknown(_)))
    }

    #[test]
    fn what_an_archive_ships_is_there() {
        after_install(&Files::of(&[]), Some(contents()), |world| {
            let read = world.read(Path::new("/etc/demo.conf")).expect("it can be looked at");
            assert_eq!(read.value().cloned().flatten().as_deref(), Some(&b"listen = 80\n"[..]));
        });
    }

    #[test]
    fn what_no_archive_ships_and_no_script_speaks_of_is_not() {
        after_install(&Files::of(&[]), Some(contents()), |world| {
            assert_eq!(world.stat(Path::new("/etc/other.conf")).ok(), Some(Known::Is(None)));
            assert!(is_unknown(world.user("demo")), "a script makes it");
            assert_eq!(world.user("other").ok(), Some(Known::Is(None)));
        });
    }

    #[test]
    fn a_package_without_an_archive_may_bring_anything() {
        after_install(&Files::of(&[]), None, |world| {
            assert!(is_unknown(world.stat(Path::new("/etc/demo.conf"))));
            assert!(is_unknown(world.stat(Path::new("/etc/other.conf"))));
        });
    }

    #[test]
    fn what_is_in_a_directory_that_a_script_speaks_of_is_not_known() {
        let base = Files::of(&[("/etc/sites/mine", "x"), ("/etc/others/mine", "x")]);
        let scripts = vec![("postinst".into(), "ln -s ../all/default /etc/sites/default\n".into())];
        after_install(&base, Some(Arc::new(Contents { files: Vec::new(), scripts })), |world| {
            assert!(is_unknown(world.list(Path::new("/etc/sites"))));
            assert!(is_unknown(world.list(Path::new("/etc/sites/"))));
            assert!(matches!(world.list(Path::new("/etc/others")), Ok(Known::Is(Some(entries))) if entries.len() == 1));
        });
    }

    #[test]
    fn a_unit_that_the_scripts_start_runs() {
        after_install(&Files::of(&[]), Some(contents()), |world| {
            let state = world.unit("demo.service").expect("it can be looked at").value().cloned().expect("it is known");
            assert_eq!(state.active, Known::Is(ActiveState::Active));
            assert_eq!(state.enabled, Known::Is(EnableState::Enabled));
            assert!(!state.needs_daemon_reload);
        });
    }
}
