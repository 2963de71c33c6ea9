//! tar, alone or compressed, and zip.

use std::fmt;
use std::io::{self, Cursor, Read};

use super::{Limits, Raw, RawKind, Refusal, damaged, too_many_bytes};

/// Memory that a decoder of xz may use, in KiB: enough for `xz -9`.
const XZ_MEMORY_KIB: u32 = 256 << 10;

/// The largest window of zstd: what `zstd --long=27` needs, and no more.
const ZSTD_WINDOW: u64 = 128 << 20;

/// Larger targets of symlinks there are none (PATH_MAX).
const MAX_TARGET: u64 = 4096;

type Visit<'v> = dyn FnMut(&Raw, &mut dyn Read) -> Result<(), Refusal> + 'v;

/// Goes through all entries in their order.
pub(super) fn walk(bytes: &[u8], limits: Limits, visit: &mut Visit<'_>) -> Result<(), Refusal> {
    // What tar puts around files: a block before each, and up to a block of padding behind it.
    let most = limits.bytes.saturating_add(limits.entries.saturating_mul(4096)).saturating_add(1 << 20);
    match bytes {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => walk_zip(bytes, limits, visit),
        [0x1f, 0x8b, ..] => walk_tar(Limited::new(flate2::read::MultiGzDecoder::new(bytes), most), visit),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            walk_tar(Limited::new(lzma_rust2::XzReader::new_mem_limit(bytes, true, XZ_MEMORY_KIB), most), visit)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => walk_tar(Limited::new(Frames { rest: bytes, frame: None }, most), visit),
        [b'B', b'Z', b'h', ..] => walk_tar(Limited::new(bzip2::read::MultiBzDecoder::new(bytes), most), visit),
        [] => Err(Refusal::Damaged("it is empty".into())),
        _ => walk_tar(Limited::new(bytes, most), visit),
    }
}

fn walk_tar(mut reader: impl Read, visit: &mut Visit<'_>) -> Result<(), Refusal> {
    let mut seen = false;
    let mut archive = tar::Archive::new(&mut reader);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let header = entry.header();
        let link = |name: Option<std::borrow::Cow<'_, [u8]>>| name.map(std::borrow::Cow::into_owned).unwrap_or_default();
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => RawKind::File,
            tar::EntryType::Directory => RawKind::Directory,
            tar::EntryType::Symlink => RawKind::Symlink(link(entry.link_name_bytes())),
            tar::EntryType::Link => RawKind::HardLink(link(entry.link_name_bytes())),
            tar::EntryType::Char | tar::EntryType::Block => RawKind::Special("a device"),
            tar::EntryType::Fifo => RawKind::Special("a pipe"),
            tar::EntryType::XGlobalHeader => continue,
            _ => RawKind::Special("of a kind that is not known"),
        };
        // Who it belonged to elsewhere matters little: archives without it are about.
        let small = |number: std::io::Result<u64>| number.ok().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let raw = Raw {
            name: entry.path_bytes().into_owned(),
            kind,
            mode: header.mode().map_err(damaged)?,
            uid: small(header.uid()),
            gid: small(header.gid()),
            size: entry.size(),
            modified: header.mtime().ok().and_then(|seconds| seconds.try_into().ok()),
        };
        seen = true;
        // Names that end in a slash are directories in archives of the first tar.
        let raw = if matches!(raw.kind, RawKind::File) && raw.name.ends_with(b"/") {
            Raw { kind: RawKind::Directory, ..raw }
        } else {
            raw
        };
        visit(&raw, &mut entry)?;
    }
    // The end of the compressed data has checksums: what is cut off or damaged there shows only when it is read.
    io::copy(&mut reader, &mut io::sink()).map_err(damaged)?;
    if seen { Ok(()) } else { Err(Refusal::Damaged("there is nothing in it".into())) }
}

fn walk_zip(bytes: &[u8], limits: Limits, visit: &mut Visit<'_>) -> Result<(), Refusal> {
    let failed = |error: zip::result::ZipError| Refusal::Damaged(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(failed)?;
    if archive.len() as u64 > limits.entries {
        return Err(Refusal::TooLarge(format!("it has more than {} entries", limits.entries)));
    }
    let mut left = limits.bytes;
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(failed)?;
        if entry.size() > left {
            return Err(too_many_bytes(limits));
        }
        let name = entry.name_raw().to_vec();
        let mode = entry.unix_mode();
        let is_directory = entry.is_dir();
        let kind = match mode.map(|mode| mode & 0o170_000) {
            _ if is_directory => RawKind::Directory,
            Some(0o120_000) => {
                let mut target = Vec::new();
                (&mut entry).take(MAX_TARGET).read_to_end(&mut target).map_err(damaged)?;
                RawKind::Symlink(target)
            }
            Some(0 | 0o100_000) | None => RawKind::File,
            Some(0o040_000) => RawKind::Directory,
            Some(_) => RawKind::Special("a device, socket or pipe"),
        };
        let of_new = if is_directory { 0o755 } else { 0o644 };
        // An archive made where there are no modes says 0.
        let mode = mode.map(|mode| mode & 0o777).filter(|mode| *mode != 0).unwrap_or(of_new);
        let raw = Raw { name, kind, mode, uid: 0, gid: 0, size: entry.size(), modified: None };
        let mut content = Limited::new(&mut entry, left);
        visit(&raw, &mut content)?;
        left -= content.read;
    }
    Ok(())
}

/// zstd frames one after the other, as `pzstd` and `cat` make them.
struct Frames<'b> {
    rest: &'b [u8],
    frame: Option<ruzstd::decoding::StreamingDecoder<&'b [u8], ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.is_none() {
                if self.rest.is_empty() {
                    return Ok(0);
                }
                let begun = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(self.rest, ZSTD_WINDOW);
                self.frame = Some(begun.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?);
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            let count = frame.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if let Some(frame) = self.frame.take() {
                self.rest = frame.into_inner();
            }
        }
    }
}

/// Fails when more is read than may be.
struct Limited<R> {
    inner: R,
    most: u64,
    read: u64,
}

impl<R: Read> Limited<R> {
    fn new(inner: R, most: u64) -> Self {
        Self { inner, most, read: 0 }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        if self.read > self.most {
            return Err(io::Error::other(Limit(self.most)));
        }
        Ok(count)
    }
}

/// More came out of a decoder than may come.
#[derive(Debug)]
struct Limit(u64);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unpacked it is larger than {}", stead_catalog::Value::Size(self.0))
    }
}

impl std::error::Error for Limit {}

/// Says whether reading failed because of a limit.
pub(super) fn is_limit(error: &io::Error) -> bool {
    let mut at: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = at {
        if inner.is::<Limit>() {
            return true;
        }
        at = match inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(deeper) => Some(deeper as _),
            None => inner.source(),
        };
    }
    error.to_string().contains("unpacked it is larger than")
}
