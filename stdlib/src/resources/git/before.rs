//! What a working tree was at before a run, and how it is brought back: from what the repository still has, without its remote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use stead_engine::{ApplyError, Machine, ObserveError, Restore, Restorer};

use super::look::{self, Head};
use super::{Git, ObservedGit, State};
use crate::values::AbsolutePath;

/// A working tree is brought back to what was checked out, with its branches, tags and remotes; one that was not there is removed again.
pub(crate) static GIT: Restorer = Restorer {
    kind: "git",
    is_tree: true,
    look: |world, name| look::recorded(world, Path::new(name)),
    restore: |name, before| {
        if before.is_null() {
            return Restore::resource("git", "path", name).with("state", "absent").with("force", true).into();
        }
        if before.get("commit").and_then(Json::as_str).is_none() || !before.get("references").is_some_and(Json::is_object) {
            return Restore::Impossible("the commit it was at is not known".into());
        }
        match before.get("how").and_then(|how| how.get("local_changes")).and_then(Json::as_u64) {
            None | Some(0) => Restore::Setting(put_back),
            Some(count) => {
                let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
                Restore::SettingWithout(put_back, format!("local changes of {files} in {name}, which `force` threw away"))
            }
        }
    },
};

impl Git {
    /// What to record before git changes anything.
    ///
    /// # Errors
    /// What looking fails with.
    pub(super) fn record(&self, machine: &Machine, head: Option<&Head>, observed: &ObservedGit) -> Result<(), ApplyError> {
        let mut before = match head {
            None => Json::Null,
            Some(_) => look::recorded(machine.world(), self.path())?,
        };
        if let Some(before) = before.as_object_mut() {
            let how = serde_json::json!({
                "user": self.user.as_deref(),
                "bare": self.bare,
                "submodules": self.submodules,
                "ssh_key": self.ssh_key.as_ref().map(|key| key.as_str()),
                "accept_host_key": self.accept_host_key,
                "local_changes": observed.dirty,
            });
            before.insert("how".into(), how);
        }
        machine.record(&GIT, self.path.as_str(), before)
    }

    /// The resource that runs git as it was run then.
    fn of_record(name: &str, how: &Json) -> Option<Self> {
        let is = |key: &str| how.get(key).and_then(Json::as_bool).unwrap_or(false);
        let text = |key: &str| how.get(key).and_then(Json::as_str);
        Some(Self {
            path: AbsolutePath::new(name)?,
            state: State::Present,
            url: None,
            rev: None,
            update: false,
            remote: "origin".into(),
            depth: None,
            submodules: is("submodules"),
            bare: is("bare"),
            force: false,
            user: text("user").map(Arc::from),
            ssh_key: text("ssh_key").and_then(AbsolutePath::new),
            accept_host_key: is("accept_host_key"),
            username: None,
            password: None,
        })
    }

    /// Brings references back: all that are in one of the two sets.
    fn put_references(&self, machine: &Machine, had: &Names<'_>, has: &Names<'_>) -> Result<(), ApplyError> {
        let mut orders = String::new();
        for name in had.keys().chain(has.keys()).collect::<BTreeSet<_>>() {
            match (had.get(name), has.get(name)) {
                (had, has) if had == has => {}
                (Some(commit), _) => orders.push_str(&format!("update {name} {commit}\n")),
                (None, _) => orders.push_str(&format!("delete {name}\n")),
            }
        }
        if orders.is_empty() {
            return Ok(());
        }
        self.git_with(machine, true, &["update-ref", "--stdin"], Some(orders.into_bytes().into()))?;
        for branch in has.keys().filter(|name| !had.contains_key(*name)).filter_map(|name| name.strip_prefix("refs/heads/")) {
            // What it followed is said in the configuration, if it followed anything.
            let _ = self.git(machine, true, &["config", "--remove-section", &format!("branch.{branch}")]);
        }
        Ok(())
    }

    fn put_remotes(&self, machine: &Machine, had: &Names<'_>, has: &Names<'_>) -> Result<(), ApplyError> {
        for (name, url) in had.iter().filter(|(name, url)| has.get(*name) != Some(url)) {
            self.git(machine, true, &["config", "--replace-all", &format!("remote.{name}.url"), url])?;
        }
        for name in has.keys().filter(|name| !had.contains_key(*name)) {
            self.git(machine, true, &["config", "--remove-section", &format!("remote.{name}")])?;
        }
        Ok(())
    }
}

/// Commits by reference, URLs by remote.
type Names<'j> = BTreeMap<&'j str, &'j str>;

/// The strings of a recorded set.
fn names<'j>(record: &'j Json, key: &str) -> Names<'j> {
    let set = record.get(key).and_then(Json::as_object).into_iter().flatten();
    set.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
}

fn put_back(machine: &Machine, name: &str, before: &Json) -> Result<(), ApplyError> {
    let text = |key: &str| before.get(key).and_then(Json::as_str);
    let how = before.get("how").cloned().unwrap_or_default();
    let (Some(git), Some(commit)) = (Git::of_record(name, &how), text("commit")) else { return Ok(()) };
    git.refuse_foreign(machine.world())?;
    let now = look::recorded(machine.world(), Path::new(name))?;
    git.put_remotes(machine, &names(before, "remotes"), &names(&now, "remotes"))?;
    if git.git(machine, true, &["cat-file", "-e", &format!("{commit}^{{commit}}")]).is_err() {
        return Err(ObserveError::Impossible {
            code: "git-failed",
            message: format!("{name} does not have the commit {commit} any more"),
            hint: "fetch it there, and undo again".into(),
        }
        .into());
    }
    if !git.bare {
        // Away from the branch, so that it can be moved. What is changed locally and in the way is refused by git, and stays.
        git.git(machine, true, &["checkout", "--quiet", "--detach", commit, "--"])?;
    }
    git.put_references(machine, &names(before, "references"), &names(&now, "references"))?;
    if let Some(branch) = text("branch") {
        git.git(machine, true, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])?;
    }
    if git.submodules {
        git.git(machine, true, &["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    Ok(())
}
