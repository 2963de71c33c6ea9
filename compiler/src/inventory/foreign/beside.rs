//! Variables in files beside an inventory of Ansible's: `group_vars` and `host_vars`.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_grammar::ast::Span;

use super::{Declared, InventoryFormat, InventoryText, Reader, Settings};
use crate::data::{Format, Node};
use crate::diagnostic::Diagnostic;
use crate::position::offset_u32;

/// The directories beside an inventory that hold variables: of its groups, and of its hosts.
pub const VARIABLE_FOLDERS: [&str; 2] = ["group_vars", "host_vars"];

/// What a file that Ansible's vault encrypted starts with.
const VAULT: &str = "$ANSIBLE_VAULT;";

/// What ends the name of a file of variables, in the order in which Ansible looks for it: where there are several, the first counts.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// Whom variables belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A group; `all` is everybody.
    Group(Arc<str>),
    /// A host.
    Host(Arc<str>),
}

/// Chooses, of the files below the directory of an inventory, those that hold variables, as Ansible does: `group_vars/NAME`,
/// `host_vars/NAME`, with an ending or without, or all that lie in a directory of that name. Paths are relative to the directory. What is said
/// later in the list counts before what was said earlier.
pub fn variable_files<'p>(paths: impl IntoIterator<Item = &'p str>) -> Vec<(Owner, &'p str)> {
    let mut chosen: BTreeMap<Owner, (usize, Vec<&str>)> = BTreeMap::new();
    for path in paths {
        let mut parts = path.split('/');
        let (folder, entry) = (parts.next(), parts.next());
        let inside: Vec<&str> = parts.collect();
        let Some(entry) = entry.filter(|entry| !entry.is_empty()) else { continue };
        let (name, ending) = if inside.is_empty() { split(entry) } else { (entry, "") };
        let owner = match folder {
            Some("group_vars") => Owner::Group(name.into()),
            Some("host_vars") => Owner::Host(name.into()),
            _ => continue,
        };
        let Some(rank) = ENDINGS.iter().position(|known| *known == ending).filter(|_| inside.is_empty() || is_read(&inside))
        else {
            continue;
        };
        let (best, files) = chosen.entry(owner).or_insert((rank, Vec::new()));
        if rank < *best {
            (*best, *files) = (rank, Vec::new());
        }
        if rank == *best {
            files.push(path);
        }
    }
    for (_, files) in chosen.values_mut() {
        // As directories are listed: name by name.
        files.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    }
    chosen.into_iter().flat_map(|(owner, (_, files))| files.into_iter().map(move |file| (owner.clone(), file))).collect()
}

/// The name of a group or a host that a file has, and the ending behind it. What has no ending of data is all name: `web-1.example.org`.
fn split(entry: &str) -> (&str, &str) {
    let known = ENDINGS.iter().skip(1).find_map(|ending| Some((entry.strip_suffix(ending)?, *ending)));
    known.filter(|(name, _)| !name.is_empty()).unwrap_or((entry, ""))
}

/// Says whether a path in the directory of a group or a host is read: nothing hidden, no copy of an editor, no other ending.
fn is_read(inside: &[&str]) -> bool {
    let is_plain = |part: &str| !part.starts_with('.') && !part.ends_with('~');
    let Some((file, folders)) = inside.split_last() else { return false };
    let ending = file.rfind('.').map_or("", |at| &file[at..]);
    is_plain(file) && ENDINGS.contains(&ending) && folders.iter().all(|part| is_plain(part) && !part.contains('.'))
}

/// Reads files of variables. What nothing is made of is told once for all of them.
pub(super) fn read(texts: &[&InventoryText], found: &mut Vec<Diagnostic>) -> Option<Declared> {
    let mut reader = Reader::new("".into(), found);
    for text in texts {
        let Some(of) = &text.variables_of else { continue };
        reader.file = text.name.clone();
        if text.text.starts_with(VAULT) {
            let end = text.text.find('\n').unwrap_or(text.text.len());
            reader.encrypted_file(Span::new(0, offset_u32(end)));
            continue;
        }
        let folder = text.name.rfind("group_vars/").max(text.name.rfind("host_vars/")).unwrap_or(0);
        let directory: Arc<str> = text.name[..folder].into();
        let before = reader.declared.settings.len();
        let format = if text.format == InventoryFormat::AnsibleJson { Format::Json } else { Format::Yaml };
        reader.with_node(&text.text, format, Reader::settings);
        for settings in &mut reader.declared.settings[before..] {
            (settings.of, settings.directory) = (of.clone(), directory.clone());
        }
    }
    reader.tell_encrypted();
    reader.tell_unread();
    (!reader.declared.settings.is_empty()).then_some(reader.declared)
}

impl Reader<'_> {
    fn settings(&mut self, node: &Node) {
        let (reach, tags) = self.variables_of(node);
        self.declared.settings.push(Settings { of: Owner::Group("".into()), directory: "".into(), reach, tags });
    }
}
