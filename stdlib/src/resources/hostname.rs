//! The resource type `hostname`.

mod hosts;

use std::sync::Arc;

use stead_catalog::{Footprint, Place, Problem};
use stead_engine::{ObserveError, World};

use crate::edit::lines::{body, split};
use crate::edit::variables;
use crate::filesystem;
use crate::parts::{EditPart, KernelPart, Parts, resource_of_parts};
use crate::values::{AbsolutePath, FromLiteral as _};
use crate::{Choice, Resource};

/// The name of the machine: now, and from the next boot on.
///
/// The name is given to the running kernel and kept in `/etc/hostname`; what else the machine says of itself (`pretty`, `chassis` and so on) is in
/// `/etc/machine-info`. With `hosts = true` the machine also finds itself by its name without asking anybody. Compares to Salt's
/// `network.system` and Ansible's `hostname`.
///
/// ```stead
/// hostname "web-1.example.com" { hosts = true }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "hostname",
    since = "0.2",
    aliases(
        hostname = "name",
        static_hostname = "name",
        pretty_hostname = "pretty",
        apply_hostname = "live",
        set_hosts = "hosts"
    )
)]
pub struct Hostname {
    /// The name: labels of letters, digits and `-`, divided by dots, of at most 64 characters.
    #[key]
    pub name: Arc<str>,
    /// Give it to the running kernel. Otherwise it holds from the next boot on.
    #[default(true)]
    pub live: bool,
    /// Let `127.0.1.1` in `/etc/hosts` lead to the name, and to its first label.
    #[default(false)]
    pub hosts: bool,
    /// A name for people, with any characters. Left as found when absent; an empty text takes it away.
    pub pretty: Option<Arc<str>>,
    /// What kind of machine it is. Left as found when absent.
    pub chassis: Option<Chassis>,
    /// What it is used for, such as `production`. Left as found when absent; an empty text takes it away.
    pub deployment: Option<Arc<str>>,
    /// Where it is, such as `Rack 3, Berlin`. Left as found when absent; an empty text takes it away.
    pub location: Option<Arc<str>>,
}

/// A kind of machine (machine-info(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Chassis {
    /// Under a desk.
    Desktop,
    /// To be carried.
    Laptop,
    /// A laptop whose screen comes off.
    Convertible,
    /// In a rack.
    Server,
    /// Nothing but a screen.
    Tablet,
    /// A telephone.
    Handset,
    /// On a wrist.
    Watch,
    /// In another thing.
    Embedded,
    /// A virtual machine.
    Vm,
    /// A container.
    Container,
}

impl Hostname {
    fn footprint(&self) -> Footprint {
        let mut edits: Vec<Arc<str>> = Vec::new();
        edits.extend(self.hosts.then(|| "/etc/hosts".into()));
        edits.extend((!self.info().is_empty()).then(|| "/etc/machine-info".into()));
        Footprint {
            owns: vec![Place::path("/etc/hostname"), Place::other("name of the machine")],
            fills: vec!["/etc/hostname".into()],
            brings: edits.iter().map(|path| Place::path(path.clone())).collect(),
            needs: edits
                .iter()
                .flat_map(|path| filesystem::needed_places(std::path::Path::new(&**path), None, None))
                .chain([Place::path("/etc/hostname")])
                .collect(),
            edits,
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |attribute: &str, message: String, hint: &str| {
            problems.push(Problem {
                code: "invalid-value",
                attribute: Some(attribute.into()),
                other: None,
                message,
                hint: Some(hint.into()),
                mend: None,
            });
        };
        if !is_hostname(&self.name) {
            let hint = "it is made of labels of letters, digits and `-`, divided by dots, of at most 64 characters";
            problem("name", format!("`{}` is no name of a machine", self.name), hint);
        }
        for (name, text) in [("pretty", &self.pretty), ("deployment", &self.deployment), ("location", &self.location)] {
            if text.as_ref().is_some_and(|text| text.contains(|c: char| c.is_control())) {
                problem(name, format!("`{name}` is one line of text"), "write it on one line");
            }
        }
        problems
    }

    /// What is said in /etc/machine-info.
    fn info(&self) -> Vec<(String, Option<String>)> {
        let text = |text: &Option<Arc<str>>| text.as_ref().map(|text| Some(text.to_string()).filter(|text| !text.is_empty()));
        let chassis = self.chassis.map(|chassis| Some(chassis.name().to_owned()));
        let all = [
            ("PRETTY_HOSTNAME", text(&self.pretty)),
            ("CHASSIS", chassis),
            ("DEPLOYMENT", text(&self.deployment)),
            ("LOCATION", text(&self.location)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let mut parts = Parts::default();
        if self.live && world.is_live() {
            parts.push(KernelPart {
                path: "/proc/sys/kernel/hostname".into(),
                value: self.name.clone(),
                attribute: "live",
                optional: false,
            });
        }
        let path = AbsolutePath::from_literal;
        let name = self.name.clone();
        parts.push_file("static", EditPart::new(path("/etc/hostname"), true, move |content| Ok(set_name(content, &name))));
        let info = self.info();
        if !info.is_empty() {
            let edit = move |content: &[u8]| variables::set(content, &info);
            parts.push_file("machine_info", EditPart::new(path("/etc/machine-info"), true, edit));
        }
        if self.hosts {
            let name = self.name.clone();
            let edit = move |content: &[u8]| hosts::set(content, &name);
            parts.push_file("hosts", EditPart::new(path("/etc/hosts"), true, edit));
        }
        Ok(parts)
    }
}

/// The content of /etc/hostname with this name: its first line that is no comment (hostname(5)).
fn set_name(content: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut found =
        split(content).into_iter().map(|line| body(line).trim_ascii()).filter(|line| !line.is_empty() && line[0] != b'#');
    let is_so = found.next() == Some(name.as_bytes()) && found.next().is_none();
    (!is_so).then(|| format!("{name}\n").into_bytes())
}

/// Says whether this can be the name of a machine (hostname(7)).
fn is_hostname(name: &str) -> bool {
    let is_label = |label: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(legal) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 64 && name.split('.').all(is_label)
}

resource_of_parts!(Hostname {});
