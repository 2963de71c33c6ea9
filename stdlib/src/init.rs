//! Which program starts and keeps the services of a machine. Only systemd has units and timers.

use std::path::Path;

use stead_engine::{Known, ObserveError, World};

/// Paths that tell another init system, with its name.
const OTHERS: [(&str, &str); 6] = [
    ("/run/openrc", "OpenRC"),
    ("/sbin/openrc-run", "OpenRC"),
    ("/usr/sbin/openrc-run", "OpenRC"),
    ("/run/runit", "runit"),
    ("/etc/runit/1", "runit"),
    ("/run/s6", "s6"),
];

/// Paths that tell systemd.
const SYSTEMD: [&str; 3] = ["/run/systemd/system", "/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/// Refuses what only systemd has on a machine that has another init system.
///
/// # Errors
/// `no-systemd`.
pub(crate) fn refuse_without_systemd(world: &dyn World, what: &str) -> Result<(), ObserveError> {
    // What cannot be looked at says nothing: systemd itself is asked later.
    let is_there = |path: &str| matches!(world.stat(Path::new(path)), Ok(Known::Is(Some(_)) | Known::Unknown(_)));
    let Some((_, name)) = OTHERS.iter().find(|(path, _)| is_there(path)) else { return Ok(()) };
    if SYSTEMD.into_iter().any(is_there) {
        return Ok(());
    }
    Err(ObserveError::Impossible {
        code: "no-systemd",
        message: format!("this machine is run by {name}, which has no use for {what} of systemd"),
        hint: "declare what the machine has: a script in /etc/init.d as a file, a cron job instead of a timer".into(),
    })
}
