//! Hosts that are worked on from another one: an operator with an ssh configuration of its own, and the hosts it reaches by name.

use std::path::PathBuf;

use crate::host::{Host, host_key, login_key};
use crate::link::Line;
use crate::output::Output;

/// Where the operator keeps the project.
const PROJECT: &str = "/root/site";

/// An operator and its hosts.
pub struct Fleet {
    /// Where stead is run.
    pub operator: Host,
    /// What it works on.
    pub hosts: Vec<Host>,
}

impl Fleet {
    /// Boots an operator and so many hosts; `None` where hosts are switched off.
    ///
    /// # Panics
    /// As [`Host::boot`].
    pub fn boot(hosts: usize) -> Option<Self> {
        let hosts = (0..hosts).map(|_| Host::boot()).collect::<Option<Vec<_>>>()?;
        Self::of(hosts)
    }

    /// An operator for these hosts; `None` where hosts are switched off.
    ///
    /// # Panics
    /// As [`Host::boot`].
    pub fn of(hosts: Vec<Host>) -> Option<Self> {
        let operator = Host::boot()?;
        let fleet = Self { operator, hosts };
        fleet.operator.write("/root/.ssh/id", login_key());
        fleet.operator.must("chmod 600 /root/.ssh/id");
        let mut known = String::new();
        let mut config = String::new();
        for host in &fleet.hosts {
            known.push_str(&format!("{} {}\n", host.address(), host_key()));
            config.push_str(&Self::block(&host.name(), host, "root"));
        }
        fleet.operator.write("/root/.ssh/known_hosts", known);
        fleet.operator.write("/root/.ssh/config", config);
        fleet.operator.must(&format!("mkdir -p {PROJECT}; touch {PROJECT}/stead.toml"));
        Some(fleet)
    }

    fn block(name: &str, host: &Host, user: &str) -> String {
        format!("Host {name}\n  HostName {}\n  User {user}\n  IdentityFile /root/.ssh/id\n", host.address())
    }

    /// Gives the operator another name for a host, by which it logs in as this user.
    pub fn name(&self, name: &str, host: &Host, user: &str) {
        let config = self.operator.read("/root/.ssh/config").unwrap_or_default();
        self.operator.write("/root/.ssh/config", config + &Self::block(name, host, user));
    }

    /// Gives the operator another name for a host, which it reaches over a line as bad as this.
    ///
    /// # Panics
    /// When no line can be had.
    pub fn line(&self, name: &str, host: &Host, line: Line) {
        let to = format!("{}:22", host.address()).parse().expect("an address");
        let port = crate::link::open(to, line);
        let here = self.operator.must("ip route show default | cut -d' ' -f3");
        let block = format!(
            "Host {name}\n  HostName {}\n  Port {port}\n  HostKeyAlias {}\n  User root\n  IdentityFile /root/.ssh/id\n",
            here.trim(),
            host.address()
        );
        let config = self.operator.read("/root/.ssh/config").unwrap_or_default();
        self.operator.write("/root/.ssh/config", config + &block);
    }

    /// Makes a user on a host that the operator may log in as.
    pub fn user(&self, host: &Host, user: &str) {
        host.must(&format!(
            "useradd -m -s /bin/bash {user}; mkdir -p /home/{user}/.ssh; cp /root/.ssh/authorized_keys /home/{user}/.ssh/; \
             chown -R {user}: /home/{user}/.ssh; chmod 700 /home/{user}/.ssh"
        ));
    }

    /// Names of all hosts, for `--on`.
    pub fn all(&self) -> String {
        self.hosts.iter().map(Host::name).collect::<Vec<_>>().join(",")
    }

    /// Replaces a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        self.operator.write(&format!("{PROJECT}/{path}"), text);
    }

    /// Runs stead on the project.
    pub fn stead(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut all = vec![verb, PROJECT];
        all.extend_from_slice(arguments);
        self.operator.stead(&all)
    }

    /// The project's directory, as it is found from outside.
    pub fn project(&self) -> PathBuf {
        self.operator.path(PROJECT)
    }
}
