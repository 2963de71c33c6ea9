//! The table of file systems (fstab(5)).

use super::lines::{self, body, split};
use super::{Edited, Flaw};

/// Where the table is.
pub(crate) const PATH: &str = "/etc/fstab";

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What is mounted: a device, `UUID=…`, `host:/path`, a name.
    pub(crate) spec: String,
    /// Where; `none` for swap.
    pub(crate) file: String,
    /// What kind of file system it is.
    pub(crate) kind: String,
    /// How it is mounted.
    pub(crate) options: Vec<String>,
    /// Whether dump(8) keeps it.
    pub(crate) dump: u32,
    /// When fsck(8) looks at it.
    pub(crate) pass: u32,
}

/// By what a line is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// Where it is mounted.
    File(&'a str),
    /// What is used for swap.
    Swap(&'a str),
}

impl By<'_> {
    fn is(self, entry: &Entry) -> bool {
        match self {
            Self::File(file) => entry.kind != "swap" && trimmed(&entry.file) == trimmed(file),
            Self::Swap(spec) => entry.kind == "swap" && entry.spec == spec,
        }
    }
}

fn trimmed(path: &str) -> &str {
    if path.len() > 1 { path.trim_end_matches('/') } else { path }
}

impl Entry {
    /// Says whether two lines mean the same: a slash at the end of a directory is nothing.
    fn is_like(&self, other: &Self) -> bool {
        let plain = |entry: &Self| Self { file: trimmed(&entry.file).to_owned(), ..entry.clone() };
        plain(self) == plain(other)
    }

    /// The line, without its ending.
    fn line(&self) -> String {
        let options = if self.options.is_empty() { "defaults".to_owned() } else { self.options.join(",") };
        let fields = [&self.spec, &self.file, &self.kind, &options].map(|field| escaped(field));
        format!("{}\t{} {}", fields.join("\t"), self.dump, self.pass)
    }
}

/// The table with this entry in place of the one that is found, or after all others.
pub(crate) fn set(content: &[u8], by: By<'_>, wanted: &Entry) -> Edited {
    let all = split(content);
    let ending = lines::ending(content);
    let new = lines::line(wanted.line().as_bytes(), ending);
    match find(&all, by)? {
        Some((_, found)) if found.is_like(wanted) => Ok(None),
        Some((at, _)) => {
            Ok(Some(lines::join(all[..at].iter().copied().chain([&new[..]]).chain(all[at + 1..].iter().copied()), ending)))
        }
        None => Ok(Some(lines::join(all.iter().copied().chain([&new[..]]), ending))),
    }
}

/// The table without the entry that is found.
pub(crate) fn unset(content: &[u8], by: By<'_>) -> Edited {
    let all = split(content);
    let found = find(&all, by)?;
    Ok(found.map(|(at, _)| all[..at].iter().chain(&all[at + 1..]).copied().collect::<Vec<_>>().concat()))
}

/// Finds the line of an entry.
fn find(all: &[&[u8]], by: By<'_>) -> Result<Option<(usize, Entry)>, Flaw> {
    let mut found: Option<(usize, Entry)> = None;
    for (at, line) in all.iter().enumerate() {
        let Some(entry) = read(body(line), at)?.filter(|entry| by.is(entry)) else { continue };
        if let Some((first, _)) = &found {
            return Err(Flaw {
                code: "ambiguous-match",
                line: Some(at + 1),
                message: format!("line {} is for the same as this one: `{}`", first + 1, entry.file),
                hint: "remove one of the two: nobody can tell which is meant".into(),
            });
        }
        found = Some((at, entry));
    }
    Ok(found)
}

/// Reads one line; `None` of one that says nothing.
fn read(line: &[u8], at: usize) -> Result<Option<Entry>, Flaw> {
    let hint = "a line is: device, directory, kind of file system, options, dump, pass (fstab(5))";
    let malformed = |message: String| Err(Flaw::malformed(at + 1, message, hint));
    let Ok(text) = std::str::from_utf8(line) else { return malformed("this is no text".into()) };
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let fields: Vec<String> = text.split_ascii_whitespace().map(unescaped).collect();
    if fields.len() < 3 {
        return malformed(format!("{} of the first three fields are there", fields.len()));
    }
    if fields.len() > 6 && !fields[6].starts_with('#') {
        return malformed(format!("there are {} fields, and six have a meaning", fields.len()));
    }
    let number = |at: usize| match fields.get(at) {
        None => Some(0),
        Some(field) => field.parse::<u32>().ok(),
    };
    let (Some(dump), Some(pass)) = (number(4), number(5)) else {
        return malformed("the last two fields are no numbers".into());
    };
    let options = fields.get(3).map_or("defaults", String::as_str);
    let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let options = if options == ["defaults"] { Vec::new() } else { options };
    Ok(Some(Entry { spec: fields[0].clone(), file: fields[1].clone(), kind: fields[2].clone(), options, dump, pass }))
}

/// A field with blanks and backslashes as octal numbers.
fn escaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    for c in field.chars() {
        match c {
            ' ' => text.push_str("\\040"),
            '\t' => text.push_str("\\011"),
            '\n' => text.push_str("\\012"),
            '\\' => text.push_str("\\134"),
            '#' if text.is_empty() => text.push_str("\\043"),
            c => text.push(c),
        }
    }
    text
}

/// A field with octal numbers as the bytes they stand for.
pub(crate) fn unescaped(field: &str) -> String {
    let bytes = field.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 4).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        let code = digits.map(|digits| digits.iter().fold(0u32, |code, digit| code * 8 + u32::from(digit - b'0')));
        match code.and_then(|code| u8::try_from(code).ok()).filter(|_| bytes[at] == b'\\') {
            Some(byte) => {
                text.push(byte);
                at += 4;
            }
            None => {
                text.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(spec: &str, file: &str, kind: &str, options: &[&str]) -> Entry {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Entry { spec: spec.into(), file: file.into(), kind: kind.into(), options, dump: 0, pass: 2 }
    }

    #[test]
    fn lines_are_found_and_written() {
        let text = "# x\nUUID=1 / ext4 defaults 0 1\n/dev/b  /srv/a\\040b/ ext4 noatime,nodev 0 2\n/swap none swap sw 0 0\n";
        let same = entry("/dev/b", "/srv/a b/", "ext4", &["noatime", "nodev"]);
        assert_eq!(set(text.as_bytes(), By::File("/srv/a b"), &same), Ok(None));
        let other = entry("/dev/b", "/srv/a b", "ext4", &[]);
        let edited = set(text.as_bytes(), By::File("/srv/a b"), &other).unwrap().unwrap();
        assert!(String::from_utf8(edited).unwrap().contains("\n/dev/b\t/srv/a\\040b\text4\tdefaults\t0 2\n/swap"));
        assert_eq!(unset(b"/swap none swap sw 0 0\n", By::Swap("/swap")), Ok(Some(Vec::new())));
        assert_eq!(unset(text.as_bytes(), By::File("/nowhere")), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_named() {
        let line = |text: &str| unset(text.as_bytes(), By::File("/x")).unwrap_err().line;
        assert_eq!(line("# x\n/dev/a /a\n"), Some(2));
        assert_eq!(line("/dev/a /a ext4 defaults 0 x\n"), Some(1));
        assert_eq!(line("/dev/a /x ext4\n/dev/b /x ext4\n"), Some(2));
    }
}
