//! The archive of compiled locales: which ones it holds, read as the C library does (glibc, `locale/locarchive.h`).

/// The first four bytes, in the machine's own order.
const MAGIC: u32 = 0xde02_0109;

/// Bytes of an entry of the table of names: a hash, where the name is, where the locale is.
const ENTRY: usize = 12;

/// More names than this are not those of an archive that is as it should be.
const MAX_NAMES: usize = 1 << 16;

/// The names in an archive, each with the place of its entry; `None` when the bytes are no archive.
pub(super) fn names(archive: &[u8]) -> Option<Vec<(String, usize)>> {
    let number = |at: usize| Some(u32::from_ne_bytes(archive.get(at..at.checked_add(4)?)?.try_into().ok()?));
    if number(0)? != MAGIC {
        return None;
    }
    let (table, size) = (number(8)? as usize, number(16)? as usize);
    let mut found = Vec::new();
    for index in 0..size.min(MAX_NAMES) {
        let at = table.checked_add(index * ENTRY)?;
        let (name, locale) = (number(at + 4)? as usize, number(at + 8)?);
        if locale == 0 || name == 0 {
            continue;
        }
        let rest = archive.get(name..)?;
        let end = rest.iter().take(256).position(|byte| *byte == 0)?;
        found.push((String::from_utf8_lossy(&rest[..end]).into_owned(), at));
    }
    Some(found)
}

/// The archive without a name, as far as [`names`] can tell.
pub(super) fn without(archive: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = archive.to_vec();
    for (_, at) in names(archive).into_iter().flatten().filter(|(found, _)| found == name) {
        if let Some(locale) = bytes.get_mut(at + 8..at + 12) {
            locale.fill(0);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with nothing but names.
    fn archive(names: &[&str]) -> Vec<u8> {
        let table = 56;
        let mut strings = table + names.len() * ENTRY;
        let mut header = [MAGIC, 0, table as u32, names.len() as u32, names.len() as u32].map(u32::to_ne_bytes).concat();
        header.resize(table, 0);
        for name in names {
            header.extend([1, strings as u32, 1].map(u32::to_ne_bytes).concat());
            strings += name.len() + 1;
        }
        for name in names {
            header.extend(name.as_bytes());
            header.push(0);
        }
        header
    }

    #[test]
    fn names_are_read_and_taken_out() {
        let all = archive(&["de_DE.utf8", "en_US.utf8"]);
        let read = |bytes: &[u8]| names(bytes).map(|names| names.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
        assert_eq!(read(&all), Some(vec!["de_DE.utf8".into(), "en_US.utf8".into()]));
        assert_eq!(read(&without(&all, "de_DE.utf8")), Some(vec!["en_US.utf8".into()]));
    }

    #[test]
    fn what_is_no_archive_is_none() {
        let all = archive(&["de_DE.utf8"]);
        for end in 0..all.len() {
            assert!(names(&all[..end]).is_none(), "cut at {end}");
        }
        assert!(names(&[0xff; 64]).is_none());
    }
}
