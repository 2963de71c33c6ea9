//! What every node tells about itself: the type of `facts` in the language.

use std::sync::Arc;

use crate::{EnumType, Field, RecordType, Span64, Type};

/// Members of `facts.os.family`.
pub const OS_FAMILIES: [&str; 7] = ["debian", "redhat", "suse", "arch", "alpine", "gentoo", "other"];

/// The type of `facts` before a project adds facts of its own.
pub fn facts_type() -> Type {
    let text = Type::STRING;
    let maybe = |ty: Type| Type::optional(ty);
    let family = EnumType { name: "OsFamily".into(), members: OS_FAMILIES.map(Arc::from).to_vec(), deprecated: Vec::new() };
    let os = record(
        "Os",
        [
            ("id", text.clone(), "The distribution in lower case: `debian`, `ubuntu`, `rocky`."),
            ("family", Type::Enum(Arc::new(family)), "What the distribution descends from."),
            ("name", text.clone(), "The distribution's name for people: `Debian GNU/Linux 13 (trixie)`."),
            ("version", text.clone(), "Its version: `13`, `24.04`; empty where it has none."),
            ("codename", maybe(text.clone()), "The name of the release: `trixie`."),
        ],
    );
    let kernel = record(
        "Kernel",
        [
            ("name", text.clone(), "`Linux`."),
            ("release", text.clone(), "`6.12.9-amd64`."),
            ("version", text.clone(), "When and how it was built."),
        ],
    );
    let cpu = record(
        "Cpu",
        [
            ("count", Type::Int(Span64 { min: Some(1), max: None }), "Processors that programs can run on."),
            ("model", maybe(text.clone()), "The processor's name."),
        ],
    );
    let memory = record("Memory", [("total", Type::Size, "All of it."), ("swap", Type::Size, "Swap space, used or not.")]);
    let addresses = || Type::list(Type::Ip);
    let interface = record(
        "Interface",
        [
            ("mac", maybe(text.clone()), "Its hardware address."),
            ("mtu", Type::INT, "Largest packet, in bytes."),
            ("up", Type::Bool, "It carries traffic."),
            ("ipv4", addresses(), "Its IPv4 addresses."),
            ("ipv6", addresses(), "Its IPv6 addresses."),
        ],
    );
    let network = record(
        "Network",
        [
            ("interfaces", Type::Map(Arc::new(interface)), "By name; the loopback is among them."),
            ("ipv4", addresses(), "Every IPv4 address but the loopback's, sorted."),
            ("ipv6", addresses(), "Every IPv6 address but the loopback's and link-local ones, sorted."),
        ],
    );
    let user = record(
        "FactsUser",
        [
            ("name", text.clone(), "The user that Stead runs as."),
            ("uid", Type::INT, "The user's number."),
            ("home", maybe(Type::Path), "The user's home directory."),
        ],
    );
    let disk = record(
        "Disk",
        [
            ("size", Type::Size, "All of it."),
            ("rotational", Type::Bool, "It turns: no solid state."),
            ("model", maybe(text.clone()), "What its maker calls it."),
        ],
    );
    let mount = record(
        "Mount",
        [
            ("device", text.clone(), "`/dev/sda1`, `server:/export`."),
            ("fstype", text.clone(), "`ext4`, `nfs4`."),
            ("size", maybe(Type::Size), "All of the file system, used or not; absent of a network's."),
        ],
    );
    let cloud = record(
        "Cloud",
        [
            ("provider", text.clone(), "`aws`, `gce`, `azure`, `hetzner`."),
            ("region", maybe(text.clone()), "`eu-west-1`."),
            ("zone", maybe(text.clone()), "`eu-west-1a`."),
            ("instance_id", maybe(text.clone()), "The provider's name of the machine."),
        ],
    );
    record(
        "Facts",
        [
            ("hostname", text.clone(), "The host's name, without its domain."),
            ("os", os, "The operating system."),
            ("kernel", kernel, "The running kernel."),
            ("arch", text.clone(), "The processor's architecture: `x86_64`, `aarch64`."),
            ("cpu", cpu, "The processors."),
            ("memory", memory, "The memory."),
            ("network", network, "Interfaces and addresses."),
            ("init", text.clone(), "What runs as process 1: `systemd`."),
            (
                "virtualization",
                maybe(text.clone()),
                "The hypervisor or container it runs in: `kvm`, `docker`; absent on bare metal.",
            ),
            ("timezone", maybe(text.clone()), "`Europe/Berlin`."),
            ("machine_id", maybe(text), "The content of `/etc/machine-id`."),
            ("user", user, "The user that Stead runs as."),
            ("users", Type::list(Type::STRING), "The accounts of people, sorted: those with numbers from 1000 to 60000."),
            ("packages", maybe(Type::INT), "How many packages are installed; absent where no package manager is known."),
            ("disks", Type::Map(Arc::new(disk)), "The disks, by name: `facts.disks[\"sda\"].size`."),
            ("mounts", Type::Map(Arc::new(mount)), "What is mounted, by the place: `facts.mounts[\"/\"].fstype`."),
            ("cloud", maybe(cloud), "Where the machine is rented, as cloud-init has written it down; absent elsewhere."),
        ],
    )
}

fn record<const N: usize>(name: &str, fields: [(&str, Type, &str); N]) -> Type {
    let field = |(name, ty, docs): (&str, Type, &str)| Field { name: name.into(), ty, default: None, docs: docs.into() };
    Type::Record(Arc::new(RecordType { name: name.into(), fields: fields.map(field).to_vec() }))
}
