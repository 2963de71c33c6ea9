//! A package that comes from a file on the node.

use std::path::Path;

use stead_catalog::Place;
use stead_engine::system::archive::Control;
use stead_engine::system::dpkg::compare_versions;
use stead_engine::{Known, ObserveError, PackageState, World};

use super::provider::Provider;
use super::{Package, State};
use crate::checksum::{Sum, Wanted};
use crate::problems::Problems;

/// How the name of a file ends that is a package to apt.
const SUFFIX: &str = ".deb";

impl Package {
    /// The file, which has to be there first.
    pub(super) fn file_needed(&self) -> Option<Place> {
        self.from.as_ref().map(|path| Place::path(path.shared().clone()))
    }

    /// Finds what is wrong with where the package is said to come from.
    pub(super) fn check_origin(&self, problems: &mut Problems) {
        if let Some(path) = &self.from {
            if !path.as_str().ends_with(SUFFIX) {
                problems.invalid("from", "this is no file of a package", format!("its name ends with `{SUFFIX}`"));
            }
            for (is_given, attribute, hint) in [
                (self.version.is_some(), "version", "leave it out: the file has one version"),
                (self.release.is_some(), "release", "keep one of the two"),
            ] {
                if is_given {
                    problems.conflict(attribute, Some("from"), "the package comes from a file", hint);
                }
            }
            if self.state == State::Latest {
                let hint = "leave `state = latest` out: another version in the file is installed";
                problems.conflict("from", Some("state"), "the newest version and the one in a file are asked for", hint);
            }
        }
        if let Some(release) = &self.release
            && (release.is_empty() || !release.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte)))
        {
            let hint = "write its suite or its code name, such as `bookworm-backports`";
            problems.invalid("release", "this is no name of a release", hint);
        }
        if self.checksum.is_some() && self.from.is_none() {
            let hint = "leave it out: what a repository sends is checked against its signed index";
            problems.conflict("checksum", None, "there is no file that it could be the checksum of", hint);
        }
        match Wanted::parse(self.checksum.as_deref()) {
            Ok(Wanted::Listed(_)) => {
                let hint = "write `sha256:` and the digits; a `download` that brings the file can look them up";
                problems.invalid("checksum", "a package's checksum is not looked up", hint);
            }
            _ => problems.list().extend(Wanted::check(self.checksum.as_deref())),
        }
        if self.downgrade && self.from.is_none() && self.release.is_none() {
            let hint = "leave it out: the version that `version` names is installed in any case";
            problems.conflict("downgrade", None, "nothing is asked for that could be lower", hint);
        }
    }

    /// Looks which package the file is. `None` where the package comes from a repository.
    ///
    /// # Errors
    /// `missing-source`, `not-a-package`, `wrong-package`, `foreign-architecture`.
    pub(super) fn observe_file(
        &self,
        world: &dyn World,
        provider: &dyn Provider,
    ) -> Result<Option<Known<Control>>, ObserveError> {
        let Some(path) = &self.from else { return Ok(None) };
        let control = match world.package_file(path.as_path())? {
            Known::Is(Some(control)) => control,
            Known::Is(None) => return Err(missing(path.as_path())),
            Known::Unknown(because) => return Ok(Some(Known::Unknown(because))),
        };
        let (bare, architecture) = match self.name.split_once(':') {
            Some((bare, architecture)) => (bare, Some(architecture)),
            None => (&*self.name, None),
        };
        if bare != &*control.name {
            return Err(ObserveError::Impossible {
                code: "wrong-package",
                message: format!("{path} is the package `{}`, expected `{}`", control.name, self.name),
                hint: format!("name the resource `package \"{}\"`, or give the file that is meant", control.name),
            });
        }
        let known = provider.architectures(world)?;
        let is_native = &*control.architecture == "all" || known.first().is_some_and(|own| **own == *control.architecture);
        let is_known = known.iter().any(|known| **known == *control.architecture);
        let is_named = architecture.is_none_or(|named| named == &*control.architecture);
        if (is_native || (is_known && architecture.is_some())) && is_named {
            return Ok(Some(Known::Is(control)));
        }
        let hint = match is_known && is_named {
            true => format!("name it `package \"{bare}:{}\"`, so that it is told from the node's own", control.architecture),
            false => "give the file for this node; `dpkg --add-architecture` lets packages of another one in".to_owned(),
        };
        Err(ObserveError::Impossible {
            code: "foreign-architecture",
            message: format!("{path} is made for `{}`, and the node takes {}", control.architecture, list(&known)),
            hint,
        })
    }

    /// Says whether the package is there as the file has it.
    pub(super) fn is_as_in_file(state: &PackageState, control: &Control) -> bool {
        state.version.as_ref() == Some(&control.version) && !state.broken
    }

    /// Refuses a file that is not the one that was meant, or older than what is there.
    ///
    /// # Errors
    /// `wrong-checksum`, `package-downgrade`.
    pub(super) fn refuse_file(&self, world: &dyn World, state: &PackageState, control: &Control) -> Result<(), ObserveError> {
        let Some(path) = &self.from else { return Ok(()) };
        if let Ok(Wanted::Is(wanted)) = Wanted::parse(self.checksum.as_deref()) {
            let mut sum = Sum::new(wanted.algorithm);
            if let Known::Is(Some(_)) = world.read_through(path.as_path(), &mut |bytes| sum.update(bytes))? {
                let found = sum.finish();
                if found != wanted {
                    return Err(ObserveError::Impossible {
                        code: "wrong-checksum",
                        message: format!("{path} has the checksum {found}, expected {wanted}"),
                        hint: "it is another file than was meant: look at where it comes from, or correct `checksum`".into(),
                    });
                }
            }
        }
        match &state.version {
            Some(there) => self.refuse_lower(there, &control.version),
            None => Ok(()),
        }
    }

    /// Refuses a version that is lower than the one that is there, where nobody asked for it by `version`.
    ///
    /// # Errors
    /// `package-downgrade`.
    pub(super) fn refuse_lower(&self, there: &str, offered: &str) -> Result<(), ObserveError> {
        let origin = match (&self.from, &self.release) {
            (Some(path), _) => path.to_string(),
            (None, Some(release)) => format!("the release `{release}`"),
            (None, None) => return Ok(()),
        };
        if self.downgrade || compare_versions(offered, there).is_ge() {
            return Ok(());
        }
        Err(ObserveError::Impossible {
            code: "package-downgrade",
            message: format!("package `{}` is there as {there}, and {origin} has {offered}", self.name),
            hint: "say `downgrade = true` to go back to the lower version".into(),
        })
    }
}

fn missing(path: &Path) -> ObserveError {
    ObserveError::Impossible {
        code: "missing-source",
        message: format!("there is no package {}", path.display()),
        hint: "declare the resource that brings it, such as a `download`, or name the path it has".into(),
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
