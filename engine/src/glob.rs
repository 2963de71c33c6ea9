//! Patterns of `*` and `?`, as the shell, dpkg's options and versions of packages have them.

/// Says whether a pattern matches all of a text: `*` stands for anything, `/` as well, and `?` for one byte. Goes back to the
/// last `*` only, so that it takes quadratic time at worst.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_give_back_what_they_took() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("a*c*e", "abcde", true),
            ("a*bc", "abbc", true),
            ("a*bc", "abcb", false),
            ("/usr/share/doc/*", "/usr/share/doc/x/y", true),
            ("1.2?.*", "1.22.1-9", true),
            ("1.2?.*", "1.2.1", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
