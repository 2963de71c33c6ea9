//! `stead apply --resume`: the hosts of an earlier rollout that are not as they are wanted, in the manner that they were to be worked on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stead_compiler::config::Share;
use stead_engine::{RootSpec, SavedPlans};

use super::record::{self, Head, KeptFile, Manner};
use super::rollout::{self, Task};
use super::{Asked, undo};
use crate::args::{ApplyArguments, ManyArguments, RolloutName};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::{machine, selection};

/// Goes on with a rollout. What is given anew has the last word; a plan that hosts were held to holds them again.
pub(crate) fn resume(name: &RolloutName, arguments: &ApplyArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let state = machine::state_dir(arguments.machine.state_dir.as_deref(), &RootSpec::Machine);
    let recorded = record::find(name, &state)?;
    let left: Vec<String> = recorded.head.hosts.iter().filter(|host| !recorded.good.contains(host)).cloned().collect();
    if left.is_empty() {
        terminal.print("every host of it is done\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = &recorded.head;
    let mut arguments = head.manner.on_top_of(arguments);
    if let Some(back) = &head.back {
        return undo::resume(&recorded, back, &left, &arguments, &state, terminal);
    }
    arguments.path = PathBuf::from(&head.project);
    arguments.select = selection::from_words(&head.selection);
    if let (Some(accept), None) = (&head.accept, &arguments.accept) {
        arguments.accept = Some(accept.same()?);
    }
    if let (Some(reviewed), None) = (&head.reviewed, &arguments.reviewed) {
        arguments.reviewed = Some(reviewed.same()?);
    }
    let saved = head.plan.as_ref().map(|file| {
        let path = file.same()?;
        let saved = SavedPlans::read(&path).map_err(|source| Failure::SavedPlan { path: path.clone(), source })?;
        Ok::<_, Failure>((path, saved))
    });
    let saved = saved.transpose()?;
    // What was saved was looked at.
    arguments.yes |= saved.is_some();
    let saved = saved.as_ref().map(|(path, saved)| (path.as_path(), saved));
    rollout::run(&Task { on: &head.on, hosts: Some(&left), saved, before: Some(&recorded) }, &arguments, terminal)
}

/// What is written down of a rollout before it begins.
pub(super) fn head(task: &Task<'_>, arguments: &ApplyArguments, asked: &[Asked]) -> Result<Head, Failure> {
    let project = std::path::absolute(&arguments.path).unwrap_or_else(|_| arguments.path.clone());
    let hosts = asked.iter().map(|asked| asked.target.name.to_string()).collect();
    let words = selection::to_words(&arguments.select);
    let mut head = Head::new(project.to_string_lossy().into_owned(), task.on, words, hosts);
    head.manner = Manner::of(arguments);
    head.continues = task.before.map(|before| before.id);
    head.plan = task.saved.map(|(path, _)| KeptFile::of(path)).transpose()?;
    head.reviewed = arguments.reviewed.as_deref().map(KeptFile::of).transpose()?;
    head.begun = task.before.map(|before| before.begun.clone()).unwrap_or_default();
    if let Some(accept) = &arguments.accept {
        head.accept = Some(KeptFile::of(accept)?);
        // Hosts without a plan have the catalog that they had before.
        head.catalogs = task.before.map(|before| before.head.catalogs.clone()).unwrap_or_default();
        let ready = asked.iter().filter_map(|asked| Some((asked.target.name.to_string(), asked.result.as_ref().ok()?.hash())));
        head.catalogs.extend(ready);
    }
    Ok(head)
}

impl KeptFile {
    fn of(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let hash = hash(&path)?;
        Ok(Self { path: path.to_string_lossy().into_owned(), hash })
    }

    /// The file, where it is still the one that it was.
    fn same(&self) -> Result<PathBuf, Failure> {
        let path = PathBuf::from(&self.path);
        if hash(&path)? == self.hash { Ok(path) } else { Err(Failure::FileReplaced(path)) }
    }
}

fn hash(path: &Path) -> Result<String, Failure> {
    let content = fs::read(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    Ok(blake3::hash(&content).to_hex().to_string())
}

impl Manner {
    fn of(arguments: &ApplyArguments) -> Self {
        let rollout = &arguments.rollout;
        let share = |share: Option<Share>| share.map(|share| share.to_string());
        Self {
            batch: share(rollout.batch),
            canary: share(rollout.canary),
            max_failures: share(rollout.max_failures),
            order: rollout.order.clone(),
            pause_ns: rollout.pause,
            confirm_batches: rollout.confirm_batches,
            no_fetch: arguments.fetch.no_fetch,
            audit_exec: arguments.audit_exec,
            ..Self::of_many(&arguments.many)
        }
    }

    /// How hosts are reached.
    pub(super) fn of_many(many: &ManyArguments) -> Self {
        let ssh = &many.ssh;
        let file = |path: &PathBuf| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            path.to_string_lossy().into_owned()
        };
        Self {
            r#become: many.r#become.clone(),
            ask_become_pass: ssh.ask_become_pass,
            ssh_config: ssh.ssh_config.as_ref().map(file),
            worker_binary: ssh.worker_binary.iter().map(file).collect(),
            forks: ssh.forks,
            connect_timeout_ns: ssh.connect_timeout,
            connect_retries: ssh.connect_retries,
            host_timeout_ns: ssh.host_timeout,
            ..Self::default()
        }
    }

    /// These options where a command line has none.
    fn on_top_of(&self, given: &ApplyArguments) -> ApplyArguments {
        let mut arguments = given.clone();
        let share = |given: Option<Share>, kept: &Option<String>| given.or_else(|| kept.as_deref().and_then(Share::parse));
        arguments.many = self.on_top_of_many(&given.many);
        let rollout = &mut arguments.rollout;
        rollout.batch = share(rollout.batch, &self.batch);
        rollout.canary = share(rollout.canary, &self.canary);
        rollout.max_failures = share(rollout.max_failures, &self.max_failures);
        if rollout.order.is_empty() {
            rollout.order.clone_from(&self.order);
        }
        rollout.pause = rollout.pause.or(self.pause_ns);
        rollout.confirm_batches |= self.confirm_batches;
        arguments.fetch.no_fetch |= self.no_fetch;
        arguments.audit_exec |= self.audit_exec;
        arguments
    }

    /// How hosts are reached, where a command line does not say.
    pub(super) fn on_top_of_many(&self, given: &ManyArguments) -> ManyArguments {
        let mut many = given.clone();
        many.r#become = many.r#become.take().or_else(|| self.r#become.clone());
        let ssh = &mut many.ssh;
        ssh.ask_become_pass |= self.ask_become_pass;
        ssh.ssh_config = ssh.ssh_config.take().or_else(|| self.ssh_config.as_ref().map(PathBuf::from));
        if ssh.worker_binary.is_empty() {
            ssh.worker_binary = self.worker_binary.iter().map(PathBuf::from).collect();
        }
        ssh.forks = ssh.forks.or(self.forks);
        ssh.connect_timeout = ssh.connect_timeout.or(self.connect_timeout_ns);
        ssh.connect_retries = ssh.connect_retries.or(self.connect_retries);
        ssh.host_timeout = ssh.host_timeout.or(self.host_timeout_ns);
        many
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;

    fn apply(words: &[&str]) -> ApplyArguments {
        let arguments = Arguments::try_parse_from([&["stead", "apply"], words].concat()).expect("a command line");
        let Command::Apply(arguments) = arguments.command else { panic!("an apply") };
        arguments
    }

    #[test]
    fn a_rollout_is_gone_on_with_as_it_was_begun_and_what_is_given_anew_has_the_last_word() {
        let words = [
            "--become=ann",
            "--ssh-config",
            "/etc/fleet",
            "--worker-binary",
            "/opt/stead",
            "--forks",
            "7",
            "--connect-timeout",
            "3s",
            "--connect-retries",
            "5",
            "--host-timeout",
            "2m",
            "--batch",
            "10%",
            "--canary",
            "2",
            "--max-failures",
            "3",
            "--order",
            "db,web",
            "--pause",
            "5s",
            "--confirm-batches",
            "--no-fetch",
            "--audit-exec",
        ];
        let manner = Manner::of(&apply(&words));
        let kept: Manner = serde_json::from_str(&serde_json::to_string(&manner).expect("text")).expect("read back");
        let again = kept.on_top_of(&apply(&["--resume", "last"]));
        assert_eq!(Manner::of(&again), manner, "nothing is lost");
        assert_eq!((again.many.ssh.forks(), again.many.ssh.host_timeout().as_secs()), (7, 120));
        let changed = Manner::of(&kept.on_top_of(&apply(&["--resume", "last", "--batch", "1", "--become", "--forks", "50"])));
        assert_eq!((changed.batch.as_deref(), changed.r#become.as_deref()), (Some("1"), Some("root")));
        assert_eq!((changed.forks, changed.connect_retries), (Some(50), Some(5)), "what is given counts, be it the default");
        assert_eq!(changed.canary.as_deref(), Some("2"));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_taken_for_the_one_of_then() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("plan");
        fs::write(&path, "one").expect("written");
        let kept = KeptFile::of(&path).expect("a file");
        assert_eq!(kept.same().expect("the same"), path);
        fs::write(&path, "two").expect("written");
        assert_eq!(kept.same().expect_err("another").code(), "file-replaced");
        fs::remove_file(&path).expect("removed");
        assert_eq!(kept.same().expect_err("gone").code(), "unreadable-file");
    }
}
