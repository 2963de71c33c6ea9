//! Reading a repository without git (gitrepository-layout(5)), and asking it what cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stead_catalog::Command;
use stead_engine::{FileKind, Known, Look, ObserveError, Owner, Probe, World};

use super::Git;
use crate::filesystem::Holder;
use crate::values::Account;

/// What is checked out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// It is a repository.
    pub(super) is_repository: bool,
    /// The commit; `None` where there is none yet.
    pub(super) commit: Option<Arc<str>>,
    /// The branch; `None` of a detached head.
    pub(super) branch: Option<Arc<str>>,
    /// The remote's URL.
    pub(super) url: Option<Arc<str>>,
}

/// Reads what is checked out.
pub(super) fn head(world: &dyn World, directory: &Path, remote: &str) -> Look<Head> {
    let Some(text) = (match read(world, &directory.join("HEAD"))? {
        Known::Is(text) => text,
        Known::Unknown(because) => return Ok(Known::Unknown(because)),
    }) else {
        return Ok(Known::Is(Head::default()));
    };
    let text = text.trim();
    let mut head = Head { is_repository: true, ..Head::default() };
    match text.strip_prefix("ref: ") {
        None => head.commit = Some(text.into()),
        Some(reference) => {
            head.branch = reference.strip_prefix("refs/heads/").map(Arc::from);
            match resolve(world, directory, reference)? {
                Known::Is(commit) => head.commit = commit,
                Known::Unknown(because) => return Ok(Known::Unknown(because)),
            }
        }
    }
    match read(world, &directory.join("config"))? {
        Known::Is(config) => head.url = config.and_then(|config| remote_url(&config, remote)),
        Known::Unknown(because) => return Ok(Known::Unknown(because)),
    }
    Ok(Known::Is(head))
}

/// What a reference points to; for an annotated tag the commit, where packed-refs tells it.
pub(super) fn resolve(world: &dyn World, directory: &Path, reference: &str) -> Look<Option<Arc<str>>> {
    match read(world, &directory.join(reference))? {
        Known::Is(Some(text)) => return Ok(Known::Is(Some(text.trim().into()))),
        Known::Is(None) => {}
        Known::Unknown(because) => return Ok(Known::Unknown(because)),
    }
    Ok(read(world, &directory.join("packed-refs"))?.map(|text| {
        let text = text?;
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.split_once(' ').is_some_and(|(_, name)| name == reference) {
                let peeled = lines.peek().and_then(|next| next.strip_prefix('^'));
                return Some(peeled.unwrap_or(line.split_once(' ')?.0).into());
            }
        }
        None
    }))
}

fn read(world: &dyn World, path: &Path) -> Look<Option<String>> {
    match world.read(path) {
        Ok(known) => Ok(known.map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))),
        // `.git` may be a file (a worktree): git has to be asked about that, and this is no repository of ours.
        Err(ObserveError::WrongKind { .. }) => Ok(Known::Is(None)),
        Err(error) => Err(error),
    }
}

/// What a working tree, or a bare repository, is at, in the terms of the journal: what is checked out, its branches and tags (all
/// references of a bare one), and where its remotes are.
pub(super) fn recorded(world: &dyn World, path: &Path) -> Result<serde_json::Value, ObserveError> {
    let (mut directory, mut is_bare) = (path.join(".git"), false);
    let mut found = head(world, &directory, "")?.known()?;
    if !found.is_repository {
        (directory, is_bare) = (path.to_owned(), true);
        found = head(world, &directory, "")?.known()?;
    }
    if !found.is_repository {
        return Ok(serde_json::Value::Null);
    }
    let config = read(world, &directory.join("config"))?.known()?.unwrap_or_default();
    let is_kept = |name: &str| is_bare || name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    let mut references = references(world, &directory)?;
    references.retain(|name, _| is_kept(name));
    Ok(serde_json::json!({
        "commit": found.commit,
        "branch": found.branch,
        "references": references,
        "remotes": remotes(&config),
    }))
}

/// All references with what they point to.
fn references(world: &dyn World, directory: &Path) -> Result<BTreeMap<String, String>, ObserveError> {
    let packed = read(world, &directory.join("packed-refs"))?.known()?.unwrap_or_default();
    let lines = packed.lines().filter(|line| !line.starts_with(['#', '^']));
    let mut found: BTreeMap<String, String> =
        lines.filter_map(|line| line.split_once(' ')).map(|(commit, name)| (name.to_owned(), commit.to_owned())).collect();
    let mut names = vec!["refs".to_owned()];
    while let Some(name) = names.pop() {
        // A name is a path in there; git makes none that is deeper.
        if name.len() > 4096 {
            continue;
        }
        for (entry, kind) in world.list(&directory.join(&name))?.known()?.unwrap_or_default() {
            let name = format!("{name}/{}", entry.to_string_lossy());
            match kind {
                FileKind::Directory => names.push(name),
                FileKind::File => {
                    let text = read(world, &directory.join(&name))?.known()?.unwrap_or_default();
                    // A reference to another reference follows by itself.
                    if Git::is_commit(text.trim()) {
                        found.insert(name, text.trim().to_owned());
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The URLs of all remotes, without passwords.
fn remotes(config: &str) -> BTreeMap<String, String> {
    let names = config.lines().filter_map(|line| line.trim().strip_prefix("[remote \"")?.strip_suffix("\"]"));
    let url = |name: &str| remote_url(config, name).map(|url| stead_engine::net::without_credentials(&url));
    names.filter_map(|name| Some((name.to_owned(), url(name)?))).collect()
}

/// The URL of a remote in a configuration.
fn remote_url(config: &str, remote: &str) -> Option<Arc<str>> {
    let header = format!("[remote \"{remote}\"]");
    let lines = config.lines().map(str::trim).skip_while(|line| **line != *header).skip(1);
    let mut own = lines.take_while(|line| !line.starts_with('['));
    own.find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "url").map(|(_, url)| url.trim().into()))
}

impl Git {
    /// The commit that `rev` stands for, where that can be told: by itself, by a tag that is there, or by the remote.
    pub(super) fn wanted_commit(&self, world: &dyn World, head: &Head) -> Look<Option<Arc<str>>> {
        if let Some(rev) = self.rev.as_ref().filter(|rev| Self::is_commit(rev)) {
            return Ok(Known::Is(Some(rev.to_ascii_lowercase().into())));
        }
        if self.update {
            return self.ask_remote(world);
        }
        let Some(rev) = &self.rev else { return Ok(Known::Is(None)) };
        if head.branch.as_deref() == Some(rev) || self.bare {
            return Ok(Known::Is(None));
        }
        match resolve(world, &self.directory(), &format!("refs/tags/{rev}"))? {
            Known::Is(Some(tag)) if head.commit.as_ref() == Some(&tag) => Ok(Known::Is(Some(tag))),
            // A tag may be an object of its own; only git knows what that points to.
            Known::Is(Some(_)) => {
                let output = self.query(world, &["rev-parse", "--verify", "--quiet", &format!("refs/tags/{rev}^{{commit}}")])?;
                Ok(output.map(|(_, text)| text.lines().next().map(Arc::from).filter(|text| Self::is_commit(text))))
            }
            other => Ok(other),
        }
    }

    /// Asks the remote what `rev` points to.
    fn ask_remote(&self, world: &dyn World) -> Look<Option<Arc<str>>> {
        let Some(url) = &self.url else { return Ok(Known::Is(None)) };
        let url = stead_engine::net::without_credentials(url.reveal());
        let rev = self.rev.as_deref().unwrap_or("HEAD");
        let (branch, tag) = (format!("refs/heads/{rev}"), format!("refs/tags/{rev}"));
        let peeled = format!("{tag}^{{}}");
        let mut words = vec!["ls-remote", "--", url.as_str()];
        if self.rev.is_none() {
            words.push("HEAD")
        } else {
            words.extend([branch.as_str(), &tag, &peeled])
        }
        let (status, text) = match self.query(world, &words)? {
            Known::Is(answer) => answer,
            Known::Unknown(because) => return Ok(Known::Unknown(because)),
        };
        let problem = |message: String, hint: &str| ObserveError::Impossible { code: "git-failed", message, hint: hint.into() };
        if status != 0 {
            let said = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            let hint = "look whether the node can reach it as that user, with its key or password";
            return Err(problem(format!("{} cannot be asked: {said}", self.shown_url()), hint));
        }
        let find = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once('\t').filter(|(_, known)| *known == name).map(|(commit, _)| Arc::from(commit)))
        };
        let found = find(&branch).or_else(|| find(&peeled)).or_else(|| find(&tag)).or_else(|| find("HEAD"));
        match found {
            Some(commit) => Ok(Known::Is(Some(commit))),
            None => {
                Err(problem(format!("{} has no branch or tag `{rev}`", self.shown_url()), "name one that it has, or a commit"))
            }
        }
    }

    /// Refuses a repository of somebody else: git runs programs that its configuration names, such as filters, and would run them as
    /// the user that it runs as here.
    ///
    /// # Errors
    /// `foreign-repository`, and what looking fails with.
    pub(super) fn refuse_foreign(&self, world: &dyn World) -> Result<(), ObserveError> {
        let runs_as = match &self.user {
            None => Owner::Id(world.identity().0),
            Some(user) => match Holder::user(world, &Account::Name(user.clone()))?.id {
                Known::Is(id) => id,
                Known::Unknown(_) => return Ok(()),
            },
        };
        let directory = self.directory();
        let inside: [PathBuf; 3] = [self.path().to_owned(), directory.clone(), directory.join("config")];
        for path in inside {
            let Known::Is(Some(stat)) = world.stat(&path)? else { continue };
            let refused = |why: String, hint: String| {
                Err(ObserveError::Impossible {
                    code: "foreign-repository",
                    message: format!(
                        "{} {why}, and git would run as {} what the repository says",
                        path.display(),
                        self.runs_as(world)
                    ),
                    hint,
                })
            };
            if stat.uid != runs_as {
                let owner = match &stat.uid {
                    Owner::Id(id) => world.user_name(*id).unwrap_or_else(|| id.to_string().into()),
                    Owner::Pending(name) => name.clone(),
                };
                let hint = format!("say `user = \"{owner}\"`, or give the repository to {}", self.runs_as(world));
                return refused(format!("belongs to {owner}"), hint);
            }
            // A configuration that others write is theirs.
            let by_group = stat.mode & 0o020 != 0 && stat.gid != Owner::Id(0);
            let is_open = stat.mode & 0o002 != 0 || by_group && runs_as == Owner::Id(0);
            if is_open && path != self.path() {
                return refused("can be written by others".into(), "take the permission away: `chmod go-w`".into());
            }
        }
        Ok(())
    }

    fn runs_as(&self, world: &dyn World) -> Arc<str> {
        self.user.clone().unwrap_or_else(|| {
            let uid = world.identity().0;
            world.user_name(uid).unwrap_or_else(|| uid.to_string().into())
        })
    }

    /// How many files have local changes, or are not known to git.
    pub(super) fn count_changes(&self, world: &dyn World) -> Result<usize, ObserveError> {
        match self.query(world, &["status", "--porcelain", "--ignore-submodules=none"])? {
            Known::Is((0, text)) => Ok(text.lines().filter(|line| !line.trim().is_empty()).count()),
            Known::Is((_, text)) => Err(ObserveError::Impossible {
                code: "git-failed",
                message: format!("git cannot read {}: {}", self.path, text.lines().last().unwrap_or_default()),
                hint: "look at the repository with `git status`, or remove it".into(),
            }),
            Known::Unknown(because) => Err(ObserveError::Unknown { because }),
        }
    }

    /// Runs git to ask something: its status and what it wrote.
    fn query(&self, world: &dyn World, words: &[&str]) -> Look<(i32, String)> {
        let in_tree = words.first() != Some(&"ls-remote");
        if in_tree {
            self.refuse_foreign(world)?;
        }
        let probe = Probe {
            command: Command::Argv(self.words(in_tree, words)),
            user: self.user.clone(),
            cwd: None,
            env: self.environment(),
            timeout: Some(Duration::from_secs(60)),
        };
        Ok(world.query(&probe)?.map(|output| {
            let bytes = if output.status == 0 { output.stdout } else { output.stderr };
            (output.status, String::from_utf8_lossy(&bytes).into_owned())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_remote_is_found() {
        let config = "[core]\n\tbare = false\n[remote \"other\"]\n\turl = https://other/x\n[remote \"origin\"]\n\tfetch = x\n\turl = https://h/x.git\n[branch \"m\"]\n\turl = no\n";
        assert_eq!(remote_url(config, "origin").as_deref(), Some("https://h/x.git"));
        assert_eq!(remote_url(config, "upstream"), None);
        assert_eq!(remote_url("[remote \"origin\"]\n[x]\nurl = no\n", "origin"), None);
    }
}
