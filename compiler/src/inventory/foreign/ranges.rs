//! Ranges in the names of hosts: `web[01:50].example.org`, `db-[a:f]`.

/// Writes out what a name with ranges stands for; at most `limit` names.
pub(super) fn expand(pattern: &str, limit: usize) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some(open) = rest.find('[') {
        let Some(length) = rest[open..].find(']') else { return Err("a `[` is not closed".into()) };
        let choices = choices(&rest[open + 1..open + length], limit)?;
        if names.len().saturating_mul(choices.len()) > limit {
            return Err(format!("it stands for more than {limit} hosts"));
        }
        let before = &rest[..open];
        names = names.iter().flat_map(|name| choices.iter().map(move |choice| format!("{name}{before}{choice}"))).collect();
        rest = &rest[open + length + 1..];
    }
    for name in &mut names {
        name.push_str(rest);
    }
    if names.len() > limit { Err(format!("it stands for more than {limit} hosts")) } else { Ok(names) }
}

/// `01:50`, `1:9:2`, `a:f`.
fn choices(range: &str, limit: usize) -> Result<Vec<String>, String> {
    let bad = || format!("`[{range}]` is not a range");
    let parts: Vec<&str> = range.split(':').collect();
    let (start, end, step) = match parts[..] {
        [start, end] => (start, end, 1),
        [start, end, step] => (start, end, step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(bad)?),
        _ => return Err(bad()),
    };
    let letter = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(*byte),
        _ => None,
    };
    if let (Some(first), Some(last)) = (letter(start), letter(end)) {
        if first > last || first.is_ascii_uppercase() != last.is_ascii_uppercase() {
            return Err(bad());
        }
        return Ok((first..=last).step_by(step).map(|byte| char::from(byte).to_string()).collect());
    }
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
    let first = if start.is_empty() { Some(0) } else { number(start) };
    let (Some(first), Some(last)) = (first, number(end)) else { return Err(bad()) };
    if first > last {
        return Err(format!("`[{range}]` ends before it starts"));
    }
    if (last - first) / (step as u64) >= limit as u64 {
        return Err(format!("it stands for more than {limit} hosts"));
    }
    // A leading zero says how wide the numbers are.
    let width = if start.starts_with('0') { start.len() } else { 0 };
    Ok((first..=last).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[track_caller]
    fn check(pattern: &str, expected: Result<&str, &str>) {
        let found = expand(pattern, 20).map(|names| names.join(" "));
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn ranges_are_written_out() {
        check("web-1", Ok("web-1"));
        check("web[08:11].x", Ok("web08.x web09.x web10.x web11.x"));
        check("w[1:9:4]", Ok("w1 w5 w9"));
        check("[a:c]-[1:2]", Ok("a-1 a-2 b-1 b-2 c-1 c-2"));
        check("w[:2]", Ok("w0 w1 w2"));
    }

    #[test]
    fn what_is_no_range_is_told() {
        check("w[1:2", Err("a `[` is not closed"));
        check("w[1]", Err("`[1]` is not a range"));
        check("w[a:9]", Err("`[a:9]` is not a range"));
        check("w[9:1]", Err("`[9:1]` ends before it starts"));
        check("w[1:9:0]", Err("`[1:9:0]` is not a range"));
        check("w[1:99999999999999]", Err("it stands for more than 20 hosts"));
        check("w[1:9][1:9]", Err("it stands for more than 20 hosts"));
    }
}
