//! The tar that dpkg-deb gives out: ustar with GNU's long names and the paths of pax, read as it comes.

use std::collections::HashMap;
use std::io::{self, Read};

/// Files beyond this size are told by their size only.
const MAX_CONTENT: u64 = 1 << 20;

/// All that is kept of one archive; beyond it files are told by their size only.
const MAX_KEPT: u64 = 48 << 20;

/// Names and links that need an entry of their own are not longer than this.
const MAX_NAME: u64 = 64 << 10;

const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// Another name of a file that came before: the same file.
    Hardlink,
    Directory,
    Symlink,
    Other,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) link: String,
    pub(super) content: Option<Vec<u8>>,
}

/// Reads a whole archive; what is wrong with it is told in words.
pub(super) fn parse(mut input: impl Read) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut by_path: HashMap<String, usize> = HashMap::new();
    let (mut long_name, mut long_link) = (None, None);
    let mut kept = 0;
    let mut header = [0_u8; BLOCK];
    while fill(&mut input, &mut header)? && header.iter().any(|byte| *byte != 0) {
        check(&header)?;
        let size = number(&header[124..136])?;
        let flag = header[156];
        if matches!(flag, b'L' | b'K' | b'x' | b'g') {
            if size > MAX_NAME {
                return Err("a name is too long".to_owned());
            }
            let body = body(&mut input, size, true)?.unwrap_or_default();
            match flag {
                b'L' => long_name = Some(text(&body)),
                b'K' => long_link = Some(text(&body)),
                b'x' => {
                    let pax = pax(&body);
                    long_name = pax.0.or(long_name);
                    long_link = pax.1.or(long_link);
                }
                _ => {}
            }
            continue;
        }
        let kind = match flag {
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::Hardlink,
            b'5' => Kind::Directory,
            b'2' => Kind::Symlink,
            _ => Kind::Other,
        };
        let is_kept = kind == Kind::File && size <= MAX_CONTENT && kept + size <= MAX_KEPT;
        let content = body(&mut input, size, is_kept)?;
        kept += content.as_ref().map_or(0, |content| content.len() as u64);
        let small = |field: &[u8]| number(field).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        let mut entry = Entry {
            path: long_name.take().unwrap_or_else(|| name(&header)),
            kind,
            mode: small(&header[100..108])? & 0o7777,
            uid: small(&header[108..116])?,
            gid: small(&header[116..124])?,
            size: if kind == Kind::File { size } else { 0 },
            link: long_link.take().unwrap_or_else(|| text(&header[157..257])),
            content,
        };
        if let (Kind::Hardlink, Some(first)) = (kind, by_path.get(plain(&entry.link))) {
            let first = &entries[*first];
            (entry.size, entry.content) = (first.size, first.content.clone());
        }
        by_path.insert(plain(&entry.path).to_owned(), entries.len());
        entries.push(entry);
    }
    // What follows the end is padding; whoever writes it is not left with a closed pipe.
    io::copy(&mut input, &mut io::sink()).map_err(|error| error.to_string())?;
    Ok(entries)
}

fn plain(path: &str) -> &str {
    path.trim_start_matches("./").trim_start_matches('/')
}

/// Fills a block; `false` at the end of the input.
fn fill(input: &mut impl Read, block: &mut [u8; BLOCK]) -> Result<bool, String> {
    match input.read_exact(block) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads or skips the body of an entry, with its padding.
fn body(input: &mut impl Read, size: u64, is_kept: bool) -> Result<Option<Vec<u8>>, String> {
    let short = || "the archive ends in the middle of a file".to_owned();
    let padding = size.next_multiple_of(BLOCK as u64) - size;
    let mut content = Vec::new();
    let read = if is_kept {
        input.by_ref().take(size).read_to_end(&mut content).map(|length| length as u64)
    } else {
        io::copy(&mut input.by_ref().take(size), &mut io::sink())
    };
    if read.map_err(|error| error.to_string())? != size {
        return Err(short());
    }
    io::copy(&mut input.by_ref().take(padding), &mut io::sink()).map_err(|error| error.to_string())?;
    Ok(is_kept.then_some(content))
}

/// The path and the link of a pax header: `LENGTH KEY=VALUE\n` (pax(1)).
fn pax(body: &[u8]) -> (Option<String>, Option<String>) {
    let (mut path, mut link) = (None, None);
    let mut rest = body;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(record) = length.filter(|length| *length > space).and_then(|length| rest.get(space + 1..length)) else { break };
        rest = &rest[space + 1 + record.len()..];
        let record = String::from_utf8_lossy(record);
        match record.trim_end_matches('\n').split_once('=') {
            Some(("path", value)) => path = Some(value.to_owned()),
            Some(("linkpath", value)) => link = Some(value.to_owned()),
            _ => {}
        }
    }
    (path, link)
}

/// Compares the header with its checksum, in which the checksum itself counts as spaces.
fn check(header: &[u8]) -> Result<(), String> {
    let sum: u64 =
        header.iter().enumerate().map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
    if number(&header[148..156])? == sum { Ok(()) } else { Err("a header does not match its checksum".to_owned()) }
}

/// An octal number, or one in GNU's base 256.
fn number(field: &[u8]) -> Result<u64, String> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let tail = &field[field.len().saturating_sub(8)..];
        return Ok(tail.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) & (u64::MAX >> 1));
    }
    let digits = text(field);
    let digits = digits.trim();
    if digits.is_empty() { Ok(0) } else { u64::from_str_radix(digits, 8).map_err(|_| format!("`{digits}` is no octal number")) }
}

fn name(header: &[u8]) -> String {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    let is_ustar = &header[257..263] == b"ustar\0";
    if is_ustar && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

/// Everything up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a flag, a name, a size and its checksum.
    fn header(flag: u8, name: &str, size: u64) -> Vec<u8> {
        let mut header = vec![0_u8; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = flag;
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        assert!(parse(&b""[..]).is_ok_and(|entries| entries.is_empty()));
        assert!(parse(&[1; BLOCK][..]).is_err());
        assert!(parse(&[0xff; 3 * BLOCK][..]).is_err());
        assert_eq!(parse(&header(b'0', "x", 0o77_777_777_777)[..]).unwrap_err(), "the archive ends in the middle of a file");
        assert_eq!(parse(&header(b'L', "x", 0o77_777_777_777)[..]).unwrap_err(), "a name is too long");
    }

    #[test]
    fn a_pax_header_names_what_follows() {
        let record = b"25 path=usr/share/a-name\n";
        let mut archive = header(b'x', "pax", record.len() as u64);
        archive.extend_from_slice(record);
        archive.resize(2 * BLOCK, 0);
        archive.extend(header(b'5', "short", 0));
        let entries = parse(&archive[..]).unwrap();
        assert_eq!((entries.len(), entries[0].path.as_str(), entries[0].kind), (1, "usr/share/a-name", Kind::Directory));
        for broken in ["", " ", "99 path=x", "0 path=x", "x path=y\n", "3 \n"] {
            assert_eq!(pax(broken.as_bytes()), (None, None), "{broken}");
        }
    }
}
