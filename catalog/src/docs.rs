//! What documentation says besides describing.

/// The word that begins the paragraph of what is deprecated.
const WORD: &str = "Deprecated:";

/// Returns why not to use a thing any more, and what to use, where its documentation has a line that begins with `Deprecated:`; what
/// follows up to the next empty line belongs to it. On one line, and empty where nothing is said.
///
/// ```
/// use stead_catalog::deprecation;
///
/// assert_eq!(deprecation("Serves sites.\n\nDeprecated: use\n`web`.").as_deref(), Some("use `web`"));
/// assert_eq!(deprecation("Says what is Deprecated: nothing."), None);
/// ```
pub fn deprecation(docs: &str) -> Option<String> {
    let mut lines = docs.lines().map(str::trim).skip_while(|line| !line.starts_with(WORD));
    let first = lines.next()?.strip_prefix(WORD)?.trim();
    let words: Vec<&str> = std::iter::once(first).chain(lines.take_while(|line| !line.is_empty())).collect();
    Some(words.join(" ").trim().trim_end_matches('.').to_owned())
}
