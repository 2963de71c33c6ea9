//! The resource type `host`.

use std::net::IpAddr;
use std::sync::Arc;

use stead_catalog::{Footprint, Problem};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, EditedFile, Edits, Flaw, edits_a_file};
use crate::problems::Problems;
use crate::values::{AbsolutePath, Address, HostName, Many};
use crate::{Choice, Resource};

/// A host's names and addresses in `/etc/hosts`.
///
/// The name gets a line for each of its addresses. A line that maps it, or one of its aliases, to another address of the same kind
/// (IPv4 or IPv6) loses that name, for the first line that has a name is the one that counts; with `exclusive`, so do lines of the other
/// kind. All else stays as it is. Compares to Salt's `host.present`, Puppet's `host`, and a `lineinfile` in Ansible.
///
/// ```stead
/// host "db.internal" { ip = "10.20.30.40", aliases = ["db"] }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "host",
    since = "0.1",
    aliases(
        address = "ip",
        addresses = "ip",
        host_aliases = "aliases",
        names = "aliases",
        target = "path",
        ensure = "state",
        clean = "exclusive"
    )
)]
pub struct Host {
    /// The name; the first one of its line. Identifies the resource.
    #[key]
    pub name: HostName,
    /// Whether the name is there.
    #[default(State::Present)]
    pub state: State,
    /// Its address, or several: a line for each. With `state = absent` only these are taken away.
    pub ip: Many<Address>,
    /// Other names, behind it. Left as found when absent; `[]` for none. With `state = absent` they go as well.
    pub aliases: Option<Vec<HostName>>,
    /// A comment at the end of the line. Left as found when absent.
    pub comment: Option<Arc<str>>,
    /// The name has these addresses and no others, of either kind.
    #[default(false)]
    pub exclusive: bool,
    /// The file.
    #[default("/etc/hosts")]
    pub path: AbsolutePath,
}

/// Whether the name is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum State {
    /// The name has these addresses.
    Present,
    /// The name has none: it is in no line. A line that has no other name goes.
    Absent,
}

/// A line that maps an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    address: IpAddr,
    names: Vec<String>,
    comment: Option<String>,
}

impl Entry {
    /// Reads a line; `None` of one that maps nothing.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let (mapping, comment) = match line.split_once('#') {
            Some((mapping, comment)) => (mapping, Some(comment.trim().to_owned())),
            None => (line, None),
        };
        let mut words = mapping.split_ascii_whitespace();
        let Some(address) = words.next() else { return Ok(None) };
        // A link-local address may name its interface: `fe80::1%eth0`.
        let plain = address.split('%').next().unwrap_or(address);
        let Ok(parsed) = plain.parse() else { return Err(format!("`{address}` is no address")) };
        let names: Vec<String> = words.map(str::to_owned).collect();
        if names.is_empty() {
            return Err(format!("`{address}` has no name"));
        }
        Ok(if plain == address { Some(Self { address: parsed, names, comment }) } else { None })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl Host {
    fn footprint(&self) -> Footprint {
        self.file().footprint([format!("host:{} {}", self.path, self.name)])
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.file().check(problems.list());
        if self.comment.as_ref().is_some_and(|comment| comment.contains(['\n', '\r'])) {
            problems.invalid("comment", "a comment is one line", "take the line break away");
        }
        if self.aliases.iter().flatten().any(|alias| *alias == self.name) {
            problems.invalid("aliases", format!("`{}` is the name itself", self.name), "take it out of `aliases`");
        }
        match self.state {
            State::Present if self.ip.is_empty() => {
                problems.missing("ip", "the name has no address", "give `ip`, or set `state = absent`");
            }
            State::Present => {}
            State::Absent => problems.of_absent("a name", &[(self.comment.is_some(), "comment"), (self.exclusive, "exclusive")]),
        }
        problems.finish()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.name.0).chain(self.aliases.iter().flatten().map(|alias| &*alias.0))
    }

    /// What a line becomes; `None` when it goes.
    fn updated(&self, entry: &Entry, met: &mut [bool]) -> Option<Entry> {
        let mut new = entry.clone();
        let this = self.ip.iter().position(|ip| ip.0 == entry.address);
        if self.state == State::Absent {
            if self.ip.is_empty() || this.is_some() {
                new.names.retain(|name| !self.names().any(|own| own.eq_ignore_ascii_case(name)));
            }
            return (!new.names.is_empty()).then_some(new);
        }
        match this {
            Some(at) if entry.names[0].eq_ignore_ascii_case(&self.name.0) && !met[at] => {
                met[at] = true;
                if self.aliases.is_some() {
                    new.names = self.names().map(str::to_owned).collect();
                }
                if let Some(comment) = &self.comment {
                    new.comment = (!comment.is_empty()).then(|| comment.to_string());
                }
                Some(new)
            }
            _ => {
                // Only one of the same kind stands in the way of a name: `localhost` is 127.0.0.1 and ::1.
                let is_rival = this.is_some() || self.ip.iter().any(|ip| ip.0.is_ipv4() == entry.address.is_ipv4());
                new.names.retain(|name| {
                    let is_own = self.names().any(|own| own.eq_ignore_ascii_case(name));
                    !(is_own && (is_rival || (self.exclusive && name.eq_ignore_ascii_case(&self.name.0))))
                });
                (!new.names.is_empty()).then_some(new)
            }
        }
    }
}

/// A line anew, with the blanks that the old one had behind its address.
fn write(entry: &Entry, old: &str) -> String {
    let word = old.trim_start().split_ascii_whitespace().next().unwrap_or_default();
    let rest = old.trim_start().get(word.len()..).unwrap_or_default();
    let blanks: String = rest.chars().take_while(|c| c.is_ascii_whitespace()).collect();
    let blanks = if blanks.is_empty() { " ".to_owned() } else { blanks };
    let address = if word.is_empty() { entry.address.to_string() } else { word.to_owned() };
    let comment = entry.comment.as_ref().map(|comment| format!(" # {comment}")).unwrap_or_default();
    format!("{address}{blanks}{}{comment}", entry.names.join(" "))
}

impl Edits for Host {
    fn file(&self) -> EditedFile<'_> {
        EditedFile { create: true, ..EditedFile::new(&self.path, self.state == State::Present) }
    }

    fn edit(&self, text: &[u8]) -> Edited {
        let ending = lines::ending(text);
        let mut met = vec![false; self.ip.0.len()];
        let mut edited: Vec<Vec<u8>> = Vec::new();
        for (number, line) in split(text).into_iter().enumerate() {
            let content = String::from_utf8_lossy(body(line)).into_owned();
            let hint = "mend the line by hand: an address, then its names";
            let entry = Entry::parse(&content).map_err(|reason| Flaw::malformed(number + 1, reason, hint))?;
            let Some(entry) = entry.filter(|entry| self.names().any(|name| entry.has(name))) else {
                edited.push(line.to_vec());
                continue;
            };
            match self.updated(&entry, &mut met) {
                Some(new) if new == entry => edited.push(line.to_vec()),
                Some(new) => edited.push(lines::line(write(&new, &content).as_bytes(), &line[body(line).len()..])),
                None => {}
            }
        }
        if self.state == State::Present {
            for (ip, _) in self.ip.iter().zip(&met).filter(|(_, met)| !**met) {
                let comment = self.comment.as_ref().filter(|comment| !comment.is_empty()).map(ToString::to_string);
                let entry = Entry { address: ip.0, names: self.names().map(str::to_owned).collect(), comment };
                edited.push(lines::line(write(&entry, "").as_bytes(), ending));
            }
        }
        let edited = lines::join(edited.iter().map(Vec::as_slice), ending);
        Ok((edited != text).then_some(edited))
    }
}

edits_a_file!(Host, removal: ["ip", "path"]);
