//! Finding secret texts again in what is said or written.

use std::fmt;
use std::sync::Arc;

use crate::{Attributes, Change, Shown, Value};

/// The word that stands in the place of a secret.
const HIDDEN: &str = "(sensitive)";

/// Shorter parts of a secret text are not looked for by themselves: `}` is no secret.
const MIN_PART: usize = 6;

/// Characters that one character of a secret can become where it is quoted: `\040`, `'\''`, `%%`, `\x25`.
const QUOTED: usize = 4;

/// The secret texts of a resource, or of all resources of a catalog.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Texts that are secret as they are, the longest first.
    whole: Vec<Arc<str>>,
    /// Parts of them that may be told by themselves.
    parts: Vec<Arc<str>>,
    /// The lines of texts of several lines: half of them make the text.
    pages: Vec<Vec<Arc<str>>>,
    /// They are all of one resource's, which is what is looked at.
    own: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secrets {
    /// The secrets of a resource, from its attributes. What is said of the resource itself is searched for every part of them.
    pub fn of(attributes: &Attributes) -> Self {
        let mut found = Self { own: true, ..Self::default() };
        for text in texts(attributes) {
            found.whole.extend(address_parts(&text).map(Arc::from));
            // What is told of it may have lost its line ends, or be one of its lines.
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= MIN_PART || *line == text.trim());
            found.whole.extend(lines.map(Arc::from));
            for line in text.lines() {
                let words = line.split(|c: char| c.is_whitespace() || "=,;".contains(c)).filter(|word| word.len() >= MIN_PART);
                let runs = line.split(|c: char| !c.is_alphanumeric()).filter(|run| run.len() >= MIN_PART);
                found.parts.extend(words.chain(runs).map(Arc::from));
            }
            found.whole.push(text);
        }
        found.sorted()
    }

    /// The secrets of many resources, for what is said of the others: one may edit the file that another has put a secret into.
    pub fn of_all<'a>(resources: impl IntoIterator<Item = &'a Attributes>) -> Self {
        let mut found = Self::default();
        for text in resources.into_iter().flat_map(texts) {
            found.whole.extend(password_of(&text).filter(|password| password.len() >= MIN_PART).map(Arc::from));
            let lines: Vec<Arc<str>> = text.lines().map(str::trim).filter(|line| line.len() >= MIN_PART).map(Arc::from).collect();
            if lines.len() > 1 {
                found.pages.push(lines);
            } else if text.trim().len() >= MIN_PART {
                found.whole.push(text.trim().into());
            }
        }
        found.sorted()
    }

    fn sorted(mut self) -> Self {
        for texts in [&mut self.whole, &mut self.parts] {
            texts.sort_by(|one, other| (other.len(), one).cmp(&(one.len(), other)));
            texts.dedup();
        }
        self
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.pages.is_empty()
    }

    /// Takes every secret out of a message, and every word that holds a part of one. Where a secret stands in another form, quoted for a shell
    /// or a file, the line that holds it goes.
    pub fn scrub(&self, text: String) -> String {
        if !self.are_in(&text) {
            return text;
        }
        let text = self.whole.iter().fold(text, |text, secret| replaced(text, secret));
        let is_quoted = |line: &str| self.whole.iter().any(|secret| is_in(secret, line));
        let lines: Vec<&str> = text.lines().map(|line| if is_quoted(line) { HIDDEN } else { line }).collect();
        let text = self.parts.iter().fold(lines.join("\n"), |text, part| without_words(text, part));
        if self.are_in(&text) { HIDDEN.to_owned() } else { text }
    }

    /// Says whether a text holds one of the secrets, or a part of one, as it is or with its special characters quoted.
    pub fn are_in(&self, text: &str) -> bool {
        let half = |lines: &Vec<Arc<str>>| lines.iter().filter(|line| text.contains(&***line)).count() * 2 >= lines.len();
        self.whole.iter().any(|secret| is_in(secret, text))
            || self.parts.iter().any(|part| text.contains(&**part))
            || self.pages.iter().any(half)
    }

    /// Hides what a change tells of secrets: its sides where one of them holds one, or a text of the resource goes, which may be an earlier one.
    #[must_use]
    pub fn hide(&self, change: Change) -> Change {
        if self.is_empty() {
            return change;
        }
        let told = |side: Shown| match side {
            Shown::Unknown(because) => Shown::Unknown(self.scrub(because.to_string()).into()),
            other => other,
        };
        let attribute =
            if self.are_in(&change.attribute) { self.scrub(change.attribute.to_string()).into() } else { change.attribute };
        let change = Change { attribute, before: told(change.before), after: told(change.after), ..change };
        let goes = self.own && matches!(change.before, Shown::Text(_)) && !matches!(change.after, Shown::Text(_));
        let is_told = goes || self.are_shown(&change.before) || self.are_shown(&change.after);
        if is_told && !change.sensitive { change.hidden() } else { change }
    }

    fn are_shown(&self, side: &Shown) -> bool {
        match side {
            Shown::Absent | Shown::Digest { .. } | Shown::Sensitive | Shown::Unknown(_) => false,
            Shown::Value(value) => self.are_in(&value.to_string()),
            Shown::Text(text) => self.are_in(text),
        }
    }
}

/// The secret texts among values.
fn texts(attributes: &Attributes) -> Vec<Arc<str>> {
    let mut found = Vec::new();
    attributes.iter().for_each(|(_, value)| collect(value, false, &mut found));
    found
}

fn collect(value: &Value, is_secret: bool, found: &mut Vec<Arc<str>>) {
    match value {
        Value::Secret(inner) => collect(inner, true, found),
        Value::String(text) if is_secret && !text.trim().is_empty() => found.push(text.clone()),
        Value::List(items) => items.iter().for_each(|item| collect(item, is_secret, found)),
        Value::Map(map) => map.values().for_each(|item| collect(item, is_secret, found)),
        // A number is told as it is written.
        Value::Int(_) | Value::Float(_) | Value::Duration(_) | Value::Size(_) if is_secret => {
            found.push(value.to_string().into())
        }
        _ => {}
    }
}

/// The password in an address.
fn password_of(text: &str) -> Option<&str> {
    let (user, _) = text.split_once("://")?.1.split_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// What may be told by itself of an address that is secret: who asks, with which password, for what, and the query.
fn address_parts(text: &str) -> impl Iterator<Item = &str> {
    let rest = text.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    let (user, place) = rest.split_once('@').unwrap_or(("", rest));
    let (place, query) = place.split_once(['?', '#']).unwrap_or((place, ""));
    let path = place.split_once('/').map(|(_, path)| path).unwrap_or_default();
    let long = [user, place, path, query].into_iter().filter(|part| part.len() >= MIN_PART);
    long.chain(password_of(text))
}

/// The text without the words that hold a part of a secret.
fn without_words(text: String, part: &str) -> String {
    if !text.contains(part) {
        return text;
    }
    let ends = |c: char| c.is_whitespace() || c == '`';
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        let end = word.len() - word.chars().next_back().filter(|c| ends(*c)).map_or(0, char::len_utf8);
        let (word, end) = word.split_at(end);
        clean.push_str(if word.contains(part) { HIDDEN } else { word });
        clean.push_str(end);
    }
    clean
}

/// The text without the secret. A number is one only where it does not go on.
fn replaced(text: String, secret: &str) -> String {
    if !is_number(secret) {
        return text.replace(secret, HIDDEN);
    }
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(secret).filter(|(at, _)| stands_alone(&text, *at, secret.len())) {
        clean.push_str(&text[from..at]);
        clean.push_str(HIDDEN);
        from = at + secret.len();
    }
    clean.push_str(&text[from..]);
    clean
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Says whether neither a letter nor a digit stands right before or after a part of a text.
fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    !before.into_iter().chain(after).any(char::is_alphanumeric)
}

fn is_in(secret: &str, text: &str) -> bool {
    if is_number(secret) {
        return text.match_indices(secret).any(|(at, _)| stands_alone(text, at, secret.len()));
    }
    text.contains(secret) || (!secret.trim().contains('\n') && is_quoted_in(secret.trim(), text))
}

/// Says whether the letters and digits of a secret stand in a text in their order, with no more between them than quoting puts there.
fn is_quoted_in(secret: &str, text: &str) -> bool {
    let mut runs = runs(secret);
    let Some((_, first)) = runs.next() else { return false };
    let rest: Vec<(usize, &str)> = runs.collect();
    // Without anything between its runs it stands there as it is, or not at all.
    !rest.is_empty()
        && text.match_indices(first).any(|(at, _)| {
            let mut left = &text[at + first.len()..];
            rest.iter().all(|(gap, run)| {
                let Some(found) = left.find(run).filter(|found| *found <= gap * QUOTED) else { return false };
                left = &left[found + run.len()..];
                true
            })
        })
}

/// The runs of letters and digits in a text, each with the number of characters before it.
fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut gap = 0;
    text.split(|c: char| !c.is_alphanumeric()).filter_map(move |run| {
        gap += 1;
        if run.is_empty() { None } else { Some((std::mem::take(&mut gap), run)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(value: Value) -> Secrets {
        Secrets::of(&[(Arc::from("x"), value), (Arc::from("y"), Value::string("plain"))].into_iter().collect())
    }

    #[test]
    fn what_is_quoted_is_found() {
        let found = secrets(Value::string("p@ss w%rd\"x").secret());
        for text in ["a p@ss w%rd\"x b", "pw=p@ss\\040w%rd\"x", "\"p@ss w%%rd\\\"x\"", "p%40ss w\\x25rd\\\"x"] {
            assert!(found.are_in(text), "{text}");
        }
        for text in ["plain", "p@ss word", "pass", "p and then much later ss w rd x"] {
            assert!(!found.are_in(text), "{text}");
        }
        assert_eq!(found.scrub("one\nsays p@ss w%%rd\\\"x\nthree".into()), "one\n(sensitive)\nthree");
    }

    #[test]
    fn what_is_nested_is_found() {
        let found = secrets(Value::list([Value::map([(Arc::from("k"), Value::string("hunter2").secret())]), Value::string("k")]));
        assert_eq!(found.scrub("k hunter2".into()), "k (sensitive)");
        let numbers = secrets(Value::Int(17).secret());
        assert_eq!(numbers.scrub("a17 170 =17;".into()), "a17 170 =(sensitive);");
        assert!(secrets(Value::string("hunter2")).is_empty());
    }

    #[test]
    fn a_part_of_a_secret_address_is_found() {
        let found = secrets(Value::string("https://me:pw@example.org/t0k3n5/x?key=17b").secret());
        assert_eq!(found.scrub("https://example.org/t0k3n5/x refused me".into()), "https://(sensitive) refused me");
        assert!(found.are_in("machine example.org login me password pw"));
        assert!(!found.are_in("https://other.net/"));
    }

    #[test]
    fn a_line_of_a_secret_is_found_and_a_short_one_is_not() {
        let found = secrets(Value::string("{\n  key: hunter2\n}\n").secret());
        assert!(found.are_in("+key: hunter2"));
        assert!(!found.are_in("server {\n}\n"));
    }

    #[test]
    fn secrets_of_others_are_found_where_they_are_whole() {
        let page = "server {\n  listen 80;\n  password 3xy7;\n}\n";
        let attributes = |value: Value| [(Arc::from("x"), value)].into_iter().collect::<Attributes>();
        let (one, two) = (attributes(Value::string(page).secret()), attributes(Value::string("hunter2 and more").secret()));
        let found = Secrets::of_all([&one, &two]);
        assert!(found.are_in(&format!("# a comment\n{page}")));
        assert!(found.are_in("a hunter2 and more b"));
        assert!(!found.are_in("server {\n  listen 81;\n}\n"));
        assert!(!found.are_in("hunter2"));
        assert!(!found.hide(Change::value("content", Shown::Text("a".into()), Shown::Absent)).sensitive);
    }

    #[test]
    fn a_change_is_hidden_whatever_its_name_is() {
        let found = secrets(Value::string("hunter2").secret());
        let text = |text: &str| Shown::Text(text.into());
        let is_hidden = |before: Shown, after: Shown| found.hide(Change::value("unit", before, after)).sensitive;
        assert!(is_hidden(Shown::Absent, text("ExecStart=x hunter2")));
        assert!(is_hidden(text("hunter2"), text("")));
        assert!(is_hidden(Shown::Absent, Shown::Value(Value::list([Value::string("hunter2")]))));
        assert!(is_hidden(text("an earlier one"), Shown::Absent));
        assert!(!is_hidden(text("a"), text("b")));
        assert!(!is_hidden(Shown::Absent, Shown::Value(Value::Mode(0o600))));
    }
}
