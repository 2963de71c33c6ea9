//! Whether hosts still work after they were changed: the checks of `[[rollout.check]]` in stead.toml.
//!
//! Commands and services are looked at on the host, by its worker; ports and pages from here.

use std::time::Duration;

use stead_catalog::Target;
use stead_compiler::config::{HealthCheck, HealthKind};
use stead_engine::net::{self, Request};
use stead_engine::ssh::{self, SshOptions};
use stead_engine::{self as engine, Remote};

/// Looks at a host; the first check that fails is told in words.
pub(super) fn check(
    target: &Target,
    ssh: &SshOptions,
    remote: Option<&mut Remote>,
    checks: &[HealthCheck],
) -> Result<(), String> {
    let mut remote = remote;
    for check in checks {
        let mut tries = 0;
        loop {
            tries += 1;
            let found = once(target, ssh, remote.as_deref_mut(), check);
            match found {
                Ok(()) => break,
                Err(_) if tries < check.tries => std::thread::sleep(check.delay()),
                Err(why) => return Err(why),
            }
        }
    }
    Ok(())
}

fn once(target: &Target, ssh: &SshOptions, remote: Option<&mut Remote>, check: &HealthCheck) -> Result<(), String> {
    let timeout = check.timeout();
    match &check.kind {
        HealthKind::Exec(argv) => there(remote, &engine::HealthCheck::Exec(argv.clone()), timeout),
        HealthKind::Service(unit) => there(remote, &engine::HealthCheck::Service(unit.clone()), timeout),
        HealthKind::Tcp(address) => {
            let address = filled(address, target, ssh);
            let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("`{address}` has no port"))?;
            let port = port.parse().map_err(|_| format!("`{address}` has no port"))?;
            net::connect(host, port, timeout).map_err(|error| format!("{address} does not answer: {error}"))
        }
        HealthKind::Http(url) => {
            let url = filled(url, target, ssh);
            let mut request = Request::get(url.as_str());
            request.timeout = timeout;
            request.limit = Some(timeout);
            request.redirects = 0;
            let told = net::without_credentials(&url);
            match net::ask(&request, 64 << 10) {
                Ok(reply) if (200..400).contains(&reply.status) => Ok(()),
                Ok(reply) => Err(format!("{told} answers with status {}", reply.status)),
                Err(error) => Err(format!("{told} does not answer: {error}")),
            }
        }
    }
}

fn there(remote: Option<&mut Remote>, check: &engine::HealthCheck, timeout: Duration) -> Result<(), String> {
    match remote {
        None => Err("the host cannot be asked any more".to_owned()),
        Some(remote) => remote.check(check, timeout).unwrap_or_else(|error| Err(error.to_string())),
    }
}

/// Puts the host's address, as ssh knows it, and its name in place.
fn filled(text: &str, target: &Target, ssh: &SshOptions) -> String {
    let named = text.replace("{name}", &target.name);
    if named.contains("{address}") { named.replace("{address}", &ssh::address(target, ssh)) } else { named }
}
