//! A block device whose every write is written down, and that can be made to fail.
//!
//! A file system in user space holds one file, the loop driver makes a device of it, and ext4 lies on that. What the kernel
//! writes comes here one request at a time, with the flushes between: the disk at any moment of a run can be made again, also as a
//! disk with a volatile cache would have left it, where what was not flushed may or may not be there.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyWrite, Request,
};

use super::random::Random;

/// How large the disk is.
const SIZE: usize = 32 << 20;

/// The one file's number.
const FILE: u64 = 2;

/// `FOPEN_DIRECT_IO`: no cache of the kernel between the device and here.
const DIRECT: u32 = 1;

const EIO: i32 = 5;
const ENOENT: i32 = 2;

/// One request of the kernel.
enum Entry {
    Write { offset: usize, data: Vec<u8> },
    Flush,
}

struct Medium {
    base: Vec<u8>,
    now: Vec<u8>,
    log: Vec<Entry>,
    /// Writes that still succeed, where the disk is to fail.
    good_writes: Option<u64>,
}

struct Server(Arc<Mutex<Medium>>);

fn attributes(inode: u64) -> FileAttr {
    let (kind, size) = if inode == FILE { (FileType::RegularFile, SIZE as u64) } else { (FileType::Directory, 0) };
    FileAttr {
        ino: inode,
        size,
        blocks: size / 512,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o700,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Server {
    fn medium(&self) -> std::sync::MutexGuard<'_, Medium> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filesystem for Server {
    fn lookup(&mut self, _: &Request<'_>, _: u64, name: &OsStr, reply: ReplyEntry) {
        if name == "disk" { reply.entry(&Duration::from_secs(60), &attributes(FILE), 0) } else { reply.error(ENOENT) }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, _: Option<u64>, reply: ReplyAttr) {
        reply.attr(&Duration::from_secs(60), &attributes(inode));
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, DIRECT);
    }

    fn read(&mut self, _: &Request<'_>, _: u64, _: u64, offset: i64, size: u32, _: i32, _: Option<u64>, reply: ReplyData) {
        let offset = usize::try_from(offset).unwrap_or(SIZE).min(SIZE);
        reply.data(&self.medium().now[offset..(offset + size as usize).min(SIZE)]);
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        let mut medium = self.medium();
        if let Some(good) = &mut medium.good_writes {
            if *good == 0 {
                return reply.error(EIO);
            }
            *good -= 1;
        }
        let offset = usize::try_from(offset).unwrap_or(SIZE);
        medium.now[offset..offset + data.len()].copy_from_slice(data);
        medium.log.push(Entry::Write { offset, data: data.to_vec() });
        reply.written(u32::try_from(data.len()).unwrap_or(0));
    }

    fn fsync(&mut self, _: &Request<'_>, _: u64, _: u64, _: bool, reply: ReplyEmpty) {
        let mut medium = self.medium();
        if medium.good_writes == Some(0) {
            return reply.error(EIO);
        }
        medium.log.push(Entry::Flush);
        reply.ok();
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }
}

/// A mounted disk.
pub(super) struct Disk {
    medium: Arc<Mutex<Medium>>,
    /// Unmounts when it is dropped, which is after everything on it is.
    _session: BackgroundSession,
    place: tempfile::TempDir,
    device: String,
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|why| panic!("{program} does not run: {why}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

impl Disk {
    /// Makes a disk with an empty ext4 on it and mounts it.
    pub(super) fn new() -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let image = place.path().join("image");
        fs::write(&image, vec![0; SIZE]).expect("an image is made");
        run("mkfs.ext4", &["-q", "-F", "-b", "4096", text(&image)]);
        let base = fs::read(&image).expect("the image is read");
        fs::remove_file(&image).expect("the image is removed");
        let medium = Arc::new(Mutex::new(Medium { now: base.clone(), base, log: Vec::new(), good_writes: None }));
        for name in ["fuse", "disk"] {
            fs::create_dir(place.path().join(name)).expect("a directory is made");
        }
        let options = [MountOption::FSName("stead-disk".into())];
        let session = fuser::spawn_mount2(Server(medium.clone()), place.path().join("fuse"), &options).expect("FUSE works here");
        let device = run("losetup", &["--find", "--show", text(&place.path().join("fuse/disk"))]);
        let disk = Self { medium, _session: session, place, device };
        run("mount", &[&disk.device, text(&disk.root())]);
        disk
    }

    /// Where it is mounted.
    pub(super) fn root(&self) -> PathBuf {
        self.place.path().join("disk")
    }

    /// Writes everything down that the kernel holds back.
    pub(super) fn sync(&self) {
        run("sync", &["-f", text(&self.root())]);
    }

    /// How many requests there have been so far: a moment that [`Disk::at`] can go back to.
    pub(super) fn moment(&self) -> usize {
        self.medium().log.len()
    }

    /// Lets this many more writes succeed, and no others; all of them for `None`.
    pub(super) fn fail_after(&self, good_writes: Option<u64>) {
        self.medium().good_writes = good_writes;
    }

    /// The disk as a power cut at that moment would have left it: of what was not flushed by then, some is there and some is not.
    pub(super) fn at(&self, moment: usize, random: &mut Random) -> Vec<u8> {
        let medium = self.medium();
        let mut image = medium.base.clone();
        let log = &medium.log[..moment];
        let flushed = log.iter().rposition(|entry| matches!(entry, Entry::Flush)).unwrap_or(0);
        // Every other cut finds a disk that had no cache.
        let has_cache = random.below(2) == 1;
        for (at, entry) in log.iter().enumerate() {
            if let Entry::Write { offset, data } = entry
                && (at < flushed || !has_cache || random.below(2) == 1)
            {
                image[*offset..offset + data.len()].copy_from_slice(data);
            }
        }
        image
    }

    fn medium(&self) -> std::sync::MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it off, so that an image of it can be mounted in its place.
    pub(super) fn unmount(&self) {
        run("umount", &[text(&self.root())]);
    }

    /// Repairs it and mounts it again.
    pub(super) fn mount(&self) {
        let _ = Command::new("e2fsck").args(["-fy", &self.device]).output();
        run("mount", &[&self.device, text(&self.root())]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.root()).status();
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}

/// Mounts a disk's image at `root`, as the machine would after the power came back, and looks at it. Then checks the file system.
pub(super) fn boot<T>(image: &[u8], root: &Path, look: impl FnOnce(&Path) -> T) -> T {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("image");
    fs::write(&file, image).expect("an image is written");
    run("mount", &["-o", "loop", text(&file), text(root)]);
    let mounted = Unmount(root);
    let seen = look(root);
    drop(mounted);
    run("e2fsck", &["-fn", text(&file)]);
    seen
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
