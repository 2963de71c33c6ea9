//! The last lines of an apply to many hosts: each host, and what became of it.

use stead_report::{clean, counted, display_width};

use super::outcome::HostOutcome;

/// Hosts that are told with a line each, whatever became of them; of more, only those that need a look.
const EACH: usize = 40;

/// `1 host`, `12 hosts`.
pub(super) fn hosts(count: usize) -> String {
    counted(count, "host")
}

/// Names every host and what became of it.
pub(super) fn summary(outcomes: &[(String, HostOutcome)]) -> String {
    let width = outcomes.iter().map(|(name, _)| display_width(&clean(name))).max().unwrap_or(0);
    let mut text = String::new();
    let line = |text: &mut String, name: &str, outcome: &HostOutcome| {
        let name = clean(name);
        let gap = " ".repeat(width.saturating_sub(display_width(&name)));
        let word = outcome.name().replace('_', " ");
        text.push_str(format!("{name}{gap}  {word:<11}  {}", clean(&outcome.words())).trim_end());
        text.push('\n');
    };
    if outcomes.len() <= EACH {
        for (name, outcome) in outcomes {
            line(&mut text, name, outcome);
        }
    } else {
        for (name, outcome) in outcomes.iter().filter(|(_, outcome)| !outcome.is_good()) {
            line(&mut text, name, outcome);
        }
        for word in ["changed", "unchanged"] {
            let names: Vec<_> =
                outcomes.iter().filter(|(_, outcome)| outcome.name() == word).map(|(name, _)| clean(name)).collect();
            if !names.is_empty() {
                text.push_str(&format!("{word}: {}\n", names.join(", ")));
            }
        }
    }
    text.push_str(&format!("\n{}\n", totals(outcomes)));
    text
}

/// `10 hosts: 7 changed, 1 failed, 2 not tried`.
pub(super) fn totals(outcomes: &[(String, HostOutcome)]) -> String {
    let words = ["changed", "unchanged", "failed", "unhealthy", "unreachable", "lost", "cancelled", "not_tried"];
    let count = |word: &&str| outcomes.iter().filter(|(_, outcome)| *outcome.name() == **word).count();
    let parts: Vec<String> = words
        .iter()
        .map(|word| (count(word), word))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {}", word.replace('_', " ")))
        .collect();
    format!("{}: {}", hosts(outcomes.len()), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_engine::Counts;

    #[test]
    fn every_host_is_named() {
        let counts = Counts { changed: 2, unchanged: 3, ..Counts::default() };
        let outcomes = vec![
            ("web-1".to_owned(), HostOutcome::Changed { run: Some(4), counts }),
            ("web-10".to_owned(), HostOutcome::NotTried("the canary failed")),
        ];
        let text = summary(&outcomes);
        assert_eq!(
            text,
            "web-1   changed      2 changed, 3 unchanged, run 4\nweb-10  not tried    the canary failed\n\n2 hosts: 1 changed, 1 not tried\n"
        );
        let many: Vec<_> = (0..50).map(|at| (format!("n{at}"), HostOutcome::Unchanged)).collect();
        let text = summary(&many);
        assert!(many.iter().all(|(name, _)| text.contains(name.as_str())), "{text}");
        assert!(text.lines().count() < 5);
    }
}
