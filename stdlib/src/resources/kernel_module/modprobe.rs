//! A module's lines in a file of modprobe.d(5).

use crate::edit::lines::{self, body, split};

/// What a file says of a module; `None`: left as found.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    /// The module, as the kernel has it.
    pub(super) module: String,
    /// All its options as one text; empty: none.
    pub(super) options: Option<String>,
    /// The system does not load it by itself.
    pub(super) blacklisted: Option<bool>,
    /// Nobody can load it.
    pub(super) forbidden: Option<bool>,
}

impl Entries {
    /// Says whether any line is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.lines().iter().any(|(_, line)| line.is_some())
    }

    /// By directive: the line that is wanted, or none.
    fn lines(&self) -> Vec<(&'static str, Option<String>)> {
        let module = &self.module;
        let when = |wanted: bool, line: String| wanted.then_some(line);
        let mut lines = Vec::new();
        if let Some(options) = &self.options {
            lines.push(("options", when(!options.is_empty(), format!("options {module} {options}"))));
        }
        if let Some(wanted) = self.blacklisted {
            lines.push(("blacklist", when(wanted, format!("blacklist {module}"))));
        }
        if let Some(wanted) = self.forbidden {
            lines.push(("install", when(wanted, format!("install {module} /bin/false"))));
        }
        lines
    }

    /// The content with these lines; what it says of other modules stays.
    pub(super) fn set(&self, content: &[u8]) -> Option<Vec<u8>> {
        let ending = lines::ending(content);
        let mut edited: Vec<Vec<u8>> = split(content).into_iter().map(<[u8]>::to_vec).collect();
        for (directive, wanted) in self.lines() {
            let is_it = |line: &Vec<u8>| {
                let text = String::from_utf8_lossy(body(line));
                let mut words = text.split_ascii_whitespace();
                words.next() == Some(directive) && words.next().is_some_and(|name| name.replace('-', "_") == self.module)
            };
            let as_one = |line: &Vec<u8>| {
                let text = String::from_utf8_lossy(body(line)).replacen('-', "_", usize::from(directive != "options"));
                text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
            };
            let places: Vec<usize> = (0..edited.len()).filter(|at| is_it(&edited[*at])).collect();
            let Some(wanted) = wanted else {
                places.iter().rev().for_each(|at| drop(edited.remove(*at)));
                continue;
            };
            if let [only] = places[..]
                && as_one(&edited[only]) == wanted
            {
                continue;
            }
            let line = lines::line(wanted.as_bytes(), ending);
            match places.split_first() {
                None => edited.push(line),
                Some((first, others)) => {
                    edited[*first] = line;
                    others.iter().rev().for_each(|at| drop(edited.remove(*at)));
                }
            }
        }
        let edited = lines::join(edited.iter().map(Vec::as_slice), ending);
        (edited != content).then_some(edited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_stay() {
        let entries = |options: Option<&str>, blacklisted| Entries {
            module: "snd_hda".into(),
            options: options.map(str::to_owned),
            blacklisted,
            forbidden: None,
        };
        let set = |entries: Entries, content: &str| {
            entries.set(content.as_bytes()).map(|bytes| String::from_utf8(bytes).expect("text"))
        };
        let text = "# x\noptions snd-hda a=1\noptions other b=2\noptions snd_hda c=3\n";
        assert_eq!(
            set(entries(Some("a=2"), Some(true)), text).as_deref(),
            Some("# x\noptions snd_hda a=2\noptions other b=2\nblacklist snd_hda\n")
        );
        assert_eq!(set(entries(Some(""), None), text).as_deref(), Some("# x\noptions other b=2\n"));
        assert_eq!(set(entries(None, Some(true)), "blacklist snd_hda\n"), None);
        assert_eq!(set(entries(None, None), text), None);
    }
}
