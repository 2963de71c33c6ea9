//! Makes text from anywhere safe to print: what could drive a terminal or reorder a line is written out.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Returns `text` with every character that is not plainly visible written out.
///
/// C0 controls become their Unicode pictures (`␛` for escape), C1 controls, bidirectional
/// overrides and invisible format characters become `\u{202e}`. A tab stays as it is; a newline becomes `␊`,
/// since callers cut lines before they come here.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\t') {
        return Cow::Borrowed(text);
    }
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_clean(&mut out, c);
    }
    Cow::Owned(out)
}

/// Returns how many terminal columns `text` takes; a tab counts as eight.
pub fn display_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

pub(crate) fn char_width(c: char) -> usize {
    if c == '\t' { 8 } else { c.width().unwrap_or(0) }
}

fn push_clean(out: &mut String, c: char) {
    let code = u32::from(c);
    match code {
        0x09 => out.push('\t'),
        0x00..=0x1f => out.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        0x7f => out.push('\u{2421}'),
        _ if is_unsafe(c) => {
            out.push_str("\\u{");
            out.push_str(&format!("{code:x}"));
            out.push('}');
        }
        _ => out.push(c),
    }
}

/// Controls other than tab, line and paragraph separators, bidirectional marks and overrides, and
/// format characters that take no space. Joiners stay: scripts and emoji need them.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(u32::from(c),
            0x00ad | 0x061c | 0x115f | 0x1160 | 0x180e | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0x3164 | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        let cases = [
            ("plain\ttext", "plain\ttext"),
            ("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\u{7}", "a␍b␇"),
            ("user\u{202e}cod.exe", "user\\u{202e}cod.exe"),
            ("é 漢 👩\u{200d}🔧", "é 漢 👩\u{200d}🔧"),
        ];
        for (input, expected) in cases {
            assert_eq!(clean(input), expected);
        }
    }

    #[test]
    fn width_counts_columns() {
        assert_eq!(display_width("漢字"), 4);
        assert_eq!(display_width("e\u{301}"), 1);
    }
}
