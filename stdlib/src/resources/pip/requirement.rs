//! Names, versions and conditions of Python's packages (PEP 440, PEP 503, PEP 508), as far as they are needed to compare.

use std::cmp::Ordering;

/// A package and the versions that will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The normalised name.
    pub(super) name: String,
    /// All of them have to hold.
    pub(super) conditions: Vec<Condition>,
}

/// `>=1.2`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    operator: &'static str,
    version: String,
}

impl Requirement {
    /// Says whether a version will do.
    pub(super) fn allows(&self, version: &str) -> bool {
        self.conditions.iter().all(|condition| condition.holds(version))
    }

    /// The one version that will do, where there is one.
    pub(super) fn exactly(&self) -> Option<&str> {
        match &self.conditions[..] {
            [Condition { operator: "==" | "===", version }] if !version.ends_with('*') => Some(version),
            _ => None,
        }
    }
}

impl Condition {
    fn holds(&self, version: &str) -> bool {
        let compared = || compare(version, &self.version);
        match self.operator {
            "===" => version == self.version,
            "==" | "!=" => {
                let is_equal = match self.version.strip_suffix(".*") {
                    Some(prefix) => starts_with(version, prefix),
                    // A local version is as good as the public one that is asked for.
                    None if self.version.contains('+') => compared() == Ordering::Equal,
                    None => compare(version.split('+').next().unwrap_or(version), &self.version) == Ordering::Equal,
                };
                is_equal == (self.operator == "==")
            }
            ">=" => compared() != Ordering::Less,
            "<=" => compared() != Ordering::Greater,
            ">" => compared() == Ordering::Greater,
            "<" => compared() == Ordering::Less,
            "~=" => {
                let series = self.version.rsplit_once('.').map_or(self.version.as_str(), |(series, _)| series);
                compared() != Ordering::Less && starts_with(version, series)
            }
            _ => false,
        }
    }
}

/// The name as it is compared: capitals, `-`, `_` and `.` make no difference.
pub(super) fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if matches!(c, '-' | '_' | '.') { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !normal.ends_with('-') {
            normal.push(c);
        }
    }
    normal
}

/// Says whether this can be the name of a package.
pub(super) fn is_name(name: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    alphanumeric(name.chars().next())
        && alphanumeric(name.chars().last())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Reads `2.31.0` or `>=2.31,<3`; `None` when it is neither.
pub(super) fn conditions(text: &str) -> Option<Vec<Condition>> {
    const OPERATORS: [&str; 8] = ["===", "==", "!=", ">=", "<=", "~=", ">", "<"];
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        let operator = OPERATORS.into_iter().find(|operator| part.starts_with(operator));
        let version = operator.map_or(part, |operator| part[operator.len()..].trim());
        let is_version = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v')
            && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '!' | '*'));
        if !is_version {
            return None;
        }
        all.push(Condition { operator: operator.unwrap_or("=="), version: version.to_owned() });
    }
    Some(all)
}

/// Reads a file of requirements; what cannot be compared is told with its line.
pub(super) fn file(text: &str) -> Result<Vec<Requirement>, (usize, String)> {
    let mut all: Vec<Requirement> = Vec::new();
    let mut whole = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.find(" #").map_or(line, |at| &line[..at]).trim();
        if let Some(begun) = line.strip_suffix('\\') {
            whole.push_str(begun);
            continue;
        }
        let line = format!("{}{line}", std::mem::take(&mut whole));
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let failed = || Err((number + 1, line.to_owned()));
        // Where packages come from is pip's business; other files and directories are not compared.
        if line.starts_with('-') {
            let option = line.split(['=', ' ']).next().unwrap_or(line);
            let about_others = ["-r", "--requirement", "-e", "--editable", "-c", "--constraint"].contains(&option);
            if about_others && !option.starts_with("-c") && option != "--constraint" {
                return failed();
            }
            continue;
        }
        // Markers say on which machines; hashes say which file.
        if line.contains(';') {
            return failed();
        }
        let line = line.split(" --hash").next().unwrap_or(line).trim();
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let rest = rest.trim();
        let rest = if rest.starts_with('[') { rest.split_once(']').map_or(rest, |(_, rest)| rest.trim()) } else { rest };
        if !is_name(name) {
            return failed();
        }
        let conditions = match rest {
            "" => Vec::new(),
            rest if rest.starts_with('@') => Vec::new(),
            rest => match conditions(rest.trim_matches(['(', ')'])) {
                Some(conditions) => conditions,
                None => return failed(),
            },
        };
        all.push(Requirement { name: normal(name), conditions });
    }
    Ok(all)
}

/// Says whether a version begins with the release of another.
fn starts_with(version: &str, prefix: &str) -> bool {
    let (version, prefix) = (Version::of(version), Version::of(prefix));
    let padded = |at: usize| version.release.get(at).copied().unwrap_or(0);
    version.epoch == prefix.epoch && prefix.release.iter().enumerate().all(|(at, part)| padded(at) == *part)
}

fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Version::of(a), Version::of(b));
    let length = a.release.len().max(b.release.len());
    let part = |version: &Version, at: usize| version.release.get(at).copied().unwrap_or(0);
    let releases = (0..length).map(|at| part(&a, at).cmp(&part(&b, at))).find(|order| *order != Ordering::Equal);
    a.epoch
        .cmp(&b.epoch)
        .then(releases.unwrap_or(Ordering::Equal))
        .then_with(|| a.suffix.cmp(&b.suffix))
        .then_with(|| a.local.cmp(&b.local))
}

/// The parts of a version that decide its order.
struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// Before the release (dev, a, b, rc), the release, after it (post); each with its number.
    suffix: Vec<(u8, u64)>,
    local: String,
}

impl Version {
    fn of(text: &str) -> Self {
        let text = text.trim().trim_start_matches('v').to_ascii_lowercase();
        let (public, local) = text.split_once('+').unwrap_or((&text, ""));
        let (epoch, public) = match public.split_once('!') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, public),
        };
        let end = public.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(public.len());
        let release = public[..end].split('.').filter_map(|part| part.parse().ok()).collect();
        let mut suffix = Vec::new();
        let mut rest = public[end..].trim_start_matches(['.', '-', '_']);
        while !rest.is_empty() {
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(letters);
            let after = after.trim_start_matches(['.', '-', '_']);
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let rank = match word {
                "dev" => 0,
                "a" | "alpha" => 1,
                "b" | "beta" => 2,
                "c" | "rc" | "pre" | "preview" => 3,
                // `1.0-1` is a post-release as well.
                _ => 5,
            };
            suffix.push((rank, after[..digits].parse().unwrap_or(0)));
            let next = after[digits..].trim_start_matches(['.', '-', '_']);
            if next.len() == rest.len() {
                break;
            }
            rest = next;
        }
        // The release itself comes between its pre- and post-releases.
        suffix.push((4, 0));
        Self { epoch, release, suffix, local: local.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered() {
        let ordered = ["1.0.dev1", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.1", "1.10", "2!0.1"];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("1.0", "1.0.0"), Ordering::Equal);
        assert_eq!(compare("v1.0RC1", "1.0-rc.1"), Ordering::Equal);
    }

    #[test]
    fn conditions_hold_or_do_not() {
        for (condition, version, holds) in [
            ("2.31.0", "2.31", true),
            ("2.31.0", "2.31.1", false),
            (">=2.31,<3", "2.32.3", true),
            (">=2.31,<3", "3.0", false),
            ("~=2.2", "2.9", true),
            ("~=2.2.1", "2.3", false),
            ("==1.4.*", "1.4.7", true),
            ("!=1.4.*", "1.4.7", false),
            ("==1.0", "1.0+local", true),
            ("===1.0", "1.0.0", false),
        ] {
            let requirement = Requirement { name: "x".into(), conditions: conditions(condition).expect("conditions") };
            assert_eq!(requirement.allows(version), holds, "{condition} {version}");
        }
        for none in ["", "latest", ">=", ">= 1, oops", "1 2"] {
            assert_eq!(conditions(none), None, "{none}");
        }
    }

    #[test]
    fn a_file_is_read() {
        let text = "# what we need\nRequests[socks]==2.31.0  # pinned\n--index-url https://example.com/simple\nzope.interface >=5,<7\nflask==3.0 \\\n    --hash=sha256:abc\nlocal @ file:///srv/local.whl\n";
        let names: Vec<(String, usize)> =
            file(text).expect("all can be read").into_iter().map(|one| (one.name, one.conditions.len())).collect();
        let expected = [("requests", 1), ("zope-interface", 2), ("flask", 1), ("local", 0)];
        assert_eq!(names, expected.map(|(name, count)| (name.to_owned(), count)));
        assert_eq!(file("a\n-e ./b\n"), Err((2, "-e ./b".into())));
        assert_eq!(file("./wheel.whl"), Err((1, "./wheel.whl".into())));
    }
}
