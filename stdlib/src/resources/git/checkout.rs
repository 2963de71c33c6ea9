//! Running git.

use std::sync::Arc;

use stead_catalog::Command;
use stead_engine::{ApplyError, Known, Machine, ObserveError, Run};

use super::look::Head;
use super::{Git, ObservedGit};
use crate::filesystem::Holder;
use crate::values::Account;

/// Hands git the credentials that are in its environment.
const HELPER: &str = "credential.helper=!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$STEAD_GIT_USER\" \"$STEAD_GIT_PASSWORD\"; }; f";

impl Git {
    /// A command line of git. No hook, file-system monitor or password program that the repository's configuration names is run; its
    /// filters are, which only the owner can have configured: git itself and [`Git::refuse_foreign`] hold to that.
    pub(super) fn words(&self, in_tree: bool, words: &[&str]) -> Vec<Arc<str>> {
        let path = self.path.as_str();
        let mut all: Vec<Arc<str>> = vec!["git".into()];
        if in_tree {
            all.extend(["-C".into(), Arc::from(path)]);
        }
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.askPass=",
            "core.alternateRefsCommand=",
            "advice.detachedHead=false",
            "protocol.ext.allow=never",
        ] {
            all.extend(["-c".into(), Arc::from(setting)]);
        }
        if self.credentials().is_some() {
            all.extend(["-c".into(), "credential.helper=".into(), "-c".into(), Arc::from(HELPER)]);
        }
        all.extend(words.iter().map(|word| Arc::from(*word)));
        all
    }

    /// User and password: given, or in the URL.
    fn credentials(&self) -> Option<(String, String)> {
        if let Some(user) = &self.username {
            return Some((
                user.to_string(),
                self.password.as_ref().map(|secret| secret.reveal().to_string()).unwrap_or_default(),
            ));
        }
        let url = self.url.as_ref()?;
        let parts = stead_engine::net::UrlParts::of(url.reveal())?;
        if !matches!(parts.scheme, "http" | "https") {
            return None;
        }
        let (user, password) = parts.credentials?.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    pub(super) fn environment(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let mut env: Vec<(Arc<str>, Arc<str>)> = vec![
            ("GIT_TERMINAL_PROMPT".into(), "0".into()),
            ("GIT_OPTIONAL_LOCKS".into(), "0".into()),
            ("LC_ALL".into(), "C.UTF-8".into()),
        ];
        let mut ssh = String::from("ssh -o BatchMode=yes");
        if let Some(key) = &self.ssh_key {
            ssh.push_str(&format!(" -o IdentitiesOnly=yes -i '{}'", key.as_str().replace('\'', r"'\''")));
        }
        if self.accept_host_key {
            ssh.push_str(" -o StrictHostKeyChecking=accept-new");
        }
        env.push(("GIT_SSH_COMMAND".into(), ssh.into()));
        if let Some((user, password)) = self.credentials() {
            env.push(("STEAD_GIT_USER".into(), user.into()));
            env.push(("STEAD_GIT_PASSWORD".into(), password.into()));
        }
        env
    }

    pub(super) fn git(&self, machine: &Machine, in_tree: bool, words: &[&str]) -> Result<String, ApplyError> {
        self.git_with(machine, in_tree, words, None)
    }

    /// The same, with something to read.
    pub(super) fn git_with(
        &self,
        machine: &Machine,
        in_tree: bool,
        words: &[&str],
        stdin: Option<Arc<[u8]>>,
    ) -> Result<String, ApplyError> {
        let secrets = self.credentials().map(|(_, password)| Arc::from(password)).into_iter().collect();
        let output = machine.run(&Run {
            command: Command::Argv(self.words(in_tree, words)),
            user: self.user.clone(),
            cwd: None,
            env: self.environment(),
            timeout: None,
            stdin,
            secrets,
            umask: None,
        })?;
        if output.status == 0 {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let line = said
            .lines()
            .rev()
            .find(|line| line.starts_with("fatal:") || line.starts_with("error:"))
            .or_else(|| said.lines().last());
        Err(ObserveError::Impossible {
            code: "git-failed",
            message: format!("`git {}` failed in {}: {}", words.first().unwrap_or(&""), self.path, line.unwrap_or_default()),
            hint: format!(
                "look whether the node can reach the remote as that user, and whether it has `rev`\ngit wrote:\n{said}"
            ),
        }
        .into())
    }

    /// Brings the repository to what is wanted, whatever state it is in: a clone that was killed is gone on with.
    pub(super) fn check_out(&self, machine: &Machine, head: Option<&Head>, observed: &ObservedGit) -> Result<(), ApplyError> {
        self.refuse_foreign(machine.world())?;
        self.record(machine, head, observed)?;
        let fresh = head.is_none();
        if fresh {
            self.make_directory(machine)?;
        }
        let outcome = self.steps(machine, head, observed);
        if outcome.is_err() && fresh {
            // What could not be cloned leaves nothing behind.
            let _ = machine.remove_tree(self.path());
        }
        outcome
    }

    fn make_directory(&self, machine: &Machine) -> Result<(), ApplyError> {
        if matches!(machine.world().stat(self.path())?, Known::Is(Some(_))) {
            return Ok(());
        }
        let (uid, gid) = match &self.user {
            Some(user) => {
                let uid = Holder::user(machine.world(), &Account::Name(user.clone()))?.settled()?;
                let gid = machine.world().user(user)?.known()?.and_then(|user| user.gid.value().copied());
                (Some(uid), gid)
            }
            None => (None, None),
        };
        machine.make_directory(self.path(), 0o755, uid, gid)
    }

    fn steps(&self, machine: &Machine, head: Option<&Head>, observed: &ObservedGit) -> Result<(), ApplyError> {
        let url = self.url.as_ref().map(|url| stead_engine::net::without_credentials(url.reveal())).unwrap_or_default();
        if head.is_none() {
            let mut words = vec!["init", "--quiet"];
            if self.bare {
                words.push("--bare");
            }
            words.extend(["--", self.path.as_str()]);
            self.git(machine, false, &words)?;
        }
        let setting = format!("remote.{}.url", self.remote);
        if head.and_then(|head| head.url.as_deref()) != Some(&*url) {
            self.git(machine, true, &["config", "--replace-all", &setting, &url])?;
        }
        let remote_refs =
            if self.bare { "+refs/*:refs/*".to_owned() } else { format!("+refs/heads/*:refs/remotes/{}/*", self.remote) };
        self.git(machine, true, &["config", "--replace-all", &format!("remote.{}.fetch", self.remote), &remote_refs])?;
        let target = self.fetch(machine)?;
        if self.bare {
            return self.point_bare_head(machine, target.branch.as_deref());
        }
        if observed.dirty > 0 && self.force {
            if head.is_some_and(|head| head.commit.is_some()) {
                self.git(machine, true, &["reset", "--quiet", "--hard"])?;
            }
            self.git(machine, true, &["clean", "--quiet", "-d", "--force"])?;
        }
        match &target.branch {
            Some(branch) => {
                self.git(machine, true, &["checkout", "--quiet", "--force", "-B", branch, &target.commit, "--"])?;
                let upstream = format!("{}/{branch}", self.remote);
                // A history that was cut off may not have it.
                let _ = self.git(machine, true, &["branch", "--quiet", "--set-upstream-to", &upstream, branch]);
            }
            None => drop(self.git(machine, true, &["checkout", "--quiet", "--force", "--detach", &target.commit, "--"])?),
        }
        if self.submodules {
            let mut words = vec!["submodule", "--quiet", "update", "--init", "--recursive"];
            if self.force {
                words.push("--force");
            }
            self.git(machine, true, &words)?;
        }
        Ok(())
    }

    /// Fetches, and says what is to be checked out.
    fn fetch(&self, machine: &Machine) -> Result<Target, ApplyError> {
        let depth = self.depth.map(|depth| format!("--depth={depth}"));
        let mut words = vec!["fetch", "--quiet", "--tags", "--force"];
        if self.bare {
            words.push("--prune");
        }
        words.extend(depth.as_deref());
        words.push("--");
        words.push(&self.remote);
        let is_commit = self.rev.as_deref().is_some_and(Self::is_commit);
        self.git(machine, true, &words)?;
        let commit_of = |name: &str| {
            let spec = format!("{name}^{{commit}}");
            self.git(machine, true, &["rev-parse", "--verify", "--quiet", &spec]).ok().map(|text| text.trim().to_owned())
        };
        let (heads, origin) =
            if self.bare { ("refs/heads".to_owned(), "") } else { (format!("refs/remotes/{}", self.remote), &*self.remote) };
        match self.rev.as_deref() {
            Some(rev) if is_commit => {
                if commit_of(rev).is_none() {
                    // A server may hand out a commit that no branch leads to, or that is beyond `depth`.
                    let mut words = vec!["fetch", "--quiet"];
                    words.extend(depth.as_deref());
                    words.extend(["--", origin, rev]);
                    self.git(machine, true, &words)?;
                }
                Ok(Target { commit: rev.to_ascii_lowercase(), branch: None })
            }
            Some(rev) => {
                if let Some(commit) = commit_of(&format!("{heads}/{rev}")) {
                    return Ok(Target { commit, branch: Some(rev.to_owned()) });
                }
                match commit_of(&format!("refs/tags/{rev}")) {
                    Some(commit) => Ok(Target { commit, branch: None }),
                    None => Err(self.no_such_rev(rev)),
                }
            }
            None => {
                let text = self.git(machine, true, &["ls-remote", "--symref", "--", &self.remote, "HEAD"])?;
                let branch = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.split('\t').next());
                let branch = branch.ok_or_else(|| self.no_such_rev("HEAD"))?.to_owned();
                let commit = commit_of(&format!("{heads}/{branch}")).ok_or_else(|| self.no_such_rev(&branch))?;
                Ok(Target { commit, branch: Some(branch) })
            }
        }
    }

    fn no_such_rev(&self, rev: &str) -> ApplyError {
        ObserveError::Impossible {
            code: "git-failed",
            message: format!("{} has no branch or tag `{rev}`", self.shown_url()),
            hint: "name one that it has, or a commit by all of its digits".into(),
        }
        .into()
    }

    fn point_bare_head(&self, machine: &Machine, branch: Option<&str>) -> Result<(), ApplyError> {
        match branch {
            Some(branch) => self.git(machine, true, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).map(drop),
            None => Ok(()),
        }
    }
}

/// What is to be checked out.
struct Target {
    commit: String,
    branch: Option<String>,
}
