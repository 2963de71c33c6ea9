//! Looking at the predicted world.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::resolve::Found;
use super::{Entry, Predicted};
use crate::downloads::Fetched;
use crate::foreseen;
use crate::net::{NoAnswer, Reply, Request};
use crate::system::accounts::Ages;
use crate::system::apt::SourcesAhead;
use crate::system::archive::{Contents, Control};
use crate::{
    FileKind, Forecast, Group, Known, Look, ObserveError, Output, PackageChange, PackageState, PackageWish, Probe, ProbeOutcome,
    Stat, UnitState, User, World,
};

impl World for Predicted<'_> {
    fn holds_secret(&self, path: &Path) -> bool {
        self.base.holds_secret(path)
    }

    fn stat(&self, path: &Path) -> Look<Option<Stat>> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, .. }) => Ok(Known::Is(Some(stat.clone()))),
            Found::Entry(Entry::Removed) => Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                Ok(Known::Unknown(because.clone()))
            }
            Found::Absent => Ok(self.maybe_brought_path(path)),
            Found::Base(found) => match self.base.stat(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
        }
    }

    fn read(&self, path: &Path) -> Look<Option<Arc<[u8]>>> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.read(&self.resolve(path))
            }
            Found::Entry(Entry::Present { stat, content, .. }) if stat.kind == FileKind::File => Ok(match content {
                Some(content) => Known::Is(Some(content.clone())),
                None => Known::Unknown(format!("the content of {} is made", path.display()).into()),
            }),
            Found::Entry(Entry::Present { .. }) => {
                Err(ObserveError::WrongKind { path: path.to_owned(), found: "something else", expected: "a regular file" })
            }
            Found::Entry(Entry::Removed) => Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                Ok(Known::Unknown(because.clone()))
            }
            Found::Absent => Ok(self.maybe_brought_path(path)),
            Found::Base(found) => match self.base.read(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
        }
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Look<bool> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) if self.bringers.is_empty() => self.base.holds(&found, content),
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.holds(&self.resolve(path), content)
            }
            _ => Ok(self.read(path)?.map(|seen| seen.is_some_and(|seen| *seen == *content))),
        }
    }

    fn digest(&self, path: &Path) -> Look<Option<([u8; 32], u64)>> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) => match self.base.digest(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.digest(&self.resolve(path))
            }
            _ => Ok(self.read(path)?.map(|seen| seen.map(|bytes| (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64)))),
        }
    }

    fn xattrs(&self, path: &Path) -> Look<BTreeMap<String, String>> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) => self.base.xattrs(&found),
            Found::Entry(Entry::Present { kept: true, .. }) => self.base.xattrs(&self.resolve(path)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                Ok(Known::Unknown(because.clone()))
            }
            Found::Entry(_) | Found::Absent => Ok(Known::Is(BTreeMap::new())),
        }
    }

    fn list(&self, path: &Path) -> Look<Option<Vec<(OsString, FileKind)>>> {
        if let Some(because) = self.spoken_of(path) {
            return Ok(Known::Unknown(because.clone()));
        }
        let resolved = self.resolve(path);
        if let Some((_, because)) = self.filled.iter().rev().find(|(directory, _)| resolved.starts_with(directory)) {
            return Ok(Known::Unknown(because.clone()));
        }
        let directory = match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Present { stat, .. }) if stat.kind != FileKind::Directory => {
                return Err(ObserveError::WrongKind { path: path.to_owned(), found: "no directory", expected: "a directory" });
            }
            Found::Entry(Entry::Removed) => return Ok(Known::Is(None)),
            Found::Entry(Entry::Obscured(because) | Entry::Appearing(because)) | Found::Unknown(because) => {
                return Ok(Known::Unknown(because.clone()));
            }
            Found::Absent => return Ok(self.maybe_brought_path(path)),
            Found::Entry(Entry::Present { fresh: true, .. }) => Some(Vec::new()),
            Found::Entry(Entry::Present { .. }) => match self.base.list(&self.resolve(path))? {
                Known::Is(entries) => Some(entries.unwrap_or_default()),
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            },
            Found::Base(found) => match self.base.list(&found)? {
                Known::Is(entries) => entries,
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            },
        };
        let Some(entries) = directory else {
            return Ok(self.maybe_brought_path(path));
        };
        let mut merged: BTreeMap<OsString, FileKind> = entries.into_iter().collect();
        let resolved = self.resolve(path);
        for (child, entry) in self.below(&resolved) {
            let (Some(name), true) = (child.file_name(), child.parent() == Some(&resolved)) else { continue };
            match entry {
                Entry::Present { stat, .. } => {
                    merged.insert(name.to_owned(), stat.kind);
                }
                Entry::Removed => {
                    merged.remove(name);
                }
                Entry::Obscured(because) | Entry::Appearing(because) => return Ok(Known::Unknown(because.clone())),
            }
        }
        Ok(Known::Is(Some(merged.into_iter().collect())))
    }

    fn user(&self, name: &str) -> Look<Option<User>> {
        match self.users.get(name) {
            Some(user) => Ok(Known::Is(user.clone())),
            None => match self.base.user(name)? {
                Known::Is(None) => Ok(self.maybe_brought(true, name)),
                seen => Ok(seen),
            },
        }
    }

    fn group(&self, name: &str) -> Look<Option<Group>> {
        match self.groups.get(name) {
            Some(group) => Ok(Known::Is(group.clone())),
            None => match self.base.group(name)? {
                Known::Is(None) => Ok(self.maybe_brought(true, name)),
                seen => Ok(seen),
            },
        }
    }

    fn user_name(&self, uid: u32) -> Option<Arc<str>> {
        let predicted = self.users.values().flatten().find(|user| user.uid == Known::Is(uid)).map(|user| user.name.clone());
        predicted.or_else(|| self.base.user_name(uid).filter(|name| !matches!(self.users.get(name), Some(None))))
    }

    fn group_name(&self, gid: u32) -> Option<Arc<str>> {
        let predicted = self.groups.values().flatten().find(|group| group.gid == Known::Is(gid)).map(|group| group.name.clone());
        predicted.or_else(|| self.base.group_name(gid).filter(|name| !matches!(self.groups.get(name), Some(None))))
    }

    fn password_hash(&self, user: &str) -> Look<Option<Arc<str>>> {
        match (self.shadow.get(user), self.users.get(user)) {
            (_, Some(None)) => Ok(Known::Is(None)),
            (Some(shadow), _) => Ok(Known::Is(Some(shadow.hash.clone()))),
            (None, Some(Some(_))) if matches!(self.base.user(user), Ok(Known::Is(None))) => Ok(Known::Is(None)),
            _ => self.base.password_hash(user),
        }
    }

    fn account_ages(&self, user: &str) -> Look<Ages> {
        match (self.shadow.get(user), self.users.get(user)) {
            (_, Some(None)) => Ok(Known::Is(Ages::default())),
            (Some(shadow), _) => Ok(Known::Is(shadow.ages)),
            (None, Some(Some(_))) if matches!(self.base.user(user), Ok(Known::Is(None))) => Ok(Known::Is(Ages::default())),
            _ => self.base.account_ages(user),
        }
    }

    fn package(&self, name: &str) -> Look<PackageState> {
        match self.packages.get(name) {
            Some(state) => Ok(Known::Is(state.clone())),
            None => self.base.package(name),
        }
    }

    fn forecast(&self, wishes: &[PackageWish]) -> Look<Forecast> {
        let ahead = match self.sources_ahead() {
            Ok(ahead) => ahead,
            Err(because) => return Ok(Known::Unknown(format!("the package index is refreshed ({because})").into())),
        };
        match (self.joint, ahead) {
            (Some(joint), ahead) => joint.forecast(wishes, ahead.as_ref()),
            (None, Some(ahead)) => self.base.forecast_with(wishes, &ahead),
            (None, None) => self.base.forecast(wishes),
        }
    }

    fn forecast_with(&self, wishes: &[PackageWish], ahead: &SourcesAhead) -> Look<Forecast> {
        self.base.forecast_with(wishes, ahead)
    }

    fn contents(&self, change: &PackageChange) -> Look<Arc<Contents>> {
        self.base.contents(change)
    }

    fn package_file(&self, path: &Path) -> Look<Option<Control>> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) => match self.base.package_file(&found)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.package_file(&self.resolve(path))
            }
            _ => Ok(match self.read(path)? {
                Known::Is(Some(content)) => {
                    let later = Some(format!("{} is written", path.display()).into());
                    Known::Is(Some(Control { later, ..Control::of(path, &content)? }))
                }
                Known::Is(None) => Known::Is(None),
                Known::Unknown(because) => Known::Unknown(because),
            }),
        }
    }

    fn connects(&self, host: &str, port: u16, timeout: Duration) -> Look<Result<(), NoAnswer>> {
        match &self.unsettled {
            Some(because) => Ok(Known::Unknown(because.clone())),
            None => self.base.connects(host, port, timeout),
        }
    }

    fn fetch(&self, request: &Request, most: u64) -> Look<Result<Reply, NoAnswer>> {
        match &self.unsettled {
            Some(because) => Ok(Known::Unknown(because.clone())),
            None => self.base.fetch(request, most),
        }
    }

    fn fetched(&self, path: &Path) -> Option<Fetched> {
        self.base.fetched(path)
    }

    fn query(&self, probe: &Probe) -> Look<Output> {
        match &self.unsettled {
            Some(because) => Ok(Known::Unknown(because.clone())),
            None => self.base.query(probe),
        }
    }

    fn read_through(&self, path: &Path, take: &mut dyn FnMut(&[u8])) -> Look<Option<u64>> {
        match self.find(&self.resolve(path)) {
            Found::Base(found) => match self.base.read_through(&found, take)? {
                Known::Is(None) => Ok(self.maybe_brought_path(path)),
                seen => Ok(seen),
            },
            Found::Entry(Entry::Present { stat, kept: true, .. }) if stat.kind == FileKind::File => {
                self.base.read_through(&self.resolve(path), take)
            }
            _ => Ok(self.read(path)?.map(|content| {
                content.map(|bytes| {
                    take(&bytes);
                    bytes.len() as u64
                })
            })),
        }
    }

    fn unit(&self, name: &str) -> Look<UnitState> {
        match self.units.get(name) {
            Some(state) => Ok(Known::Is(state.clone())),
            None => match self.base.unit(name)? {
                Known::Is(state) if !state.exists => Ok(match self.maybe_brought::<()>(true, name) {
                    Known::Is(_) => Known::Is(state),
                    Known::Unknown(because) => Known::Unknown(because),
                }),
                seen => Ok(seen),
            },
        }
    }

    fn probe(&self, probe: &Probe) -> Look<ProbeOutcome> {
        match &self.unsettled {
            // What the command would say depends on things that are not there yet.
            Some(because) => Ok(match foreseen::answer(self, probe) {
                Some(success) => Known::Is(ProbeOutcome { success, status: i32::from(!success) }),
                None => Known::Unknown(because.clone()),
            }),
            None => self.base.probe(probe),
        }
    }

    fn is_managed(&self, path: &Path) -> bool {
        self.managed.map_or_else(|| self.base.is_managed(path), |managed| managed.covers(path))
    }

    fn is_owned(&self, name: &str) -> bool {
        self.managed.map_or_else(|| self.base.is_owned(name), |managed| managed.owns(name))
    }

    fn is_declared(&self, path: &Path) -> bool {
        self.managed.map_or_else(|| self.base.is_declared(path), |managed| managed.declares(path))
    }

    fn exists(&self, path: &Path) -> Look<bool> {
        match self.find(&self.resolve(path)) {
            Found::Entry(Entry::Appearing(_)) => Ok(Known::Is(true)),
            _ => Ok(self.stat(path)?.map(|stat| stat.is_some())),
        }
    }

    fn is_live(&self) -> bool {
        self.base.is_live()
    }

    fn identity(&self) -> (u32, u32) {
        self.base.identity()
    }
}
