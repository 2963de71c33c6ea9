//! One word of a target.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use stead_catalog::{Inventory, Map, Pattern, RecordType, Target, Type, Value};
use stead_grammar::ast::Span;

use super::{TargetError, did_you_mean};

/// One word of a target.
#[derive(Clone, Debug)]
pub struct Term {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A glob over names; `*` is every machine.
    Glob(Arc<str>, GlobMatcher),
    Names(Vec<Arc<str>>),
    Regex(Pattern),
    Tag(Arc<str>),
    Group(Arc<str>),
    /// The path of a fact, and what its value looks like.
    Fact(Vec<Arc<str>>, Test),
    Network(IpAddr, u8),
}

#[derive(Clone, Debug)]
enum Test {
    Glob(Arc<str>, GlobMatcher),
    Regex(Pattern),
}

/// What Salt calls facts that have another name here.
const GRAINS: [(&str, &str); 18] = [
    ("os_family", "os.family"),
    ("osrelease", "os.version"),
    ("osmajorrelease", "os.version"),
    ("osfullname", "os.name"),
    ("oscodename", "os.codename"),
    ("lsb_distrib_codename", "os.codename"),
    ("kernelrelease", "kernel.release"),
    ("cpuarch", "arch"),
    ("osarch", "arch"),
    ("num_cpus", "cpu.count"),
    ("cpu_model", "cpu.model"),
    ("mem_total", "memory.total"),
    ("host", "hostname"),
    ("nodename", "hostname"),
    ("localhost", "hostname"),
    ("virtual", "virtualization"),
    ("ipv4", "network.ipv4"),
    ("ipv6", "network.ipv6"),
];

impl Term {
    /// Reads a word.
    pub(super) fn parse(word: &str, span: Span) -> Result<Self, TargetError> {
        let invalid = |message: String| TargetError::new("invalid-target", span, message);
        if let Some(rest) = word.strip_prefix('/') {
            let Some(source) = rest.strip_suffix('/') else {
                return Err(invalid("this regular expression is not closed by `/`".into()));
            };
            return Ok(Self { kind: Kind::Regex(regex(&source.replace("\\/", "/"), span)?) });
        }
        if let Some((kind, rest)) = word.split_once('@')
            && kind.len() == 1
            && kind.bytes().all(|b| b.is_ascii_uppercase())
        {
            return Self::of_salt(kind, rest, span);
        }
        let kind = match word.split_once(':') {
            Some((_, "")) => return Err(invalid(format!("`{}` is followed by nothing", word.escape_debug()))),
            Some(("tag", tag)) => Kind::Tag(tag.into()),
            Some(("group", group)) => Kind::Group(group.into()),
            Some(("net" | "subnet", network)) => network_of(network, span)?,
            Some(("host" | "name", names)) => names_of(names, span)?,
            // Globs and IPv6 addresses have colons as well, but are no path before one.
            Some((path, value)) if is_path(path) => fact(path, '.', value, span)?,
            _ => names_of(word, span)?,
        };
        Ok(Self { kind })
    }

    /// `G@os:Debian`, as Salt writes it.
    fn of_salt(kind: &str, rest: &str, span: Span) -> Result<Self, TargetError> {
        let invalid = |message: String| TargetError::new("invalid-target", span, message);
        if rest.is_empty() {
            return Err(invalid(format!("`{kind}@` is followed by nothing")));
        }
        let kind = match kind {
            "G" | "P" => {
                let Some((path, value)) = rest.rsplit_once(':').filter(|(path, value)| !path.is_empty() && !value.is_empty())
                else {
                    return Err(invalid(format!("expected a fact and its value: `{kind}@os:debian`")));
                };
                if kind == "G" {
                    fact(path, ':', value, span)?
                } else {
                    // A grain's pattern is looked for from the start, as Salt does.
                    Kind::Fact(path_of(path, ':'), Test::Regex(regex(&format!("(?i)(?:{value}).*"), span)?))
                }
            }
            "E" => Kind::Regex(regex(&format!("(?:{rest}).*"), span)?),
            "L" => list(rest, span)?,
            "N" => Kind::Group(rest.into()),
            "S" => network_of(rest, span)?,
            "I" | "J" => {
                let error = invalid("data does not choose machines: the same data may be meant for any".into());
                return Err(error.hint("give the machines a tag or a group: `tag:canary`, `group:web`"));
            }
            "R" => return Err(invalid("ranges of a range server are not known".into()).hint("write a list or a group")),
            other => {
                let error = invalid(format!("there is no kind of target `{other}@`"));
                return Err(error.hint("the kinds are G@ fact, P@ fact by pattern, E@ pattern, L@ list, S@ network, N@ group"));
            }
        };
        Ok(Self { kind })
    }

    pub(super) fn needs_facts(&self) -> bool {
        match &self.kind {
            Kind::Fact(..) => true,
            // An address that the inventory gives may decide, a host name does not.
            Kind::Network(..) => true,
            _ => false,
        }
    }

    pub(super) fn matches(&self, target: &Target, facts: Option<&Map>) -> Option<bool> {
        match &self.kind {
            Kind::Glob(_, glob) => Some(glob.is_match(&*target.name)),
            Kind::Names(names) => Some(names.contains(&target.name)),
            Kind::Regex(pattern) => Some(pattern.is_match(&target.name)),
            Kind::Tag(tag) => Some(target.tags.contains(tag)),
            Kind::Group(group) => Some(target.groups.contains(group)),
            // A fact that is not told at all is not known; a path that leads nowhere in one that is told is a no.
            Kind::Fact(path, test) => {
                let facts = facts.filter(|facts| path.first().is_some_and(|first| facts.contains_key(first)))?;
                Some(lookup(facts, path).is_some_and(|value| test.fits(value)))
            }
            Kind::Network(network, prefix) => {
                let declared: Option<IpAddr> = target.address().parse().ok();
                if declared.is_some_and(|ip| is_in(ip, *network, *prefix)) {
                    return Some(true);
                }
                let told = facts?.get("network")?;
                let all = ["ipv4", "ipv6"].into_iter().filter_map(|kind| match told {
                    Value::Map(map) => map.get(kind),
                    _ => None,
                });
                Some(all.flat_map(addresses).any(|ip| is_in(ip, *network, *prefix)))
            }
        }
    }

    /// Says that the word names nothing there is.
    pub(super) fn check(&self, span: Span, inventory: &Inventory, facts: &Type) -> Result<(), TargetError> {
        let unknown = |message: String| TargetError::new("unknown-target", span, message);
        match &self.kind {
            Kind::Names(names) => {
                let Some(missing) = names.iter().find(|name| inventory.target(name).is_none()) else { return Ok(()) };
                let error = unknown(format!("the inventory has no machine `{}`", missing.escape_debug()));
                let known = inventory.targets().iter().map(|target| &*target.name);
                // A network, a tag or a group may be meant.
                if missing.contains('/') && network_of(missing, span).is_ok() {
                    return Err(error.hint(format!("a network is written `net:{missing}`")));
                }
                if inventory.group(missing).is_some() {
                    return Err(error.hint(format!("a group is written `group:{missing}`")));
                }
                if inventory.targets().iter().any(|target| target.tags.contains(missing)) {
                    return Err(error.hint(format!("a tag is written `tag:{missing}`")));
                }
                Err(did_you_mean(error, missing, known, "machines"))
            }
            Kind::Tag(tag) => {
                let known = || inventory.targets().iter().flat_map(|target| target.tags.iter().map(|tag| &**tag));
                if known().any(|other| *other == **tag) {
                    return Ok(());
                }
                Err(did_you_mean(unknown(format!("no machine has the tag `{}`", tag.escape_debug())), tag, known(), "tags"))
            }
            Kind::Group(group) => {
                if inventory.group(group).is_some() {
                    return Ok(());
                }
                let known = inventory.groups().iter().map(|group| &*group.name);
                Err(did_you_mean(unknown(format!("there is no group `{}`", group.escape_debug())), group, known, "groups"))
            }
            Kind::Fact(path, _) => check_path(path, facts).map_err(|(step, record)| {
                let error = unknown(format!("there is no fact `{}`", path.join(".").escape_debug()));
                let known: Vec<&str> = record.fields.iter().map(|field| &*field.name).collect();
                match did_you_mean(error, step, known, "facts there") {
                    error if matches!(&*path[0], "tags" | "groups" | "tag" | "group") => {
                        error.hint("a tag is written `tag:canary`, a group `group:web`")
                    }
                    error => error,
                }
            }),
            Kind::Glob(..) | Kind::Regex(_) | Kind::Network(..) => Ok(()),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Glob(glob, _) => f.write_str(glob),
            Kind::Names(names) => f.write_str(&names.join(",")),
            Kind::Regex(pattern) => write!(f, "/{}/", pattern.source.replace('/', "\\/")),
            Kind::Tag(tag) => write!(f, "tag:{tag}"),
            Kind::Group(group) => write!(f, "group:{group}"),
            Kind::Fact(path, Test::Glob(glob, _)) => write!(f, "{}:{glob}", path.join(".")),
            Kind::Fact(path, Test::Regex(pattern)) => write!(f, "{}:/{}/", path.join("."), pattern.source.replace('/', "\\/")),
            Kind::Network(network, prefix) => write!(f, "net:{network}/{prefix}"),
        }
    }
}

impl Test {
    /// Says whether a value, or one of a list, looks so. Upper and lower case are the same: Salt writes `Debian`.
    fn fits(&self, value: &Value) -> bool {
        match value {
            Value::List(items) => items.iter().any(|item| self.fits(item)),
            // Of a record, what names it: `os:debian` asks for its id and its family.
            Value::Map(map) => {
                ["id", "family", "name", "version", "codename"].iter().filter_map(|key| map.get(*key)).any(|one| self.fits(one))
            }
            Value::None => false,
            Value::String(text) | Value::Member(text) => self.fits_text(text),
            Value::Secret(_) => false,
            other => self.fits_text(&other.to_string()),
        }
    }

    fn fits_text(&self, text: &str) -> bool {
        match self {
            Self::Glob(_, glob) => glob.is_match(text),
            Self::Regex(pattern) => pattern.is_match(text),
        }
    }
}

fn is_path(text: &str) -> bool {
    let is_word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    !text.is_empty() && text.split('.').all(is_word)
}

fn path_of(path: &str, separator: char) -> Vec<Arc<str>> {
    let known = GRAINS.iter().find(|(theirs, _)| *theirs == path).map(|(_, ours)| *ours);
    match known {
        Some(ours) => ours.split('.').map(Arc::from).collect(),
        None => path.split([separator, '.']).map(Arc::from).collect(),
    }
}

fn fact(path: &str, separator: char, value: &str, span: Span) -> Result<Kind, TargetError> {
    let test = match value.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(source) => Test::Regex(regex(&source.replace("\\/", "/"), span)?),
        None => Test::Glob(value.into(), glob(value, true, span)?),
    };
    Ok(Kind::Fact(path_of(path, separator), test))
}

fn glob(text: &str, ignores_case: bool, span: Span) -> Result<GlobMatcher, TargetError> {
    match GlobBuilder::new(text).case_insensitive(ignores_case).build() {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => {
            let message = format!("the pattern `{}` is not well formed: {}", text.escape_debug(), error.kind());
            Err(TargetError::new("invalid-target", span, message))
        }
    }
}

fn regex(source: &str, span: Span) -> Result<Pattern, TargetError> {
    Pattern::new(source).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        let message = format!("the regular expression `{}` is not well formed: {last}", source.escape_debug());
        TargetError::new("invalid-target", span, message)
    })
}

/// A name, a glob, or a list of names.
fn names_of(text: &str, span: Span) -> Result<Kind, TargetError> {
    let has_wildcard = text.contains(['*', '?', '[', '{']);
    if has_wildcard {
        return Ok(Kind::Glob(text.into(), glob(text, false, span)?));
    }
    list(text, span)
}

fn list(text: &str, span: Span) -> Result<Kind, TargetError> {
    let names: Vec<Arc<str>> = text.split(',').map(Arc::from).collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(TargetError::new("invalid-target", span, "a name is missing beside a comma"));
    }
    Ok(Kind::Names(names))
}

fn network_of(text: &str, span: Span) -> Result<Kind, TargetError> {
    let parsed = match text.split_once('/') {
        None => text.parse::<IpAddr>().ok().map(|ip| (ip, width(ip))),
        Some((ip, prefix)) => {
            let ip = ip.parse::<IpAddr>().ok();
            let prefix = prefix.parse::<u8>().ok();
            ip.zip(prefix).filter(|(ip, prefix)| *prefix <= width(*ip))
        }
    };
    match parsed {
        Some((ip, prefix)) => Ok(Kind::Network(ip, prefix)),
        None => {
            let message = format!("`{}` is not a network", text.escape_debug());
            Err(TargetError::new("invalid-target", span, message).hint("write `net:10.0.0.0/8`"))
        }
    }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn is_in(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
        IpAddr::V6(ip) => u128::from(ip),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    ip.is_ipv4() == network.is_ipv4() && bits(ip) & mask == bits(network) & mask
}

fn addresses(value: &Value) -> Vec<IpAddr> {
    match value {
        Value::List(items) => items.iter().filter_map(|item| item.as_str()?.parse().ok()).collect(),
        _ => Vec::new(),
    }
}

fn lookup<'f>(facts: &'f Map, path: &[Arc<str>]) -> Option<&'f Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(facts.get(&**first)?, |value, step| match value {
        Value::Map(map) => map.get(&**step),
        _ => None,
    })
}

/// Follows a path through the type of the facts; the step that is not there, and the record that has it not.
fn check_path<'p>(path: &'p [Arc<str>], facts: &Type) -> Result<(), (&'p str, Arc<RecordType>)> {
    let mut ty = facts.clone();
    for step in path {
        let mut plain = ty;
        while let Type::Optional(inner) = plain {
            plain = (*inner).clone();
        }
        ty = match plain {
            Type::Record(record) => match record.fields.iter().find(|field| field.name == *step) {
                Some(field) => field.ty.clone(),
                None => return Err((step, record)),
            },
            Type::Map(item) => (*item).clone(),
            Type::Any => return Ok(()),
            other => {
                let record = RecordType { name: other.to_string().into(), fields: Vec::new() };
                return Err((step, Arc::new(record)));
            }
        };
    }
    Ok(())
}
