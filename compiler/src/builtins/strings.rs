//! Methods of strings. Lengths and positions count characters.

use super::arguments::{any, count, fits, int, invalid, is_given, length, list, string, strings, text, text_or};
use super::{Entry, MAX_TEXT, plain};
use stead_catalog::Value;

pub(super) const ENTRIES: &[Entry] = &[
    plain("String.len() -> Int", "Counts the characters.", &[("\"añb\".len()", "3")], |a| {
        Ok(length(text(a, 0)?.chars().count()))
    }),
    plain("String.byte_len() -> Int", "Counts the bytes of the UTF-8 form.", &[("\"añb\".byte_len()", "4")], |a| {
        Ok(length(text(a, 0)?.len()))
    }),
    plain("String.is_empty() -> Bool", "Says whether there is no character.", &[("\"\".is_empty()", "true")], |a| {
        Ok(Value::Bool(text(a, 0)?.is_empty()))
    }),
    plain(
        "String.is_blank() -> Bool",
        "Says whether there is nothing but white space.",
        &[("\" \\n\".is_blank()", "true")],
        |a| Ok(Value::Bool(text(a, 0)?.trim().is_empty())),
    ),
    plain("String.upper() -> String", "Turns every letter into upper case.", &[("\"web-1\".upper()", "\"WEB-1\"")], |a| {
        string(text(a, 0)?.to_uppercase())
    }),
    plain("String.lower() -> String", "Turns every letter into lower case.", &[("\"Web\".lower()", "\"web\"")], |a| {
        string(text(a, 0)?.to_lowercase())
    }),
    plain(
        "String.capitalize() -> String",
        "Turns the first letter into upper case and leaves the others.",
        &[("\"main site\".capitalize()", "\"Main site\"")],
        |a| {
            let mut chars = text(a, 0)?.chars();
            let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
            string(first + chars.as_str())
        },
    ),
    plain(
        "String.title() -> String",
        "Turns the first letter of every word into upper case.",
        &[("\"main site\".title()", "\"Main Site\"")],
        |a| {
            let mut out = String::new();
            let mut starts = true;
            for c in text(a, 0)?.chars() {
                if starts {
                    out.extend(c.to_uppercase());
                } else {
                    out.push(c);
                }
                starts = !c.is_alphanumeric();
            }
            string(out)
        },
    ),
    plain(
        "String.snake_case() -> String",
        "Joins the words with `_` in lower case. A word also starts at a capital letter after a small one.",
        &[("\"maxBodySize\".snake_case()", "\"max_body_size\""), ("\"Main site\".snake_case()", "\"main_site\"")],
        |a| string(words_of(text(a, 0)?).join("_")),
    ),
    plain(
        "String.kebab_case() -> String",
        "Joins the words with `-` in lower case. A word also starts at a capital letter after a small one.",
        &[("\"Main site\".kebab_case()", "\"main-site\"")],
        |a| string(words_of(text(a, 0)?).join("-")),
    ),
    plain("String.trim() -> String", "Takes white space off both ends.", &[("\" a b\\n\".trim()", "\"a b\"")], |a| {
        string(text(a, 0)?.trim())
    }),
    plain(
        "String.trim_start(chars?: String) -> String",
        "Takes white space, or the given characters, off the start.",
        &[("\"  a \".trim_start()", "\"a \""), ("\"007\".trim_start(\"0\")", "\"7\"")],
        |a| match is_given(a, 1) {
            true => string(text(a, 0)?.trim_start_matches(|c| any(a, 1).as_str().is_some_and(|set| set.contains(c)))),
            false => string(text(a, 0)?.trim_start()),
        },
    ),
    plain(
        "String.trim_end(chars?: String) -> String",
        "Takes white space, or the given characters, off the end.",
        &[("\" a  \".trim_end()", "\" a\""), ("\"/srv/\".trim_end(\"/\")", "\"/srv\"")],
        |a| match is_given(a, 1) {
            true => string(text(a, 0)?.trim_end_matches(|c| any(a, 1).as_str().is_some_and(|set| set.contains(c)))),
            false => string(text(a, 0)?.trim_end()),
        },
    ),
    plain(
        "String.strip_prefix(prefix: String) -> String",
        "Takes the prefix off where it is there.",
        &[("\"v1.2\".strip_prefix(\"v\")", "\"1.2\""), ("\"1.2\".strip_prefix(\"v\")", "\"1.2\"")],
        |a| {
            let whole = text(a, 0)?;
            string(whole.strip_prefix(text(a, 1)?).unwrap_or(whole))
        },
    ),
    plain(
        "String.strip_suffix(suffix: String) -> String",
        "Takes the suffix off where it is there.",
        &[("\"a.conf\".strip_suffix(\".conf\")", "\"a\"")],
        |a| {
            let whole = text(a, 0)?;
            string(whole.strip_suffix(text(a, 1)?).unwrap_or(whole))
        },
    ),
    plain(
        "String.ensure_suffix(suffix: String) -> String",
        "Adds the suffix where it is not there.",
        &[("\"a\".ensure_suffix(\"\\n\")", "\"a\\n\""), ("\"a\\n\".ensure_suffix(\"\\n\")", "\"a\\n\"")],
        |a| {
            let (whole, suffix) = (text(a, 0)?, text(a, 1)?);
            string(if whole.ends_with(suffix) { whole.to_owned() } else { format!("{whole}{suffix}") })
        },
    ),
    plain(
        "String.starts_with(prefix: String) -> Bool",
        "Says whether the text starts so.",
        &[("\"web-1\".starts_with(\"web\")", "true")],
        |a| Ok(Value::Bool(text(a, 0)?.starts_with(text(a, 1)?))),
    ),
    plain(
        "String.ends_with(suffix: String) -> Bool",
        "Says whether the text ends so.",
        &[("\"a.conf\".ends_with(\".conf\")", "true")],
        |a| Ok(Value::Bool(text(a, 0)?.ends_with(text(a, 1)?))),
    ),
    plain(
        "String.contains(part: String) -> Bool",
        "Says whether the part is in the text.",
        &[("\"web-1\".contains(\"b-\")", "true")],
        |a| Ok(Value::Bool(text(a, 0)?.contains(text(a, 1)?))),
    ),
    plain(
        "String.position(part: String) -> Int?",
        "Returns where the part first stands, from 0; `none` when it is not there.",
        &[("\"añb\".position(\"b\")", "2"), ("\"a\".position(\"b\")", "none")],
        |a| {
            let whole = text(a, 0)?;
            Ok(whole.find(text(a, 1)?).map_or(Value::None, |at| length(whole[..at].chars().count())))
        },
    ),
    plain(
        "String.count_of(part: String) -> Int",
        "Counts how often the part stands in the text, without overlaps.",
        &[("\"a.b.c\".count_of(\".\")", "2")],
        |a| Ok(length(text(a, 0)?.matches(text(a, 1)?).count())),
    ),
    plain(
        "String.replace(from: String, to: String) -> String",
        "Replaces every occurrence of `from`.",
        &[("\"a.b.c\".replace(\".\", \"-\")", "\"a-b-c\"")],
        |a| {
            let (whole, from, to) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
            fits(whole.len().saturating_add(whole.matches(from).count().saturating_mul(to.len())), MAX_TEXT * 2, "bytes")?;
            string(whole.replace(from, to))
        },
    ),
    plain(
        "String.split(separator: String) -> List<String>",
        "Cuts the text at every separator. An empty separator is an error: see `chars`.",
        &[("\"a,b,,c\".split(\",\")", "[\"a\", \"b\", \"\", \"c\"]")],
        |a| {
            let separator = text(a, 1)?;
            if separator.is_empty() {
                return Err(invalid(1, "the separator is empty"));
            }
            strings(text(a, 0)?.split(separator))
        },
    ),
    plain(
        "String.split_once(separator: String) -> List<String>?",
        "Cuts the text in two at the first separator; `none` when there is none.",
        &[("\"key=a=b\".split_once(\"=\")", "[\"key\", \"a=b\"]"), ("\"key\".split_once(\"=\")", "none")],
        |a| match text(a, 0)?.split_once(text(a, 1)?) {
            Some((before, after)) => strings([before, after]),
            None => Ok(Value::None),
        },
    ),
    plain(
        "String.lines() -> List<String>",
        "Cuts the text into lines without their line ends.",
        &[("\"a\\nb\\r\\n\".lines()", "[\"a\", \"b\"]")],
        |a| strings(text(a, 0)?.lines()),
    ),
    plain(
        "String.words() -> List<String>",
        "Cuts the text at white space.",
        &[("\" a  b\\n\".words()", "[\"a\", \"b\"]")],
        |a| strings(text(a, 0)?.split_whitespace()),
    ),
    plain("String.chars() -> List<String>", "Returns every character.", &[("\"añ\".chars()", "[\"a\", \"ñ\"]")], |a| {
        let text = text(a, 0)?;
        strings(text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]))
    }),
    plain("String.repeat(times: Int) -> String", "Repeats the text.", &[("\"ab\".repeat(3)", "\"ababab\"")], |a| {
        let (whole, times) = (text(a, 0)?, count(a, 1)?);
        fits(whole.len().saturating_mul(times), MAX_TEXT, "bytes")?;
        string(whole.repeat(times))
    }),
    plain(
        "String.pad_start(width: Int, fill?: String) -> String",
        "Fills up at the start to `width` characters, with spaces or the character given.",
        &[("\"7\".pad_start(3, \"0\")", "\"007\"")],
        |a| pad(text(a, 0)?, count(a, 1)?, text_or(a, 2, " ")?, true),
    ),
    plain(
        "String.pad_end(width: Int, fill?: String) -> String",
        "Fills up at the end to `width` characters, with spaces or the character given.",
        &[("\"ab\".pad_end(4)", "\"ab  \"")],
        |a| pad(text(a, 0)?, count(a, 1)?, text_or(a, 2, " ")?, false),
    ),
    plain(
        "String.slice(start: Int, end?: Int) -> String",
        "Returns the characters from `start` to before `end`. Negative positions count from the end.",
        &[("\"stead\".slice(1, 3)", "\"te\""), ("\"stead\".slice(-2)", "\"ad\"")],
        |a| {
            let chars: Vec<char> = text(a, 0)?.chars().collect();
            let range = slice_range(a, chars.len())?;
            string(chars[range].iter().collect::<String>())
        },
    ),
    plain("String.reverse() -> String", "Turns the order of the characters round.", &[("\"abc\".reverse()", "\"cba\"")], |a| {
        string(text(a, 0)?.chars().rev().collect::<String>())
    }),
    plain(
        "String.truncate(width: Int, ellipsis?: String) -> String",
        "Cuts the text to `width` characters, the ellipsis included; the default is none.",
        &[("\"abcdef\".truncate(4, \"…\")", "\"abc…\""), ("\"abc\".truncate(4)", "\"abc\"")],
        |a| {
            let (whole, width, ellipsis) = (text(a, 0)?, count(a, 1)?, text_or(a, 2, "")?);
            if whole.chars().count() <= width {
                return string(whole);
            }
            let kept = width.saturating_sub(ellipsis.chars().count());
            string(whole.chars().take(kept).chain(ellipsis.chars()).take(width).collect::<String>())
        },
    ),
    plain(
        "String.indent(width: Int, first?: Bool) -> String",
        "Puts spaces before every line that is not empty; before the first one only when `first` is true.",
        &[("\"a\\nb\".indent(2)", "\"a\\n  b\""), ("\"a\\nb\".indent(2, true)", "\"  a\\n  b\"")],
        |a| {
            let (whole, width) = (text(a, 0)?, count(a, 1)?);
            let first = matches!(any(a, 2), Value::Bool(true));
            fits(whole.len().saturating_add(whole.lines().count().saturating_mul(width)), MAX_TEXT, "bytes")?;
            let margin = " ".repeat(width);
            prefix_lines(whole, &margin, first)
        },
    ),
    plain(
        "String.dedent() -> String",
        "Takes the common indentation off all lines.",
        &[("\"  a\\n    b\".dedent()", "\"a\\n  b\"")],
        |a| {
            let whole = text(a, 0)?;
            let margin_of = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
            let margin = whole.lines().filter(|line| !line.trim().is_empty()).map(margin_of).min().unwrap_or(0);
            let lines: Vec<&str> = whole.split('\n').map(|line| &line[margin.min(margin_of(line))..]).collect();
            string(lines.join("\n"))
        },
    ),
    plain(
        "String.comment(mark?: String) -> String",
        "Puts a comment mark and a space before every line; `#` unless another is given.",
        &[("\"a\\n\\nb\".comment()", "\"# a\\n#\\n# b\"")],
        |a| {
            let (whole, mark) = (text(a, 0)?, text_or(a, 1, "#")?);
            fits(whole.len().saturating_add(whole.lines().count().saturating_mul(mark.len() + 1)), MAX_TEXT, "bytes")?;
            let lines: Vec<String> = whole.split('\n').map(|line| format!("{mark} {line}").trim_end().to_owned()).collect();
            string(lines.join("\n"))
        },
    ),
    plain(
        "String.quote() -> String",
        "Quotes the text as one word for a POSIX shell.",
        &[("\"it's\".quote()", "\"\\\"it's\\\"\""), ("\"plain\".quote()", "\"plain\"")],
        |a| match shlex::try_quote(text(a, 0)?) {
            Ok(quoted) => string(quoted.into_owned()),
            Err(_) => Err(invalid(0, "a NUL character cannot be quoted for a shell")),
        },
    ),
    plain(
        "String.shell_words() -> List<String>",
        "Cuts a command line into words as a POSIX shell would, without expanding anything.",
        &[("\"cp 'a b' c\".shell_words()", "[\"cp\", \"a b\", \"c\"]")],
        |a| match shlex::split(text(a, 0)?) {
            Some(words) => strings(words.iter().map(String::as_str)),
            None => Err(invalid(0, "a quote is not closed")),
        },
    ),
    plain(
        "String.to_bool() -> Bool",
        "Reads `true`, `yes`, `on`, `1`, or `false`, `no`, `off`, `0`, in any case.",
        &[("\"Yes\".to_bool()", "true")],
        |a| match &*text(a, 0)?.trim().to_lowercase() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            other => Err(invalid(0, format!("`{other}` is neither true nor false"))),
        },
    ),
    plain(
        "String.format(values: List<Any>) -> String",
        "Puts the values where `{}` stands, one after another; `{{` and `}}` are braces.",
        &[("\"{}:{}\".format([\"::1\", 80])", "\"::1:80\"")],
        |a| {
            let mut values = list(a, 1)?.iter();
            let mut out = String::new();
            let mut chars = text(a, 0)?.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    '{' | '}' if chars.next_if_eq(&c).is_some() => out.push(c),
                    '{' if chars.next_if_eq(&'}').is_some() => match values.next() {
                        Some(value) => out.push_str(&shown(value)),
                        None => return Err(invalid(1, "there are more `{}` than values")),
                    },
                    '{' | '}' => return Err(invalid(0, format!("a single `{c}`; write `{c}{c}` for a brace"))),
                    c => out.push(c),
                }
                fits(out.len(), MAX_TEXT, "bytes")?;
            }
            if values.next().is_some() {
                return Err(invalid(1, "there are more values than `{}`"));
            }
            string(out)
        },
    ),
    plain(
        "Any.to_string() -> String",
        "Returns the value as interpolation writes it: text as it is, others as the language writes them.",
        &[("80.to_string()", "\"80\""), ("0644.to_string()", "\"0644\"")],
        |a| string(shown(any(a, 0))),
    ),
    plain(
        "Any.kind() -> String",
        "Names the kind of value: `none`, `bool`, `int`, `float`, `string`, `mode`, `duration`, `size`, `file`, `list`, `map` or `reference`.",
        &[("[1].kind()", "\"list\"")],
        |a| {
            string(match any(a, 0) {
                Value::None => "none",
                Value::Bool(_) => "bool",
                Value::Int(_) => "int",
                Value::Float(_) => "float",
                Value::Mode(_) => "mode",
                Value::Duration(_) => "duration",
                Value::Size(_) => "size",
                Value::Blob(_) => "file",
                Value::List(_) => "list",
                Value::Map(_) => "map",
                Value::Ref(_) => "reference",
                Value::String(_) | Value::Member(_) | Value::Secret(_) | Value::Locked(_) => "string",
            })
        },
    ),
    plain(
        "String.compare(other: String) -> Int",
        "Orders two texts by their characters: -1, 0 or 1.",
        &[("\"a\".compare(\"b\")", "-1")],
        |a| Ok(Value::Int(text(a, 0)?.cmp(text(a, 1)?) as i64)),
    ),
    plain(
        "String.code_point() -> Int",
        "Returns the Unicode number of the first character.",
        &[("\"A\".code_point()", "65")],
        |a| match text(a, 0)?.chars().next() {
            Some(c) => Ok(Value::Int(i64::from(u32::from(c)))),
            None => Err(invalid(0, "the text is empty")),
        },
    ),
];

/// Writes a value as interpolation does.
pub(super) fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.reveal().to_string(),
    }
}

/// Reads `start` and `end?` at arguments 1 and 2 into a range of something of `len` elements.
pub(super) fn slice_range(args: &[Value], len: usize) -> Result<std::ops::Range<usize>, super::BuiltinError> {
    let place = |n: i64| match usize::try_from(n) {
        Ok(n) => n.min(len),
        Err(_) => len.saturating_sub(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let start = place(int(args, 1)?);
    let end = if is_given(args, 2) { place(int(args, 2)?) } else { len };
    Ok(start..end.max(start))
}

fn pad(text: &str, width: usize, fill: &str, at_start: bool) -> Result<Value, super::BuiltinError> {
    let mut chars = fill.chars();
    let (Some(fill), None) = (chars.next(), chars.next()) else { return Err(invalid(2, "fill with exactly one character")) };
    let missing = width.saturating_sub(text.chars().count());
    fits(text.len().saturating_add(missing.saturating_mul(fill.len_utf8())), MAX_TEXT, "bytes")?;
    let margin: String = std::iter::repeat_n(fill, missing).collect();
    string(if at_start { margin + text } else { text.to_owned() + &margin })
}

fn prefix_lines(text: &str, margin: &str, first: bool) -> Result<Value, super::BuiltinError> {
    let mut out = String::with_capacity(text.len());
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if (i > 0 || first) && !line.trim_end_matches(['\r', '\n']).is_empty() {
            out.push_str(margin);
        }
        out.push_str(line);
    }
    string(out)
}

fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous = ' ';
    for c in text.chars() {
        if c.is_alphanumeric() {
            if !previous.is_alphanumeric() || (c.is_uppercase() && !previous.is_uppercase()) {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        previous = c;
    }
    words
}
