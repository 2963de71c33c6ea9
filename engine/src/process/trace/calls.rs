//! Which system calls change something on a file system, and where their paths are.

use super::Memory;

/// A path or an open file that a system call is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// An open file.
    Open(i32),
    /// A path.
    Path {
        /// The open directory it is relative to; the working directory when `None`.
        directory: Option<i32>,
        /// Where it stands in the process's memory.
        address: u64,
        /// The call follows a symlink at its end.
        follows: bool,
    },
}

/// Returns what a call would change; nothing for one that changes no file.
pub(super) fn changed(number: i64, arguments: &[u64; 6], memory: &Memory) -> Vec<Argument> {
    let [a, b, c, d, e, _] = *arguments;
    let at = |directory: u64, address: u64, follows: bool| {
        // Only the lower half counts: a negative number may come with either upper half.
        let fd = directory as u32 as i32;
        Argument::Path { directory: (fd != libc::AT_FDCWD).then_some(fd), address, follows }
    };
    let here = |address: u64, follows: bool| Argument::Path { directory: None, address, follows };
    let open = |fd: u64| Argument::Open(fd as u32 as i32);
    let unless = |flags: u64, flag: i32| flags as u32 as i32 & flag == 0;
    match number {
        libc::SYS_openat if writes(c) => vec![at(a, b, unless(c, libc::O_NOFOLLOW))],
        libc::SYS_openat2 => match memory.number(c) {
            Some(flags) if writes(flags) => vec![at(a, b, unless(flags, libc::O_NOFOLLOW))],
            _ => Vec::new(),
        },
        libc::SYS_mkdirat | libc::SYS_mknodat | libc::SYS_unlinkat => vec![at(a, b, false)],
        libc::SYS_symlinkat => vec![at(b, c, false)],
        libc::SYS_linkat => vec![at(c, d, false)],
        libc::SYS_renameat | libc::SYS_renameat2 => vec![at(a, b, false), at(c, d, false)],
        libc::SYS_fchmodat => vec![at(a, b, true)],
        FCHMODAT2 => vec![at(a, b, unless(d, libc::AT_SYMLINK_NOFOLLOW))],
        libc::SYS_fchownat => match b {
            _ if e as u32 as i32 & libc::AT_EMPTY_PATH != 0 => vec![open(a), at(a, b, false)],
            _ => vec![at(a, b, unless(e, libc::AT_SYMLINK_NOFOLLOW))],
        },
        libc::SYS_utimensat if b == 0 => vec![open(a)],
        libc::SYS_utimensat => vec![at(a, b, unless(d, libc::AT_SYMLINK_NOFOLLOW))],
        libc::SYS_truncate | libc::SYS_setxattr | libc::SYS_removexattr => vec![here(a, true)],
        libc::SYS_lsetxattr | libc::SYS_lremovexattr => vec![here(a, false)],
        libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_fchmod
        | libc::SYS_fchown
        | libc::SYS_fsetxattr
        | libc::SYS_fremovexattr => vec![open(a)],
        other => older(other, [a, b]),
    }
}

/// The calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
fn older(number: i64, [a, b]: [u64; 2]) -> Vec<Argument> {
    let here = |address: u64, follows: bool| Argument::Path { directory: None, address, follows };
    match number {
        libc::SYS_open if writes(b) => vec![here(a, b as u32 as i32 & libc::O_NOFOLLOW == 0)],
        libc::SYS_creat | libc::SYS_chmod | libc::SYS_chown | libc::SYS_utime | libc::SYS_utimes => vec![here(a, true)],
        libc::SYS_mkdir | libc::SYS_mknod | libc::SYS_rmdir | libc::SYS_unlink | libc::SYS_lchown => vec![here(a, false)],
        libc::SYS_symlink | libc::SYS_link => vec![here(b, false)],
        libc::SYS_rename => vec![here(a, false), here(b, false)],
        _ => Vec::new(),
    }
}

/// The calls that only older architectures have: none here.
#[cfg(not(target_arch = "x86_64"))]
fn older(_number: i64, _arguments: [u64; 2]) -> Vec<Argument> {
    Vec::new()
}

/// fchmodat2(2), the same number everywhere.
const FCHMODAT2: i64 = 452;

/// Says whether a file is opened to be written, or made.
fn writes(flags: u64) -> bool {
    let flags = flags as u32 as i32;
    flags & libc::O_PATH == 0 && (flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0)
}
