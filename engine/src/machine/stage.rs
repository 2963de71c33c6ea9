//! Writing new content beside its destination.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use stead_catalog::Command;

use super::attributes::put_xattrs;
use super::before::{Need, Withhold, attributes_of, read_xattrs, xattrs};
use super::{FileWrite, Machine, Shared, refused, temporary};
use crate::journal::{Before, FileAttributes, FileState, NewBefore};
use crate::observed::open_regular;
use crate::process::{Ended, Spawn};
use crate::root::Entry;
use crate::{ApplyError, World as _};

/// Longest time a validation may take that no `timeout` limits.
const VALIDATION_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// Attributes that speak of the old content and must not be given to the new.
const OF_CONTENT: [&[u8]; 3] = [b"security.capability", b"security.ima", b"security.evm"];

/// Tries for a name that nobody has taken.
const NAMES: u32 = 8;

/// A file written beside its destination, to be synced and renamed. Removed when it is dropped before that.
pub struct Staged {
    pub(super) shared: Arc<Shared>,
    /// The directory, when it was written.
    pub(super) directory: (u64, u64),
    pub(super) temporary: OsString,
    pub(super) destination: PathBuf,
    /// What is at the destination, to be written to the journal before the renaming.
    pub(super) before: Option<NewBefore>,
    /// What will be at the destination.
    pub(super) after: Option<Before>,
    pub(super) committed: bool,
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged")
            .field("destination", &self.destination)
            .field("temporary", &self.temporary)
            .finish_non_exhaustive()
    }
}

impl Staged {
    /// Where the file will be.
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// The temporary file's own path.
    pub(super) fn path(&self) -> PathBuf {
        self.destination.with_file_name(&self.temporary)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if let Ok(Some(entry)) = self.shared.observed.root().parent(&self.destination)
            && entry.directory.identity == self.directory
        {
            // What cannot be removed now is removed by the next run, as after a kill.
            let _ = rustix::fs::unlinkat(&*entry.directory, &self.temporary, AtFlags::empty());
        }
    }
}

/// Writes the file. It is private until it is complete, and never open to more than it will be.
pub(super) fn stage(machine: &Machine, write: &FileWrite) -> Result<Staged, ApplyError> {
    // Whatever the type says: a secret that was given to any attribute may have got into the content.
    let keeps_secret = write.keeps && machine.shared.observed.holds_secret(&write.path);
    let sensitive = write.sensitive || keeps_secret || machine.scope.secrecy.is_in(&write.content);
    write_beside(machine, write, sensitive, &mut |file| {
        file.write_all(&write.content).map_err(|error| ApplyError::io("write", &write.path, &error))
    })
}

/// A file that is being written, and what it has so far.
struct Summed {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The same, with what `fill` writes instead of the content.
pub(super) fn stage_with(
    machine: &Machine,
    write: &FileWrite,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), ApplyError>,
) -> Result<Staged, ApplyError> {
    write_beside(machine, write, write.sensitive, fill)
}

fn write_beside(
    machine: &Machine,
    write: &FileWrite,
    sensitive: bool,
    fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), ApplyError>,
) -> Result<Staged, ApplyError> {
    let path = &*write.path;
    let (mut staged, file, entry) = begin(machine, path, sensitive)?;
    let mut summed = Summed { file, hasher: blake3::Hasher::new() };
    keep_xattrs(&entry, path, &summed.file)?;
    fill(&mut summed)?;
    let Summed { file, hasher } = summed;
    if write.uid.is_some() || write.gid.is_some() {
        // Before the mode: a change of owner takes setuid and setgid bits away.
        let (uid, gid) = (write.uid.map(Uid::from_raw), write.gid.map(Gid::from_raw));
        set_owner(&file, uid, gid).map_err(|error| refused("set the owner of", path, error))?;
    }
    if let Some(validate) = &write.validate {
        validation(machine, validate, path, &staged.path())?;
    }
    if write.mode != 0o600 {
        let mode = Mode::from_raw_mode(write.mode & 0o7777);
        rustix::fs::fchmod(&file, mode).map_err(|error| refused("set the mode of", path, error))?;
    }
    staged.after = Some(state_of(&file, path, *hasher.finalize().as_bytes(), sensitive)?);
    Ok(staged)
}

/// Writes the file as it was: content, owner, extended attributes, mode and time, and nothing of what is there now.
pub(super) fn restore(
    machine: &Machine,
    path: &Path,
    content: &[u8],
    attributes: &FileAttributes,
    sensitive: bool,
) -> Result<Staged, ApplyError> {
    let (mut staged, mut file, _) = begin(machine, path, sensitive)?;
    file.write_all(content).map_err(|error| ApplyError::io("write", path, &error))?;
    let (uid, gid) = (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)));
    set_owner(&file, uid, gid).map_err(|error| refused("set the owner of", path, error))?;
    put_xattrs(&file, &attributes.xattrs).map_err(|error| refused("set the extended attributes of", path, error))?;
    let mode = Mode::from_raw_mode(attributes.mode & 0o7777);
    rustix::fs::fchmod(&file, mode).map_err(|error| refused("set the mode of", path, error))?;
    let modified = Timespec {
        tv_sec: attributes.modified_ns.div_euclid(1_000_000_000),
        tv_nsec: attributes.modified_ns.rem_euclid(1_000_000_000) as _,
    };
    // A file system that keeps no such times has lost nothing.
    let _ = rustix::fs::futimens(&file, &Timestamps { last_access: modified, last_modification: modified });
    staged.after = Some(state_of(&file, path, *blake3::hash(content).as_bytes(), sensitive)?);
    Ok(staged)
}

/// What a file that has been written will be like at its destination.
pub(super) fn state_of(file: &File, path: &Path, digest: [u8; 32], withheld: bool) -> Result<Before, ApplyError> {
    let stat = rustix::fs::fstat(file).map_err(|error| refused("look at", path, error))?;
    let attributes = FileAttributes { xattrs: xattrs(file), ..attributes_of(&stat) };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(Before::Path { path: path.to_owned(), state: FileState::File { attributes, size, withheld }, blob: Some(digest) })
}

/// Looks at what is at the destination, and makes an empty file beside it.
fn begin<'p>(machine: &Machine, path: &'p Path, sensitive: bool) -> Result<(Staged, File, Entry<'p>), ApplyError> {
    let entry = machine.entry("write", path)?;
    let withheld = sensitive || holds_secret(machine, &entry, path)?;
    let before = machine.look_before(path, Need::Content, Withhold::Whether(withheld))?;
    let (fd, temporary) = create(machine, &entry, path)?;
    let staged = Staged {
        shared: machine.shared.clone(),
        directory: entry.directory.identity,
        temporary,
        destination: path.to_owned(),
        before,
        after: None,
        committed: false,
    };
    Ok((staged, File::from(fd), entry))
}

/// Says whether the file that is replaced holds a secret of the resource or of another.
pub(super) fn holds_secret(machine: &Machine, entry: &Entry<'_>, path: &Path) -> Result<bool, ApplyError> {
    let secrecy = &machine.scope.secrecy;
    Ok(secrecy.knows_any() && open_regular(entry, path)?.is_some_and(|(mut file, _)| secrecy.is_in_file(&mut file)))
}

fn create(machine: &Machine, entry: &Entry<'_>, path: &Path) -> Result<(OwnedFd, OsString), ApplyError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut taken = Errno::EXIST;
    for _ in 0..NAMES {
        let name = temporary::name(machine.shared.token);
        match rustix::fs::openat(&*entry.directory, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => return Ok((fd, name)),
            Err(Errno::EXIST) => taken = Errno::EXIST,
            Err(error) => return Err(refused("write", path, error)),
        }
    }
    Err(refused("write", path, taken))
}

/// Changes the owner where it is another.
fn set_owner(file: &File, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(file)?;
    let uid = uid.filter(|uid| uid.as_raw() != stat.st_uid);
    let gid = gid.filter(|gid| gid.as_raw() != stat.st_gid);
    if uid.is_none() && gid.is_none() { Ok(()) } else { rustix::fs::fchown(file, uid, gid) }
}

/// Gives the new file the extended attributes and ACLs of the regular file it replaces. It is still empty, and private again afterwards.
fn keep_xattrs(entry: &Entry<'_>, path: &Path, new: &File) -> Result<(), ApplyError> {
    // What cannot be read, or is no regular file, has nothing to hand on.
    let Ok(Some((old, _))) = open_regular(entry, path) else { return Ok(()) };
    let kept: Vec<_> = read_xattrs(&old).into_iter().filter(|(name, _)| !OF_CONTENT.contains(&&**name)).collect();
    if kept.is_empty() {
        return Ok(());
    }
    for (name, value) in kept {
        match rustix::fs::fsetxattr(new, &*name, &value, XattrFlags::empty()) {
            // Attributes of the system's own (labels, trusted ones) are not this user's to set.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) if !name.starts_with(b"system.posix_acl") => {}
            Err(error) => return Err(refused("keep the attributes of", path, error)),
            Ok(()) => {}
        }
    }
    rustix::fs::fchmod(new, Mode::RUSR | Mode::WUSR).map_err(|error| refused("set the mode of", path, error))
}

/// Runs the validation command on the temporary file.
fn validation(machine: &Machine, validate: &Command, path: &Path, temporary: &Path) -> Result<(), ApplyError> {
    let file = temporary.to_string_lossy();
    let command = match validate {
        Command::Argv(words) => Command::Argv(words.iter().map(|word| word.replace("%s", &file).into()).collect()),
        Command::Shell(line) => Command::Shell(line.replace("%s", &quoted(&file)).into()),
    };
    let spawn = Spawn {
        command: &command,
        user: None,
        cwd: None,
        env: &[],
        stdin: None,
        umask: None,
        chroot: machine.shared.observed.command_root()?,
        timeout: Some(machine.time_left().unwrap_or(VALIDATION_TIMEOUT)),
        quiet: false,
    };
    let refused = |output: String| ApplyError::Invalid { path: path.to_owned(), command: validate.to_string(), output };
    let finished = spawn.run(&machine.shared.cancel).map_err(|error| refused(format!("it cannot be started: {error}")))?;
    match finished.ended {
        Ended::Status(0) => Ok(()),
        Ended::Status(_) => {
            let mut output = finished.stdout.into_bytes();
            output.extend(finished.stderr.into_bytes());
            let output = String::from_utf8_lossy(&output).replace(&*file, &path.to_string_lossy());
            Err(refused(last_lines(&output)))
        }
        Ended::TimedOut => Err(refused("it took too long".into())),
        Ended::Aborted => Err(ApplyError::Cancelled),
    }
}

/// A path as one word for the shell, where it needs quotes.
fn quoted(word: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@%:,=".contains(byte);
    if word.as_bytes().iter().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The end of what a command wrote: what it says last is mostly why it failed.
fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
