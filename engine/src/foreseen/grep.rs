//! `grep` as a guard asks it: is there such a line in a file?

use regex::bytes::{Regex, RegexBuilder};

use super::{Answer, Look, NotUnderstood, Read};

/// The language of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Basic,
    Extended,
    Fixed,
}

#[derive(Default)]
struct Options {
    whole_line: bool,
    ignore_case: bool,
    inverted: bool,
}

/// Answers `grep ARGUMENTS`: success when some line of some file is selected.
pub(super) fn answer(look: &Look<'_>, arguments: &[&str], syntax: Syntax) -> Answer {
    let (mut syntax, mut options, mut pattern) = (syntax, Options::default(), None);
    let mut rest = arguments;
    while let [first, after @ ..] = rest
        && first.starts_with('-')
        && first.len() > 1
    {
        rest = after;
        match *first {
            "--" => break,
            "-e" => {
                let (given, after) = rest.split_first().ok_or(NotUnderstood)?;
                if pattern.replace(*given).is_some() {
                    return Err(NotUnderstood);
                }
                rest = after;
            }
            "--quiet" | "--silent" | "--no-messages" => {}
            "--fixed-strings" => syntax = Syntax::Fixed,
            "--extended-regexp" => syntax = Syntax::Extended,
            "--ignore-case" => options.ignore_case = true,
            "--line-regexp" => options.whole_line = true,
            "--invert-match" => options.inverted = true,
            long if long.starts_with("--") => return Err(NotUnderstood),
            short => {
                for flag in short.chars().skip(1) {
                    match flag {
                        'q' | 's' | 'n' | 'h' | 'H' => {}
                        'F' => syntax = Syntax::Fixed,
                        'E' => syntax = Syntax::Extended,
                        'G' => syntax = Syntax::Basic,
                        'i' => options.ignore_case = true,
                        'x' => options.whole_line = true,
                        'v' => options.inverted = true,
                        _ => return Err(NotUnderstood),
                    }
                }
            }
        }
    }
    let files = match pattern {
        Some(_) => rest,
        None => {
            let (given, files) = rest.split_first().ok_or(NotUnderstood)?;
            pattern = Some(given);
            files
        }
    };
    // Without a file it reads its standard input; an option may also follow the files.
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        return Err(NotUnderstood);
    }
    let regex = compile(pattern.unwrap_or_default(), syntax, &options)?;
    let mut is_open = false;
    for file in files {
        match look.read(file)? {
            Read::Nothing => {}
            Read::Later => is_open = true,
            Read::Is(bytes) if lines(&bytes).any(|line| regex.is_match(line) != options.inverted) => return Ok(Some(true)),
            Read::Is(_) => {}
        }
    }
    Ok((!is_open).then_some(false))
}

/// The lines of a file; the last one need not end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').filter(|_| !bytes.is_empty())
}

/// Compiles a pattern that means the same in POSIX and here; others are not understood.
fn compile(pattern: &str, syntax: Syntax, options: &Options) -> Result<Regex, NotUnderstood> {
    if pattern.contains('\n') {
        return Err(NotUnderstood);
    }
    let body = if syntax == Syntax::Fixed { regex::escape(pattern) } else { translate(pattern)? };
    let body = if options.whole_line { format!("^(?:{body})$") } else { body };
    RegexBuilder::new(&body).case_insensitive(options.ignore_case).unicode(false).build().map_err(|_| NotUnderstood)
}

fn translate(pattern: &str) -> Result<String, NotUnderstood> {
    let mut body = String::new();
    let count = pattern.chars().count();
    let mut chars = pattern.chars().enumerate().peekable();
    // A `*` repeats what stands before it; at the beginning it stands for itself in basic syntax only.
    let mut is_repeatable = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '^' if at == 0 => {
                body.push('^');
                continue;
            }
            '$' if at + 1 == count => body.push('$'),
            '.' => body.push('.'),
            '*' if is_repeatable => {
                body.push('*');
                is_repeatable = false;
                continue;
            }
            '\\' => match chars.next() {
                Some((_, escaped)) if ".*[]^$/\\".contains(escaped) => body.push_str(&regex::escape(&escaped.to_string())),
                _ => return Err(NotUnderstood),
            },
            c if c.is_alphanumeric() || " _-=:/,@%~\"'<>#!;&".contains(c) => body.push_str(&regex::escape(&c.to_string())),
            _ => return Err(NotUnderstood),
        }
        is_repeatable = true;
    }
    Ok(body)
}
