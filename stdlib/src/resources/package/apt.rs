//! Packages by apt and dpkg.
//!
//! Can: versions and patterns, downgrades, holds, purges, recommends per package, packages from files and from a certain release,
//! a simulation of everything that happens besides, and names of other architectures.

use std::path::{Path, PathBuf};

use stead_engine::{ApplyError, Known, Machine, ObserveError, PackageChange, PackageWish, World};

use super::provider::{Abilities, Provider};
use super::removal::Removal;

/// apt and dpkg.
pub(super) struct Apt;

impl Provider for Apt {
    fn name(&self) -> &'static str {
        "apt"
    }

    fn abilities(&self) -> Abilities {
        Abilities { versions: true, holds: true, recommends: true, purges: true, files: true, releases: true }
    }

    fn mark(&self) -> &'static str {
        "/var/lib/dpkg/status"
    }

    fn removal(&self, world: &dyn World, step: &PackageChange) -> Result<Removal, ObserveError> {
        let bare = step.name.split(':').next().unwrap_or(&step.name);
        let info = |name: &str, kind: &str| PathBuf::from(format!("/var/lib/dpkg/info/{name}.{kind}"));
        // Packages that can be there in several architectures have theirs in the name.
        let mut stem = step.name.to_string();
        if world.stat(&info(&stem, "list"))? == Known::Is(None) {
            stem = match world.stat(&info(bare, "list"))? {
                Known::Is(None) => match self.architectures(world)?.first() {
                    Some(own) => format!("{bare}:{own}"),
                    None => bare.to_owned(),
                },
                _ => bare.to_owned(),
            };
        }
        let text = |kind: &str| -> Result<String, ObserveError> {
            let content = world.read(&info(&stem, kind))?.known()?;
            Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
        };
        let paths = |text: &str| -> Vec<PathBuf> {
            text.lines().filter(|line| line.starts_with('/') && *line != "/.").map(PathBuf::from).collect()
        };
        let configuration = paths(&text("conffiles")?);
        let mut files = paths(&text("list")?);
        files.retain(|path| !configuration.contains(path));
        Ok(Removal {
            package: step.name.clone(),
            files,
            configuration,
            prerm: text("prerm")?,
            postrm: text("postrm")?,
            is_purge: step.purge,
            was_installed: step.from.is_some(),
        })
    }

    fn architectures(&self, world: &dyn World) -> Result<Vec<String>, ObserveError> {
        // Where only packages of its own architecture were ever installed, dpkg has no such file.
        let known = world.read(Path::new("/var/lib/dpkg/arch"))?.known()?.unwrap_or_default();
        let listed: Vec<String> = String::from_utf8_lossy(&known).split_whitespace().map(str::to_owned).collect();
        if !listed.is_empty() {
            return Ok(listed);
        }
        Ok(vec![match std::env::consts::ARCH {
            "x86_64" => "amd64".into(),
            "aarch64" => "arm64".into(),
            "x86" => "i386".into(),
            other => other.to_owned(),
        }])
    }

    fn apply(&self, machine: &Machine, wish: &PackageWish, hold: Option<bool>) -> Result<(), ApplyError> {
        let apt = &machine.system().apt;
        apt.transact(machine, std::slice::from_ref(wish), None)?;
        let Some(hold) = hold else { return Ok(()) };
        let state = machine.world().package(&wish.name)?.known()?;
        if state.held == hold { Ok(()) } else { apt.set_hold(machine, &wish.name, hold) }
    }
}
