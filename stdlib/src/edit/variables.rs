//! Files of variables as a shell assigns them: `/etc/locale.conf`, `/etc/machine-info` (os-release(5) tells their form).

use super::lines::{self, body, split};
use super::{Edited, Flaw};

/// The content in which each variable has its value, or is not assigned where there is none. The last assignment of a variable counts.
pub(crate) fn set(content: &[u8], wanted: &[(String, Option<String>)]) -> Edited {
    let all = split(content);
    let mut assigned: Vec<Option<(&str, String)>> = Vec::with_capacity(all.len());
    for (at, line) in all.iter().enumerate() {
        assigned.push(read(body(line), at)?);
    }
    let ending = lines::ending(content);
    let mut edited: Vec<Option<Vec<u8>>> = all.iter().map(|line| Some(line.to_vec())).collect();
    for (name, value) in wanted {
        let places = (0..all.len()).filter(|at| matches!(&assigned[*at], Some((found, _)) if found == name));
        let places: Vec<usize> = places.collect();
        let line = value.as_ref().map(|value| lines::line(format!("{name}={}", quoted(value)).as_bytes(), ending));
        match (line, places.last()) {
            (None, _) => places.iter().for_each(|at| edited[*at] = None),
            (Some(line), None) => edited.push(Some(line)),
            (Some(line), Some(last)) => {
                if assigned[*last].as_ref().map(|(_, is)| is) != value.as_ref() {
                    edited[*last] = Some(line);
                }
            }
        }
    }
    let edited = lines::join(edited.iter().flatten().map(Vec::as_slice), ending);
    Ok((edited != content).then_some(edited))
}

/// Reads one line: a name and its value without quotes; `None` of one that assigns nothing.
fn read(line: &[u8], at: usize) -> Result<Option<(&str, String)>, Flaw> {
    let hint = "a line is `NAME=value`, a comment or blank";
    let malformed = |message: String| Err(Flaw::malformed(at + 1, message, hint));
    let Ok(text) = std::str::from_utf8(line) else { return malformed("this is no text".into()) };
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let Some((name, value)) = text.split_once('=') else { return malformed(format!("`{text}` assigns nothing")) };
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    match unquoted(value.trim()) {
        Some(value) => Ok(Some((name, value))),
        None => malformed(format!("the quotes of `{name}` are not closed")),
    }
}

/// A value without its quotes; `None` when they are not closed.
fn unquoted(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => text.extend(chars.next()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => text.push(c),
        }
    }
    quote.is_none().then_some(text)
}

/// A value with quotes, where it needs them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:/@,%".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(content: &str, wanted: &[(&str, Option<&str>)]) -> Option<String> {
        let wanted: Vec<_> = wanted.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
        set(content.as_bytes(), &wanted).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn variables_are_set_where_they_are() {
        let text = "# x\nLANG=\"C.UTF-8\"\nLC_TIME='de_DE.UTF-8'\n";
        assert_eq!(edited(text, &[("LANG", Some("C.UTF-8")), ("LC_TIME", Some("de_DE.UTF-8")), ("LC_ALL", None)]), None);
        assert_eq!(
            edited(text, &[("LANG", Some("en_US.UTF-8")), ("LC_TIME", None), ("NAME", Some("a \"b\" $c"))]).as_deref(),
            Some("# x\nLANG=en_US.UTF-8\nNAME=\"a \\\"b\\\" \\$c\"\n")
        );
        assert_eq!(edited("A=1", &[("B", Some("2"))]).as_deref(), Some("A=1\nB=2\n"));
        assert_eq!(set(b"A=1\nB\n", &[]).unwrap_err().line, Some(2));
        assert_eq!(set(b"A=\"1\n", &[]).unwrap_err().line, Some(1));
    }
}
