//! The resource type `timezone`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Footprint, Place, Problem, Value};
use stead_engine::{FileKind, Known, ObserveError, World};

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, Flaw};
use crate::parts::{EditPart, Parts, made, resource_of_parts};
use crate::resources::symlink;
use crate::values::{AbsolutePath, FromLiteral as _};
use crate::{Choice, Resource};

/// The time zone of the machine, and what its hardware clock keeps.
///
/// `/etc/localtime` becomes a link to the zone; where the distribution also keeps the name in `/etc/timezone` it is written there. Compares to
/// Salt's `timezone.system` and Ansible's `community.general.timezone`.
///
/// ```stead
/// timezone "Europe/Berlin" {}
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "timezone",
    since = "0.2",
    aliases(zone = "name", timezone = "name", hwclock = "hardware_clock", utc = "hardware_clock")
)]
pub struct Timezone {
    /// The zone, as it is named below `/usr/share/zoneinfo`: `Europe/Berlin`, `Etc/UTC`.
    #[key]
    pub name: Arc<str>,
    /// What the hardware clock keeps. Left as found when absent.
    pub hardware_clock: Option<Clock>,
}

/// What a hardware clock keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum Clock {
    /// UTC, as it should.
    Utc,
    /// The time of the zone, where the machine shares its clock with a system that expects that.
    Local,
}

/// Where zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// The first release of Debian that keeps no /etc/timezone.
const WITHOUT_NAME: u32 = 13;

impl Timezone {
    fn zone(&self) -> PathBuf {
        Path::new(ZONES).join(&*self.name)
    }

    fn footprint(&self) -> Footprint {
        let mut edits: Vec<Arc<str>> = vec!["/etc/timezone".into()];
        edits.extend(self.hardware_clock.map(|_| "/etc/adjtime".into()));
        Footprint {
            owns: vec![Place::path("/etc/localtime")],
            needs: vec![
                Place::path("/etc/localtime"),
                Place::path(self.zone().to_string_lossy()),
                Place::package("tzdata"),
                Place::package("tzdata-legacy"),
            ],
            edits,
            ..Footprint::default()
        }
    }

    fn check(&self) -> Vec<Problem> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        let name = Path::new(&*self.name);
        if !self.name.is_empty() && self.name.bytes().all(legal) && name.components().all(plain) && !self.name.ends_with('/') {
            return Vec::new();
        }
        vec![Problem {
            code: "invalid-value",
            attribute: Some("name".into()),
            other: None,
            message: format!("`{}` is no name of a zone", self.name),
            hint: Some("zones are named as `Europe/Berlin` or `Etc/UTC`: `timedatectl list-timezones` lists them".into()),
            mend: None,
        }]
    }

    fn parts(&self, world: &dyn World) -> Result<Parts, ObserveError> {
        let zone = self.zone();
        match world.stat(&zone)? {
            Known::Is(Some(stat)) if stat.kind != FileKind::Directory => {}
            Known::Is(Some(_)) => return Err(unknown_zone(&self.name, "it is a region that has zones in it")),
            Known::Is(None) if matches!(world.stat(Path::new(ZONES))?, Known::Is(None)) => {
                return Err(unknown_zone(&self.name, "no zones are installed: declare package \"tzdata\""));
            }
            Known::Is(None) => {
                return Err(unknown_zone(&self.name, "check the spelling; old names are in Debian's package tzdata-legacy"));
            }
            Known::Unknown(_) => {}
        }
        let mut parts = Parts::default();
        let link = Path::new("/etc/localtime");
        let target = match world.stat(link)? {
            // A relative link that leads to the zone is as good: timedatectl makes such.
            Known::Is(Some(found)) if found.target.as_deref().is_some_and(|target| leads_to(link, target, &zone)) => {
                found.target.unwrap_or_default()
            }
            _ => zone,
        };
        parts.push_file(
            "localtime",
            made::<symlink::Symlink>([
                ("path", Value::string("/etc/localtime")),
                ("target", Value::string(target.to_string_lossy().into_owned())),
                ("force", Value::Bool(true)),
            ]),
        );
        if keeps_name(world)? {
            let name = self.name.clone();
            let edit = move |content: &[u8]| -> Edited {
                let is_so = content.trim_ascii() == name.as_bytes();
                Ok((!is_so).then(|| format!("{name}\n").into_bytes()))
            };
            parts.push_file("timezone", EditPart::new(AbsolutePath::from_literal("/etc/timezone"), true, edit));
        }
        if let Some(clock) = self.hardware_clock {
            let edit = move |content: &[u8]| set_clock(content, clock);
            parts.push_file("hardware_clock", EditPart::new(AbsolutePath::from_literal("/etc/adjtime"), true, edit));
        }
        Ok(parts)
    }
}

/// Says whether a link leads to a path, by its text.
fn leads_to(link: &Path, target: &Path, path: &Path) -> bool {
    let mut at = PathBuf::from("/");
    for part in link.parent().unwrap_or(link).join(target).components() {
        match part {
            Component::Normal(name) => at.push(name),
            Component::ParentDir => {
                at.pop();
            }
            _ => {}
        }
    }
    at == path
}

/// Says whether the distribution keeps the zone's name in /etc/timezone: where the file is there, and on Debian before 13.
fn keeps_name(world: &dyn World) -> Result<bool, ObserveError> {
    if matches!(world.stat(Path::new("/etc/timezone"))?, Known::Is(Some(_))) {
        return Ok(true);
    }
    let Known::Is(Some(version)) = world.read(Path::new("/etc/debian_version"))? else { return Ok(false) };
    let version = String::from_utf8_lossy(&version);
    let release = version.trim().split('.').next().and_then(|major| major.parse::<u32>().ok());
    Ok(release.is_some_and(|release| release < WITHOUT_NAME))
}

/// The content of /etc/adjtime with this clock: its third line (hwclock(8)).
fn set_clock(content: &[u8], clock: Clock) -> Edited {
    let word = match clock {
        Clock::Utc => "UTC",
        Clock::Local => "LOCAL",
    };
    let all = split(content);
    match all.get(2).map(|line| body(line).trim_ascii()) {
        Some(found) if found == word.as_bytes() => Ok(None),
        Some(b"UTC" | b"LOCAL") => {
            let line = lines::line(word.as_bytes(), b"\n");
            Ok(Some(lines::join(all[..2].iter().copied().chain([&line[..]]).chain(all[3..].iter().copied()), b"\n")))
        }
        Some(found) => {
            let message = format!("`{}` is neither `UTC` nor `LOCAL`", String::from_utf8_lossy(found));
            Err(Flaw::malformed(3, message, "see hwclock(8) for the form of the file, or remove it"))
        }
        // Without the file the clock keeps UTC.
        None if content.is_empty() && clock == Clock::Utc => Ok(None),
        None => Ok(Some(format!("0.0 0 0.0\n0\n{word}\n").into_bytes())),
    }
}

fn unknown_zone(name: &str, hint: &str) -> ObserveError {
    ObserveError::Impossible {
        code: "unknown-timezone",
        message: format!("there is no time zone `{name}` in {ZONES}, and nothing planned before brings it"),
        hint: hint.into(),
    }
}

resource_of_parts!(Timezone {});
