//! The record of a group of alternatives, as dpkg keeps it (update-alternatives(1)); that of Fedora's alternatives has the same form.

use super::choice::Link;

/// A group: where its links are, and its programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// The name leads to the program of the highest priority.
    pub(super) auto: bool,
    /// The path that leads to the chosen program.
    pub(super) link: String,
    /// Names and paths of the links that go along.
    pub(super) slaves: Vec<(String, String)>,
    pub(super) programs: Vec<Program>,
}

/// One program of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) priority: i64,
    /// For each slave of the group: where it leads; empty: it is not there.
    pub(super) slaves: Vec<String>,
}

impl Group {
    /// Reads a record; the line in which it is not as it should be otherwise.
    pub(super) fn read(text: &str) -> Result<Self, usize> {
        let lines: Vec<&str> = text.lines().collect();
        let line = |at: usize| lines.get(at).copied().ok_or(lines.len().max(1));
        let auto = match line(0)? {
            "auto" => true,
            "manual" => false,
            _ => return Err(1),
        };
        let link = line(1)?.to_owned();
        if !link.starts_with('/') {
            return Err(2);
        }
        let mut at = 2;
        let mut slaves = Vec::new();
        while !line(at)?.is_empty() {
            let path = line(at + 1)?;
            if !path.starts_with('/') {
                return Err(at + 2);
            }
            slaves.push((line(at)?.to_owned(), path.to_owned()));
            at += 2;
        }
        at += 1;
        let mut programs = Vec::new();
        while !line(at)?.is_empty() {
            let path = line(at)?.to_owned();
            if !path.starts_with('/') {
                return Err(at + 1);
            }
            // Fedora writes a family after the priority.
            let number = line(at + 1)?.split_ascii_whitespace().next().and_then(|number| number.parse().ok());
            let priority = number.ok_or(at + 2)?;
            let own: Result<Vec<String>, usize> =
                (0..slaves.len()).map(|slave| line(at + 2 + slave).map(str::to_owned)).collect();
            programs.push(Program { path, priority, slaves: own? });
            at += 2 + slaves.len();
        }
        Ok(Self { auto, link, slaves, programs })
    }

    /// Writes the record.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![if self.auto { "auto" } else { "manual" }.to_owned(), self.link.clone()];
        lines.extend(self.slaves.iter().flat_map(|(name, link)| [name.clone(), link.clone()]));
        lines.push(String::new());
        for program in &self.programs {
            lines.push(program.path.clone());
            lines.push(program.priority.to_string());
            lines.extend(program.slaves.iter().cloned());
        }
        lines.push(String::new());
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The program of a path.
    pub(super) fn program(&self, path: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.path == path)
    }

    /// The program of the highest priority.
    pub(super) fn best(&self) -> Option<&Program> {
        let highest = self.programs.iter().map(|program| program.priority).max()?;
        self.programs.iter().find(|program| program.priority == highest)
    }

    /// Says whether a program is entered so.
    pub(super) fn has(&self, path: &str, link: &str, priority: i64, slaves: &[Link]) -> bool {
        let Some(program) = self.program(path) else { return false };
        let leads = |slave: &Link| {
            let at = self.slaves.iter().position(|(name, link)| *name == slave.name && *link == slave.link);
            at.is_some_and(|at| program.slaves.get(at) == Some(&slave.path))
        };
        let given = program.slaves.iter().filter(|slave| !slave.is_empty()).count();
        self.link == link && program.priority == priority && slaves.iter().all(leads) && given == slaves.len()
    }

    /// Enters a program, or changes how it is entered.
    pub(super) fn enter(&mut self, path: &str, link: &str, priority: i64, slaves: &[Link]) {
        link.clone_into(&mut self.link);
        for slave in slaves {
            match self.slaves.iter_mut().find(|(name, _)| *name == slave.name) {
                Some((_, link)) => slave.link.clone_into(link),
                None => self.slaves.push((slave.name.clone(), slave.link.clone())),
            }
        }
        let count = self.slaves.len();
        for program in &mut self.programs {
            program.slaves.resize(count, String::new());
        }
        let leads =
            |name: &str| slaves.iter().find(|slave| slave.name == name).map_or_else(String::new, |slave| slave.path.clone());
        let own = self.slaves.iter().map(|(name, _)| leads(name)).collect();
        let entered = Program { path: path.to_owned(), priority, slaves: own };
        match self.programs.iter_mut().find(|program| program.path == path) {
            Some(program) => *program = entered,
            None => self.programs.push(entered),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWK: &str = "auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\nnawk\n/usr/bin/nawk\n\n/usr/bin/mawk\n5\n/usr/share/man/man1/mawk.1.gz\n/usr/bin/mawk\n\n";

    #[test]
    fn a_record_is_read_and_written() {
        let group = Group::read(AWK).unwrap();
        assert_eq!(group.text(), AWK);
        assert_eq!(group.best().map(|program| &*program.path), Some("/usr/bin/mawk"));
        let mut more = group.clone();
        more.enter("/usr/bin/gawk", "/usr/bin/awk", 10, &[]);
        assert_eq!(more.best().map(|program| &*program.path), Some("/usr/bin/gawk"));
        assert!(more.has("/usr/bin/gawk", "/usr/bin/awk", 10, &[]));
        assert_eq!(Group::read(&more.text()), Ok(more));
    }

    #[test]
    fn what_is_malformed_is_found_by_its_line() {
        assert_eq!(Group::read("sometimes\n"), Err(1));
        assert_eq!(Group::read("auto\nusr/bin/x\n"), Err(2));
        assert_eq!(Group::read("auto\n/usr/bin/x\n\n/usr/bin/y\nmany\n\n"), Err(5));
        for end in 0..AWK.len() - 1 {
            assert!(Group::read(&AWK[..end]).is_err(), "cut at {end}");
        }
    }
}
