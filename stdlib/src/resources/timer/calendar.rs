//! Times of the calendar as systemd writes them (systemd.time(7)).

use std::sync::LazyLock;

use regex::Regex;

/// Words that stand for a whole expression.
const SHORTHANDS: [&str; 10] =
    ["minutely", "hourly", "daily", "monthly", "weekly", "yearly", "annually", "quarterly", "semiannually", "semi-annually"];

static DAYS: LazyLock<Regex> = LazyLock::new(|| {
    let day = "(?:mon|monday|tue|tuesday|wed|wednesday|thu|thursday|fri|friday|sat|saturday|sun|sunday)";
    regex(&format!(r"(?i)^{day}(?:\.\.{day})?(?:,{day}(?:\.\.{day})?)*,?$"))
});

/// A number with a range or a step, or any.
const PART: &str = r"(?:\*|\d+(?:\.\.\d+)?)(?:/\d+)?";

static DATE: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!(r"^(?:{PART}(?:,{PART})*-)?{PART}(?:,{PART})*[-~]{PART}(?:,{PART})*$")));

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let seconds = r"(?:\*|\d+(?:\.\d+)?(?:\.\.\d+(?:\.\d+)?)?)(?:/\d+(?:\.\d+)?)?";
    regex(&format!(r"^{PART}(?:,{PART})*:{PART}(?:,{PART})*(?::{seconds}(?:,{seconds})*)?$"))
});

static ZONE: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:UTC|[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z0-9_+-]+)+|[A-Z]{3,4})$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is well formed")
}

/// Says whether a text has the form of a calendar expression: days of the week, a date, a time and a zone, each of which can be left out, or
/// one of the words for all of it.
pub(super) fn is_calendar(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace().peekable();
    if words.peek().is_some_and(|word| SHORTHANDS.contains(&word.to_ascii_lowercase().as_str())) {
        words.next();
        return words.next().is_none_or(|zone| ZONE.is_match(zone)) && words.next().is_none();
    }
    let mut seen = false;
    for form in [&DAYS, &DATE, &TIME, &ZONE] {
        let is_zone = std::ptr::eq(form, &ZONE);
        if words.peek().is_some_and(|word| form.is_match(word)) && (seen || !is_zone) {
            words.next();
            seen = true;
        }
    }
    seen && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_the_manual_are_taken() {
        for good in [
            "daily",
            "weekly UTC",
            "Mon..Fri 03:30",
            "*-*-01 04:00:00",
            "*:0/15",
            "Sat,Thu,Mon..Wed,Sat..Sun",
            "2012-10-15 1:2:3",
            "*-*-7 0:0:0",
            "10-15",
            "Wed *-1",
            "Wed..Wed,Wed *-1",
            "Mon,Sun 12-*-* 2,1:23",
            "*:2/3",
            "*-05~03/1",
            "Fri 2012-11-23 11:12:13",
            "03-05 08:05:40",
            "08:05:40",
            "05:40",
            "Sat,Sun 08:05",
            "2003-02..04-05",
            "00:00:00.1..30/2",
            "Mon 09:00 Europe/Berlin",
        ] {
            assert!(is_calendar(good), "{good}");
        }
        for bad in ["", "dayly", "every day", "25", "Mon..Fry 03:30", "03:30 daily", "UTC", "*/5 * * * *", "daily daily"] {
            assert!(!is_calendar(bad), "{bad}");
        }
    }
}
