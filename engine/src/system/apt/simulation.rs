//! What apt says it would do.

use std::collections::HashMap;
use std::sync::Arc;

use super::{is_install, same};
use crate::{ObserveError, Output, PackageChange, PackageState, PackageWish};

/// How a simulation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Simulated {
    /// What would change.
    Changes(Vec<PackageChange>),
    /// These wishes cannot be met, each for its own reason; without them it may work.
    Unmet(Vec<(Arc<str>, Arc<str>)>),
    /// The wishes cannot be met together.
    Failed(String),
}

/// Reads the outcome of `apt-get -s`.
///
/// # Errors
/// When apt failed for a reason that has nothing to do with the wishes.
pub(super) fn read(
    output: &Output,
    wishes: &[&PackageWish],
    state: impl Fn(&str) -> PackageState,
) -> Result<Simulated, ObserveError> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status != 0 {
        return failure(&stdout, &stderr, wishes);
    }
    let mut changes: Vec<PackageChange> = stdout.lines().filter_map(parse_step).collect();
    let stands_in = stand_ins(&stdout);
    let matched_otherwise = |wish: &&&PackageWish| {
        // apt takes a name it does not know for a regular expression.
        let chosen = stands_in.get(&*wish.name);
        is_install(&wish.state)
            && state(&wish.name).version.is_none()
            && !changes.iter().any(|change| same(&change.name, &wish.name) || chosen.is_some_and(|name| same(&change.name, name)))
    };
    let unmet: Vec<_> = wishes
        .iter()
        .filter(matched_otherwise)
        .map(|wish| (wish.name.clone(), Arc::from("there is no package of this name")))
        .collect();
    if !unmet.is_empty() {
        return Ok(Simulated::Unmet(unmet));
    }
    attribute(&mut changes, wishes, &stderr, &stands_in);
    Ok(Simulated::Changes(changes))
}

/// The packages that a simulation would install; none where it failed.
pub(super) fn brought(output: &Output) -> Vec<Arc<str>> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let steps = stdout.lines().filter(|_| output.status == 0).filter_map(parse_step);
    steps.filter(|change| change.to.is_some()).map(|change| change.name).collect()
}

/// `Inst name [old] (new origin [arch])`, `Remv name [old]`, `Purg name [old]`.
fn parse_step(line: &str) -> Option<PackageChange> {
    let (word, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let from = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(version, _)| Arc::from(version));
    let to = || {
        let (_, rest) = rest.split_once('(')?;
        rest.split([' ', ')']).next().filter(|version| !version.is_empty()).map(Arc::from)
    };
    let change = |to, purge| PackageChange { name: name.into(), from: from.clone(), to, purge, wish: None };
    match word {
        "Inst" => Some(change(Some(to()?), false)),
        "Remv" => Some(change(None, false)),
        "Purg" => Some(change(None, true)),
        _ => None,
    }
}

/// `Note, selecting 'exim4' instead of 'mail-transport-agent'`: what stands in for a virtual package.
fn stand_ins(stdout: &str) -> HashMap<String, String> {
    let parse = |line: &str| {
        let (chosen, wished) = line.strip_prefix("Note, selecting '")?.split_once("' instead of '")?;
        Some((wished.trim_end_matches('\'').to_owned(), chosen.to_owned()))
    };
    stdout.lines().filter_map(parse).collect()
}

/// Finds the wish that each change follows from: by apt's own account of what it installs for what.
fn attribute(changes: &mut [PackageChange], wishes: &[&PackageWish], stderr: &str, stands_in: &HashMap<String, String>) {
    let parse = |line: &str| {
        let (package, rest) = line.trim_start().strip_prefix("Installing ")?.split_once(" as ")?;
        let (_, parent) = rest.split_once(" of ")?;
        Some((bare(package).to_owned(), bare(parent).to_owned()))
    };
    let mut parents: HashMap<String, String> = HashMap::new();
    for (package, parent) in stderr.lines().filter_map(parse) {
        parents.entry(package).or_insert(parent);
    }
    let wished = |name: &str| {
        let is = |wish: &&&PackageWish| {
            bare(&wish.name) == name || stands_in.get(&*wish.name).is_some_and(|chosen| bare(chosen) == name)
        };
        wishes.iter().find(is).map(|wish| wish.name.clone())
    };
    let only = (wishes.len() == 1).then(|| wishes[0].name.clone());
    for change in changes {
        let mut name = bare(&change.name).to_owned();
        // A chain of needs is shorter than the list of packages; a circle of them ends here as well.
        for _ in 0..=parents.len() {
            change.wish = wished(&name);
            match parents.get(&name) {
                Some(parent) if change.wish.is_none() => name.clone_from(parent),
                _ => break,
            }
        }
        change.wish = change.wish.take().or_else(|| only.clone());
    }
}

/// Reads a failed simulation.
fn failure(stdout: &str, stderr: &str, wishes: &[&PackageWish]) -> Result<Simulated, ObserveError> {
    let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
    let mut unmet: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    for error in &errors {
        let located = error.strip_prefix("Unable to locate package ");
        let quoted = || error.split('\'').nth(1);
        let name = located.or_else(|| error.contains("has no installation candidate").then(quoted).flatten());
        let name = name.or_else(|| {
            let mut quoted = error.split('\'').skip(1).step_by(2);
            let (_, name) = (quoted.next()?, quoted.next()?);
            (error.starts_with("Version '") || error.starts_with("Release '")).then_some(name)
        });
        let wish = name.and_then(|name| wishes.iter().find(|wish| same(&wish.name, name)));
        if let Some(wish) = wish {
            let reason: Arc<str> = if error.contains("has no installation candidate") {
                virtual_package(stdout, &wish.name).into()
            } else {
                (*error).into()
            };
            unmet.push((wish.name.clone(), reason));
        }
    }
    if !unmet.is_empty() {
        return Ok(Simulated::Unmet(unmet));
    }
    let told: String = match stdout.split_once("The following packages have unmet dependencies:\n") {
        Some((_, rest)) => {
            let lines: Vec<&str> = rest.lines().take_while(|line| line.starts_with(' ')).take(4).map(str::trim).collect();
            lines.join("; ")
        }
        None => String::new(),
    };
    let first = errors.first().copied().unwrap_or("apt-get failed and said nothing");
    let of_the_wishes = [
        "held broken packages",
        "Unable to correct problems",
        "Essential packages",
        "Held packages",
        "unmet dependencies",
        "pkgProblemResolver",
        "Packages were downgraded",
    ];
    if of_the_wishes.iter().any(|known| errors.iter().any(|error| error.contains(known))) {
        return Ok(Simulated::Failed(if told.is_empty() { first.to_owned() } else { told }));
    }
    Err(ObserveError::Unavailable { service: "apt", message: first.to_owned() })
}

/// Why a package that others speak of cannot be installed.
fn virtual_package(stdout: &str, name: &str) -> String {
    let Some((_, rest)) = stdout.split_once("is a virtual package provided by:\n") else {
        return format!("`{name}` is not on offer, though other packages name it (Unable to locate package)");
    };
    let providers: Vec<&str> =
        rest.lines().take_while(|line| line.starts_with(' ')).filter_map(|line| line.split_whitespace().next()).take(8).collect();
    format!("it is a virtual package; name one that provides it: {}", providers.join(", "))
}

/// Versions on offer, by package, from `apt-cache madison`.
pub(super) fn offers(stdout: &str) -> Vec<(Arc<str>, Arc<str>)> {
    let parse = |line: &str| {
        let mut fields = line.split('|').map(str::trim);
        let (name, version, source) = (fields.next()?, fields.next()?, fields.next()?);
        (!version.is_empty() && !source.ends_with("Sources")).then(|| (Arc::from(name), Arc::from(version)))
    };
    stdout.lines().filter_map(parse).collect()
}

fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WishedState;

    fn wish(name: &str, state: WishedState) -> PackageWish {
        PackageWish { name: name.into(), state, release: None, recommends: None, max_index_age: None }
    }

    fn simulate(status: i32, stdout: &str, stderr: &str, wishes: &[PackageWish]) -> Simulated {
        let output = Output { status, stdout: stdout.into(), stderr: stderr.into() };
        let wishes: Vec<&PackageWish> = wishes.iter().collect();
        read(&output, &wishes, |_| PackageState::default()).expect("it speaks of the wishes")
    }

    #[test]
    fn steps_are_read_with_their_wish() {
        let stderr = "  Installing demo-lib:amd64 as Depends of demo-web:amd64
    Installing demo-base:amd64 as Recommends of demo-lib:amd64
";
        let stdout = "\
\rReading package lists... 0%\r\rReading package lists... Done
NOTE: This is only a simulation!
Inst demo-base (1.0-1 Debian:12/stable [amd64])
Inst demo-lib [0.9] (1.0 demo:stable [all]) []
Inst demo-web (2.1 demo:stable, demo:other [all])
Inst tmux (3.3a-3 Debian:12/stable [amd64])
Purg demo-old [0.9]
Conf demo-lib (1.0 demo:stable [all])
";
        let wishes =
            [wish("tmux", WishedState::Installed), wish("demo-web", WishedState::Latest), wish("demo-old", WishedState::Purged)];
        let Simulated::Changes(changes) = simulate(0, stdout, stderr, &wishes) else { panic!("it failed") };
        let shown: Vec<String> = changes
            .iter()
            .map(|c| {
                let (from, to) = (c.from.as_deref().unwrap_or("-"), c.to.as_deref().unwrap_or("-"));
                format!("{} {from} {to} {} {}", c.name, c.purge, c.wish.as_deref().unwrap_or("?"))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "demo-base - 1.0-1 false demo-web",
                "demo-lib 0.9 1.0 false demo-web",
                "demo-web - 2.1 false demo-web",
                "tmux - 3.3a-3 false tmux",
                "demo-old 0.9 - true demo-old",
            ]
        );
    }

    #[test]
    fn a_virtual_package_has_a_stand_in() {
        let stdout = "Note, selecting 'dma' instead of 'mail-transport-agent'\nInst dma (0.13 x [amd64])\n";
        let Simulated::Changes(changes) = simulate(0, stdout, "", &[wish("mail-transport-agent", WishedState::Installed)]) else {
            panic!("it failed")
        };
        assert_eq!(changes[0].wish.as_deref(), Some("mail-transport-agent"));
    }

    #[test]
    fn a_name_is_no_regular_expression() {
        let stdout = "Note, selecting 'python3.11' for regex 'python3.1'\nInst python3.11 (3.11 x [amd64])\n";
        let unmet = Simulated::Unmet(vec![("python3.1".into(), "there is no package of this name".into())]);
        assert_eq!(simulate(0, stdout, "", &[wish("python3.1", WishedState::Installed)]), unmet);
    }

    #[test]
    fn every_unknown_package_is_told() {
        let stderr = "E: Unable to locate package nope\nE: Version '9' for 'nginx' was not found\nE: Package 'mta' has no installation candidate\nE: Release 'testing' for 'tmux' was not found\n";
        let stdout = "Package mta is a virtual package provided by:\n  ssmtp 2.64-11\n  dma 0.13\nYou should\n";
        let wishes = [
            wish("nope", WishedState::Installed),
            wish("nginx", WishedState::Version("9".into())),
            wish("mta", WishedState::Installed),
            wish("tmux", WishedState::Latest),
            wish("good", WishedState::Installed),
        ];
        let Simulated::Unmet(unmet) = simulate(100, stdout, stderr, &wishes) else { panic!("it is about the wishes") };
        let names: Vec<&str> = unmet.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["nope", "nginx", "mta", "tmux"]);
        assert_eq!(&*unmet[2].1, "it is a virtual package; name one that provides it: ssmtp, dma");
    }

    #[test]
    fn a_conflict_is_told_in_apts_words() {
        let stdout = "The following packages have unmet dependencies:\n a : Depends: b (>= 2) but 1 is to be installed\n";
        let stderr = "E: Unable to correct problems, you have held broken packages.\n";
        let failed = simulate(100, stdout, stderr, &[wish("a", WishedState::Installed)]);
        assert_eq!(failed, Simulated::Failed("a : Depends: b (>= 2) but 1 is to be installed".into()));
    }

    #[test]
    fn offers_are_read() {
        let stdout =
            " nginx | 1.22.1-9 | http://x bookworm/main amd64 Packages\n nginx | 1.22.1-9 | http://x bookworm/main Sources\n";
        assert_eq!(offers(stdout), [("nginx".into(), Arc::from("1.22.1-9"))]);
    }
}
