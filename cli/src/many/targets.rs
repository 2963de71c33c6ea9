//! Which hosts a command works on.

use stead_catalog::Target;

use crate::args::ManyArguments;
use crate::failure::Failure;

/// Returns the hosts that `--on` names, each once, in the order they are named.
///
/// # Errors
/// [`Failure::NoTargets`] when it names none.
pub(crate) fn resolve(on: &str, arguments: &ManyArguments) -> Result<Vec<Target>, Failure> {
    let mut targets: Vec<Target> = Vec::new();
    for name in on.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()) {
        if !targets.iter().any(|target| &*target.name == name) {
            targets.push(Target::named(name));
        }
    }
    if targets.is_empty() {
        return Err(Failure::NoTargets(on.to_owned()));
    }
    for target in &mut targets {
        if let Some(user) = &arguments.r#become {
            target.r#become = Some(user.as_str().into());
        }
    }
    Ok(targets)
}
