//! Telling a forge what a review found: a comment on the change that is made once and kept up to date, and the state of its commit.
//!
//! Tokens come from the environment, go into headers alone, and are never an argument, printed or logged. The comment carries a
//! hidden mark by which it is found again; one that somebody else wrote is not taken for it. The state of the commit carries the
//! hash of all catalogs, so that an apply after the merge can demand that exactly they were reviewed.

mod github;
mod gitlab;
mod http;

use crate::args::Forge;

pub(crate) use http::ForgeError;

/// The name that the state of a commit has.
const CONTEXT: &str = "stead/review";
/// Mistakes that a comment lists.
const MOST_MISTAKES: usize = 20;
/// Characters of one of them.
const LONGEST_MISTAKE: usize = 500;
/// Longest description of the state of a commit.
const DESCRIPTION: usize = 140;

/// What a review found, for a forge.
pub(crate) struct Finding {
    /// Which project of the repository; empty for one at its root.
    pub(crate) project: String,
    /// The body of the comment.
    pub(crate) markdown: String,
    /// The state in a few words: `3 of 12 nodes get another catalog`.
    pub(crate) summary: String,
    /// The hash of all catalogs of the new revision, in hex.
    pub(crate) hash: String,
    /// Some node has no catalog, or none has.
    pub(crate) has_errors: bool,
    /// The commit, where the environment does not name it.
    pub(crate) commit: Option<String>,
    /// What is wrong at which line.
    pub(crate) notes: Vec<Note>,
}

/// A remark at a line of a file.
pub(crate) struct Note {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) is_error: bool,
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Finding {
    /// The mark by which the comment is found again.
    fn mark(&self) -> String {
        // Nothing in a path may end the comment that the mark is in.
        let project: String =
            self.project.chars().map(|c| if c.is_alphanumeric() || "/._".contains(c) { c } else { '_' }).collect();
        format!("<!-- stead-review:{project} -->")
    }

    fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n_Reviewed catalogs: `{}`_\n",
            self.mark(),
            self.markdown.trim_end(),
            mistakes(&self.notes),
            self.hash
        )
    }

    fn context(&self) -> String {
        let project = self.project.trim_end_matches('/');
        if project.is_empty() { CONTEXT.to_owned() } else { format!("{CONTEXT}:{project}") }
    }

    fn description(&self) -> String {
        let tail = format!("; catalogs {}", self.hash);
        let mut summary = self.summary.clone();
        while summary.len() + tail.len() > DESCRIPTION {
            summary.pop();
        }
        summary + &tail
    }
}

/// The mistakes with their places, for the comment.
pub(crate) fn mistakes(notes: &[Note]) -> String {
    let errors: Vec<&Note> = notes.iter().filter(|note| note.is_error).collect();
    if errors.is_empty() {
        return String::new();
    }
    let line = |note: &&Note| {
        let text: String = note.text.chars().take(LONGEST_MISTAKE).collect();
        format!("{}:{}: error[{}]: {}\n", note.file, note.line, note.title, text.replace('\n', "\n  "))
    };
    let mut lines: String = errors.iter().take(MOST_MISTAKES).map(line).collect();
    if errors.len() > MOST_MISTAKES {
        lines.push_str(&format!("and {} more\n", errors.len() - MOST_MISTAKES));
    }
    block(lines.trim_end())
}

/// Text in a block of its own, which nothing in it ends.
pub(crate) fn block(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| stead_report::clean(line).replace("```", "` ` `")).collect();
    format!("\n```text\n{}\n```\n", lines.join("\n"))
}

/// What the state of a commit says: the hash of the catalogs that were reviewed.
fn reviewed_hash(description: &str) -> Option<&str> {
    let (_, hash) = description.rsplit_once("catalogs ")?;
    (hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash)
}

/// Tells a forge about a review. Returns where the comment is.
///
/// # Errors
/// Where something is missing in the environment, or the forge says no.
pub(crate) fn publish(forge: Forge, finding: &Finding) -> Result<String, ForgeError> {
    match forge {
        Forge::Github => github::publish(&github::Place::of_environment(finding.commit.as_deref())?, finding),
        Forge::Gitlab => gitlab::publish(&gitlab::Place::of_environment(finding.commit.as_deref())?, finding),
    }
}

/// Demands that the catalogs with the hash of this finding were reviewed in the change that its commit merged.
///
/// # Errors
/// [`ForgeError::NotReviewed`] where they were not.
pub(crate) fn demand(forge: Forge, finding: &Finding) -> Result<(), ForgeError> {
    let commit = finding.commit.as_deref();
    let reviewed = match forge {
        Forge::Github => github::reviewed(&github::Place::of_environment(commit)?, &finding.context())?,
        Forge::Gitlab => gitlab::reviewed(&gitlab::Place::of_environment(commit)?, &finding.context())?,
    };
    if reviewed.contains(&finding.hash) {
        return Ok(());
    }
    Err(ForgeError::NotReviewed { hash: finding.hash.clone(), reviewed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_commit_carries_the_hash() {
        let finding = Finding {
            project: "sites/--> x/".into(),
            markdown: "m".into(),
            summary: "y".repeat(300),
            hash: "a".repeat(64),
            has_errors: false,
            commit: None,
            notes: Vec::new(),
        };
        assert_eq!(finding.description().len(), DESCRIPTION);
        assert_eq!(reviewed_hash(&finding.description()), Some(&*finding.hash));
        assert_eq!(reviewed_hash("3 of 4; catalogs ../../x"), None);
        assert_eq!(finding.mark(), "<!-- stead-review:sites/_____x/ -->".replace("_____", "____"));
    }
}
