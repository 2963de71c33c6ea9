//! The reserved words.

/// Returns every keyword, sorted; for highlighting and completion.
pub fn keywords() -> &'static [&'static str] {
    &[
        "defaults", "else", "enum", "extend", "fact", "false", "fn", "for", "if", "in", "let", "match", "node", "none", "state",
        "true", "type", "use", "where",
    ]
}

/// Tells whether `word` is reserved: it cannot name a thing, but it can name an attribute or a field.
pub fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "defaults"
            | "else"
            | "enum"
            | "extend"
            | "fact"
            | "false"
            | "fn"
            | "for"
            | "if"
            | "in"
            | "let"
            | "match"
            | "node"
            | "none"
            | "state"
            | "true"
            | "type"
            | "use"
            | "where"
    )
}

/// Tells whether `word` starts an item that stands at the top level only.
pub(crate) fn starts_item(word: &str) -> bool {
    matches!(word, "use" | "type" | "enum" | "fn" | "fact" | "state" | "node")
}

/// Tells whether `word` starts a statement.
pub(crate) fn starts_statement(word: &str) -> bool {
    matches!(word, "let" | "for" | "if" | "match" | "extend" | "defaults")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_test_agree() {
        assert!(keywords().is_sorted());
        assert!(keywords().iter().all(|word| is_keyword(word)));
        assert!(!is_keyword("as") && !is_keyword("not") && !is_keyword("file"));
    }
}
