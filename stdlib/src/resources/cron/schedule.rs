//! When a job runs: the five fields of crontab(5), or a word such as `@daily`.

/// The words that stand for a schedule.
pub(super) const WORDS: [&str; 8] = ["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// A field: its name as an attribute, its range, and the names its numbers have.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day", min: 1, max: 31, names: &[] },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "weekday", min: 0, max: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Finds what is wrong with a schedule, in words.
pub(super) fn mistake(schedule: &str) -> Option<String> {
    if schedule.starts_with('@') {
        let is_known = WORDS.iter().any(|word| word.eq_ignore_ascii_case(schedule));
        return (!is_known).then(|| format!("`{schedule}` is none of {}", WORDS.join(", ")));
    }
    let fields: Vec<&str> = schedule.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("`{schedule}` has {} fields, expected minute, hour, day, month and weekday", fields.len()));
    }
    fields.iter().enumerate().find_map(|(at, field)| field_mistake(at, field))
}

/// Finds what is wrong with one field: 0 for the minute, 4 for the weekday.
pub(super) fn field_mistake(at: usize, text: &str) -> Option<String> {
    let field = &FIELDS[at];
    if text.is_empty() || text.contains(|c: char| c.is_whitespace()) {
        return Some(format!("`{text}` is no {} of a schedule", field.name));
    }
    text.split(',')
        .find_map(|part| part_mistake(field, part))
        .map(|reason| format!("`{text}` is no {} of a schedule: {reason}", field.name))
}

fn part_mistake(field: &Field, part: &str) -> Option<String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if let Some(step) = step
        && !number(step).is_some_and(|step| step >= 1 && step <= field.max)
    {
        return Some(format!("a step is a number from 1 to {}, found `{step}`", field.max));
    }
    if range == "*" {
        return None;
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (range, None),
    };
    if step.is_some() && last.is_none() {
        return Some(format!(
            "a step needs a range: `{first}-{}/{}`, or `*/{}`",
            field.max,
            step.unwrap_or("5"),
            step.unwrap_or("5")
        ));
    }
    let value = |text: &str| {
        let name = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let name = name.and_then(|at| u32::try_from(at).ok()).map(|at| at + field.min);
        name.or_else(|| number(text)).filter(|value| (field.min..=field.max).contains(value))
    };
    let Some(from) = value(first) else {
        return Some(format!("`{first}` is not in {}-{}", field.min, field.max));
    };
    let last = last?;
    match value(last) {
        None => Some(format!("`{last}` is not in {}-{}", field.min, field.max)),
        Some(to) if to < from => Some(format!("the range `{range}` ends before it begins")),
        Some(_) => None,
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_that_cron_takes() {
        for good in
            ["* * * * *", "17 3 * * *", "*/5 0-23/2 1,15 jan-Mar MON", "@daily", "@Reboot", "0 0 * * 7", "0-10,30 * * * 1-5"]
        {
            assert_eq!(mistake(good), None, "{good}");
        }
        for bad in [
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5/2 * * * *",
            "*/0 * * * *",
            "9-3 * * * *",
            "@weakly",
            "a * * * *",
            "1,, * * * *",
            "+5 * * * *",
            "",
        ] {
            assert!(mistake(bad).is_some(), "{bad}");
        }
    }
}
