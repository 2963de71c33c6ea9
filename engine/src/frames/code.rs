//! Codes on the wire: words that programs compare and people look up, and nothing that a terminal would obey.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longer than any code is.
const MAX: usize = 64;

/// A stable code: small letters, digits and hyphens. Anything else is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct WireCode(String);

impl WireCode {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

/// What no code can hold is not sent: the other side would take the whole answer for nonsense.
impl From<&str> for WireCode {
    fn from(text: &str) -> Self {
        let plain: String = text.chars().map(|c| if is_plain(c) { c } else { '-' }).take(MAX).collect();
        Self(if plain.is_empty() { "-".to_owned() } else { plain })
    }
}

impl TryFrom<String> for WireCode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_code = (1..=MAX).contains(&text.len()) && text.chars().all(is_plain);
        if is_code { Ok(Self(text)) } else { Err("a code that is none") }
    }
}

impl From<WireCode> for String {
    fn from(code: WireCode) -> Self {
        code.0
    }
}

impl From<WireCode> for Arc<str> {
    fn from(code: WireCode) -> Self {
        code.0.into()
    }
}

#[cfg(test)]
mod tests {
    use crate::frames::{Answer, WireCode, decode};

    #[test]
    fn a_code_is_a_word_and_nothing_that_a_terminal_would_obey() {
        let answers = |code: &str| {
            let code = serde_json::to_string(code).expect("text");
            [
                format!(r#"{{"failed": {{"code": {code}, "message": "m"}}}}"#),
                format!(r#"{{"event": {{"warning": {{"code": {code}, "message": "m"}}}}}}"#),
                format!(r#"{{"event": {{"finished": {{"at": 0, "outcome": {{"kind": "failed", "code": {code}}}}}}}}}"#),
                format!(r#"{{"event": {{"reacted": {{"at": 0, "because": [], "failure": [{code}, "m"], "duration_ns": 0}}}}}}"#),
                format!(
                    r#"{{"planned": {{"saved": "", "plan": {{"node": "a", "catalog_hash": "", "resources": [{{"id": ["file", "/a"],
                    "action": "none", "source": ["a", 0, 1, 1, 1], "error": [{code}, "m", null]}}]}}}}}}"#
                ),
            ]
        };
        for answer in answers("disk-full-2") {
            assert!(decode::<Answer>(answer.as_bytes()).is_ok(), "{answer}");
        }
        for code in ["", "a]\u{1b}[2J", "Disk", "disk full", "a\nb", "\u{202e}a", &"a".repeat(65)] {
            for answer in answers(code) {
                assert!(decode::<Answer>(answer.as_bytes()).is_err(), "{answer}");
            }
            // What is written is read again, whatever it was.
            let written = serde_json::to_vec(&WireCode::from(code)).expect("bytes");
            assert!(decode::<WireCode>(&written).is_ok());
        }
    }
}
