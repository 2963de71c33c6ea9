//! The tar that dpkg-deb gives out: ustar with GNU's long names, read from memory.

/// Files beyond this size are told by their size only.
const MAX_CONTENT: u64 = 1 << 20;
const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
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
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let (mut long_name, mut long_link) = (None, None);
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        check(header)?;
        let size = number(&header[124..136])?;
        let length = usize::try_from(size).map_err(|_| "an entry is too long".to_owned())?;
        let body = after.get(..length).ok_or("the archive ends in the middle of a file")?;
        let padded = length.div_ceil(BLOCK) * BLOCK;
        rest = after.get(padded..).unwrap_or(&[]);
        let flag = header[156];
        if flag == b'L' {
            long_name = Some(text(body));
            continue;
        }
        if flag == b'K' {
            long_link = Some(text(body));
            continue;
        }
        let path = long_name.take().unwrap_or_else(|| name(header));
        let link = long_link.take().unwrap_or_else(|| text(&header[157..257]));
        let kind = match flag {
            b'0' | 0 | b'7' => Kind::File,
            b'5' => Kind::Directory,
            b'2' => Kind::Symlink,
            _ => Kind::Other,
        };
        let small = |field: &[u8]| number(field).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        entries.push(Entry {
            path,
            kind,
            mode: small(&header[100..108])? & 0o7777,
            uid: small(&header[108..116])?,
            gid: small(&header[116..124])?,
            size: if kind == Kind::File { size } else { 0 },
            link,
            content: (kind == Kind::File && size <= MAX_CONTENT).then(|| body.to_vec()),
        });
    }
    Ok(entries)
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
        return Ok(tail.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)));
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

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        assert!(parse(b"").is_ok_and(|entries| entries.is_empty()));
        assert!(parse(&[1; BLOCK]).is_err());
        assert!(parse(&[0xff; 3 * BLOCK]).is_err());
        let mut header = [0_u8; BLOCK];
        header[0] = b'x';
        header[124..135].copy_from_slice(b"77777777777");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ');
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert_eq!(parse(&header).unwrap_err(), "the archive ends in the middle of a file");
    }
}
