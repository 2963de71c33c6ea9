//! What a child process does to itself before it becomes the command.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::{Gid, Uid};

use super::{Spawn, trace};

/// Arranges session, root, umask, account and working directory of the child, and that the thread that starts it traces it.
///
/// # Errors
/// When a path has a NUL in it.
pub(super) fn prepare(command: &mut Command, spawn: &Spawn<'_>, traced: bool) -> io::Result<()> {
    let c_path = |path: &[u8]| CString::new(path).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let chroot = spawn.chroot.as_ref().map(|path| c_path(path.as_os_str().as_bytes())).transpose()?;
    let cwd = c_path(spawn.cwd.unwrap_or("/").as_bytes())?;
    let umask = Mode::from_raw_mode(spawn.umask.unwrap_or(0o022));
    let account = spawn.user.as_ref().map(|user| {
        let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        (Uid::from_raw(user.uid), Gid::from_raw(user.gid), groups)
    });
    let child = move || {
        if traced {
            // While this process is still the engine's own user: whether a setuid program keeps its rights is decided by who asked.
            trace::trace_me()?;
        }
        // No controlling terminal, and a process group that ends as one.
        rustix::process::setsid()?;
        if let Some(root) = &chroot {
            rustix::process::chroot(root)?;
        }
        rustix::process::umask(umask);
        if let Some((uid, gid, groups)) = &account {
            // Groups first: afterwards the right to change them is gone. A process that is this user already may not and need not.
            let already = rustix::process::geteuid() == *uid && rustix::process::getegid() == *gid;
            if !already || uid.is_root() {
                rustix::thread::set_thread_groups(groups)?;
                rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
                rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?;
            }
        }
        rustix::process::chdir(&cwd)?;
        Ok(())
    };
    start_with(command, child);
    Ok(())
}

#[expect(unsafe_code, reason = "std has no safe way to set groups, session, umask and root between fork and exec")]
fn start_with(command: &mut Command, child: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The one closure handed in, above, makes system
    // calls through rustix, or ptrace(2), and nothing else: all paths and groups were allocated before the fork, none is dropped in it, and
    // converting an errno to an `io::Error` does not allocate.
    unsafe {
        command.pre_exec(child);
    }
}
