//! Texts as lines that keep their endings: what is not edited stays as it is, byte for byte.

/// Splits a text into its lines, each with its ending. A last line without an ending is a line too.
pub(crate) fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The line without its ending.
pub(crate) fn body(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The ending that new lines of this text get: that of its first line.
pub(crate) fn ending(text: &[u8]) -> &'static [u8] {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > 0 && text[at - 1] == b'\r' => b"\r\n",
        _ => b"\n",
    }
}

/// Puts lines together. A line without an ending that is not the last gets one.
pub(crate) fn join<'a>(lines: impl IntoIterator<Item = &'a [u8]>, ending: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    for line in lines {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.extend_from_slice(ending);
        }
        text.extend_from_slice(line);
    }
    text
}

/// A line of its own, with this ending.
pub(crate) fn line(body: &[u8], ending: &[u8]) -> Vec<u8> {
    [body, ending].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_endings() {
        assert_eq!(split(b"a\r\nb\n\nc"), [&b"a\r\n"[..], b"b\n", b"\n", b"c"]);
        assert_eq!(split(b""), [b""; 0]);
        assert_eq!((body(b"a\r\n"), body(b"a"), body(b"\n")), (&b"a"[..], &b"a"[..], &b""[..]));
        assert_eq!(
            (ending(b"a\r\nb\n"), ending(b"a\n"), ending(b"a"), ending(b"\n")),
            (&b"\r\n"[..], &b"\n"[..], &b"\n"[..], &b"\n"[..])
        );
        assert_eq!(join([&b"a"[..], b"b\n", b"c"], b"\n"), b"a\nb\nc");
    }
}
