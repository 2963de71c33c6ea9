//! Whose an environment is. pip is a program of it, and runs what is installed there: whoever can write that would be able to run
//! anything as the user that pip runs as.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_engine::{FileKind, Known, ObserveError, Owner, Stat, World};

use super::installed::{Home, is_version, real};
use crate::filesystem::Holder;
use crate::values::Account;

/// Refuses an environment, or an interpreter outside the distribution, of somebody else than the user that pip would run as: root
/// aside, who can run anything anyway.
///
/// # Errors
/// `foreign-environment`, and what looking fails with.
pub(super) fn refuse(world: &dyn World, home: &Home, python: &Path, user: Option<&Arc<str>>) -> Result<(), ObserveError> {
    let (Home::Venv(prefix) | Home::Prefix(prefix, _)) = home else { return Ok(()) };
    let runs_as = match user {
        None => Owner::Id(world.identity().0),
        Some(user) => match Holder::user(world, &Account::Name(user.clone()))?.id {
            Known::Is(id) => id,
            Known::Unknown(_) => Owner::Pending(user.clone()),
        },
    };
    for path in parts(world, prefix, python)? {
        let Known::Is(Some(stat)) = world.stat(&path)? else { continue };
        let is_own = match &stat.uid {
            Owner::Id(0) => true,
            Owner::Pending(name) => user == Some(name) || stat.uid == runs_as,
            id => *id == runs_as,
        };
        let who = runs_as_name(world, user);
        if !is_own {
            let owner = match &stat.uid {
                Owner::Id(id) => world.user_name(*id).unwrap_or_else(|| id.to_string().into()),
                Owner::Pending(name) => name.clone(),
            };
            let hint = format!("say `user = \"{owner}\"`, or give the environment to {who}");
            return Err(refused(&path, &format!("belongs to {owner}"), &who, hint));
        }
        if is_open(&stat, &runs_as) {
            let hint = "take the permission away: `chmod -R go-w`".to_owned();
            return Err(refused(&path, "can be written by others", &who, hint));
        }
    }
    Ok(())
}

/// What of an environment decides what pip runs.
fn parts(world: &dyn World, prefix: &Path, python: &Path) -> Result<Vec<PathBuf>, ObserveError> {
    let mut parts = vec![prefix.to_owned(), prefix.join("pyvenv.cfg"), prefix.join("bin"), python.to_owned()];
    if let Known::Is(Some(real)) = real(world, python)? {
        parts.push(real);
    }
    let library = prefix.join("lib");
    if let Known::Is(Some(entries)) = world.list(&library)? {
        for (name, _) in entries.iter().filter(|(name, _)| is_version(&name.to_string_lossy())) {
            let packages = library.join(name).join("site-packages");
            parts.extend([library.join(name), packages.join("pip"), packages]);
        }
    }
    parts.push(library);
    Ok(parts)
}

fn is_open(stat: &Stat, runs_as: &Owner) -> bool {
    let by_group = stat.mode & 0o020 != 0 && stat.gid != Owner::Id(0) && *runs_as == Owner::Id(0);
    // The permissions of a symlink say nothing.
    stat.kind != FileKind::Symlink && (stat.mode & 0o002 != 0 || by_group)
}

fn runs_as_name(world: &dyn World, user: Option<&Arc<str>>) -> Arc<str> {
    user.cloned().unwrap_or_else(|| {
        let uid = world.identity().0;
        world.user_name(uid).unwrap_or_else(|| uid.to_string().into())
    })
}

fn refused(path: &Path, why: &str, who: &str, hint: String) -> ObserveError {
    ObserveError::Impossible {
        code: "foreign-environment",
        message: format!("{} {why}, and pip would run as {who} what is there", path.display()),
        hint,
    }
}
