//! What a machine tells about itself: read from files below its root and asked of the kernel; and facts of its own, which files hold and programs
//! print.

mod own;
mod storage;
mod system;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stead_catalog::{Map, Value};

pub use own::{FactProgram, ask};

/// A fact, or a file or program of facts, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A program told nothing.
    #[error("the fact `{name}` is not told: {source}")]
    Program {
        /// The fact, or the program.
        name: String,
        /// What happened.
        source: crate::program::ProgramError,
    },
    /// A program told something that is no fact.
    #[error("the fact `{name}` is not told: {message}")]
    Nonsense {
        /// The fact.
        name: String,
        /// What it told.
        message: String,
    },
    /// A program that somebody else may have written.
    #[error("{path} is not run: others than root and its owner may change it")]
    Untrusted {
        /// The program.
        path: PathBuf,
    },
    /// It is not a JSON object.
    #[error("{path} is not a JSON object of facts: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Gathers the facts of the machine at `root`: of the running system where it is `/`, of the tree as far as it
/// tells otherwise.
///
/// # Errors
/// The first thing below `/etc/stead/facts.d` that cannot be used. Whatever else cannot be read is left out or empty.
pub fn gather(root: &Path) -> Result<Map, FactsError> {
    let (facts, problems) = tell(root);
    problems.into_iter().next().map_or(Ok(facts), Err)
}

/// Gathers facts as [`gather`] does, and goes on where something below `/etc/stead/facts.d` cannot be used: what is wrong comes with the facts.
pub fn tell(root: &Path) -> (Map, Vec<FactsError>) {
    let read = |path: &str| read_text(&root.join(path));
    let here = |path: &str| read_text(Path::new(path));
    let uname = rustix::system::uname();
    let uname_text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let hostname = match root == Path::new("/") {
        true => uname_text(uname.nodename()),
        false => read("etc/hostname").unwrap_or_default(),
    };
    let hostname = hostname.split('.').next().unwrap_or_default().trim().to_owned();
    let mut facts = Map::new();
    let mut set = |name: &str, value: Value| {
        facts.insert(Arc::from(name), value);
    };
    set("hostname", Value::string(hostname));
    set("os", os(&read("etc/os-release").or_else(|| read("usr/lib/os-release")).unwrap_or_default()));
    set(
        "kernel",
        record([
            ("name", Value::string(uname_text(uname.sysname()))),
            ("release", Value::string(uname_text(uname.release()))),
            ("version", Value::string(uname_text(uname.version()))),
        ]),
    );
    set("arch", Value::string(uname_text(uname.machine())));
    set(
        "cpu",
        record([("count", Value::Int(cpu_count())), ("model", optional(cpu_model(&here("/proc/cpuinfo").unwrap_or_default())))]),
    );
    set("memory", memory(&here("/proc/meminfo").unwrap_or_default()));
    set("network", network());
    set("init", Value::string(here("/proc/1/comm").unwrap_or_default().trim()));
    set("virtualization", optional(virtualization()));
    set("timezone", optional(timezone(root)));
    set("machine_id", optional(read("etc/machine-id").map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())));
    set("user", user(&read("etc/passwd").unwrap_or_default()));
    set("users", system::users(&read("etc/passwd").unwrap_or_default()));
    set("packages", system::packages(root));
    set("cloud", system::cloud(root));
    set("disks", storage::disks(Path::new("/sys")));
    set("mounts", storage::mounts(&here("/proc/self/mountinfo").unwrap_or_default(), &storage::size_of));
    let mut problems = Vec::new();
    facts.extend(own::own(root, &mut problems));
    (facts, problems)
}

fn value_of_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(i) => Value::Int(i),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::string(text.as_str()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(value_of_json)),
        serde_json::Value::Object(object) => {
            Value::map(object.iter().map(|(key, value)| (Arc::from(key.as_str()), value_of_json(value))))
        }
    }
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::map(fields.map(|(name, value)| (Arc::from(name), value)))
}

fn optional(text: Option<String>) -> Value {
    text.map_or(Value::None, Value::string)
}

/// Text of a small file of the kernel or of `/etc`; nothing here is large.
fn read_text(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// os-release(5): shell assignments without expansions.
fn os(text: &str) -> Value {
    let fields: BTreeMap<&str, String> =
        text.lines().filter_map(|line| line.trim().split_once('=')).map(|(k, v)| (k, unquote(v))).collect();
    let get = |name: &str| fields.get(name).cloned();
    let id = get("ID").unwrap_or_else(|| "linux".into());
    let like = get("ID_LIKE").unwrap_or_default();
    record([
        ("id", Value::string(id.as_str())),
        ("family", Value::Member(os_family(&id, &like).into())),
        ("name", Value::string(get("PRETTY_NAME").or_else(|| get("NAME")).unwrap_or(id))),
        ("version", Value::string(get("VERSION_ID").unwrap_or_default())),
        ("codename", optional(get("VERSION_CODENAME").filter(|name| !name.is_empty()))),
    ])
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let mut text = String::new();
    let mut chars = inner.unwrap_or(value).chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

fn os_family(id: &str, like: &str) -> &'static str {
    let family = |name: &str| match name {
        "debian" | "ubuntu" => Some("debian"),
        "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "amzn" | "ol" => Some("redhat"),
        "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => Some("suse"),
        "arch" => Some("arch"),
        "alpine" => Some("alpine"),
        "gentoo" => Some("gentoo"),
        _ => None,
    };
    std::iter::once(id).chain(like.split_whitespace()).find_map(family).unwrap_or("other")
}

fn cpu_count() -> i64 {
    std::thread::available_parallelism().map_or(1, |count| i64::try_from(count.get()).unwrap_or(1))
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        cpuinfo
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, v)| v.trim().to_owned())
    };
    value("model name").or_else(|| value("Model")).or_else(|| value("cpu model"))
}

fn memory(meminfo: &str) -> Value {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        Value::Size(kib.unwrap_or(0).saturating_mul(1024))
    };
    record([("total", bytes("MemTotal")), ("swap", bytes("SwapTotal"))])
}

/// Interfaces from sysfs; addresses from the kernel's routing tables, where each local address has an entry.
fn network() -> Value {
    let v4 = ipv4_addresses(&read_text(Path::new("/proc/net/fib_trie")).unwrap_or_default());
    let subnets = ipv4_subnets(&read_text(Path::new("/proc/net/route")).unwrap_or_default());
    let v6 = ipv6_addresses(&read_text(Path::new("/proc/net/if_inet6")).unwrap_or_default());
    let owner = |ip: &Ipv4Addr| match ip.is_loopback() {
        true => Some("lo"),
        false => subnets.iter().find(|(_, net, mask)| u32::from(*ip) & mask == *net).map(|(name, ..)| name.as_str()),
    };
    let mut interfaces = Map::new();
    let mut names: Vec<String> =
        fs::read_dir("/sys/class/net").into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    for name in names {
        let read = |file: &str| read_text(&Path::new("/sys/class/net").join(&name).join(file)).map(|text| text.trim().to_owned());
        if read("mtu").is_none() {
            continue;
        }
        let state = read("operstate").unwrap_or_default();
        let fields = record([
            ("mac", optional(read("address").filter(|mac| !mac.is_empty() && mac != "00:00:00:00:00:00"))),
            ("mtu", Value::Int(read("mtu").and_then(|mtu| mtu.parse().ok()).unwrap_or(0))),
            ("up", Value::Bool(state == "up" || (state == "unknown" && read("carrier").as_deref() == Some("1")))),
            ("ipv4", ip_list(v4.iter().filter(|ip| owner(ip) == Some(name.as_str())).map(|ip| IpAddr::V4(*ip)))),
            ("ipv6", ip_list(v6.iter().filter(|(device, _)| *device == name).map(|(_, ip)| IpAddr::V6(*ip)))),
        ]);
        interfaces.insert(name.into(), fields);
    }
    let outer_v4 = v4.iter().filter(|ip| !ip.is_loopback()).map(|ip| IpAddr::V4(*ip));
    let outer_v6 = v6
        .iter()
        .map(|(_, ip)| ip)
        .filter(|ip| !ip.is_loopback() && ip.segments()[0] & 0xffc0 != 0xfe80)
        .map(|ip| IpAddr::V6(*ip));
    record([("interfaces", Value::Map(Arc::new(interfaces))), ("ipv4", ip_list(outer_v4)), ("ipv6", ip_list(outer_v6))])
}

fn ip_list(addresses: impl Iterator<Item = IpAddr>) -> Value {
    let mut addresses: Vec<IpAddr> = addresses.collect();
    addresses.sort();
    addresses.dedup();
    Value::list(addresses.into_iter().map(|ip| Value::string(ip.to_string())))
}

/// Every `|-- ADDRESS` that is followed by `/32 host LOCAL`.
fn ipv4_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.take());
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Interface, network and mask of each route that is not the default one; longest mask first.
fn ipv4_subnets(routes: &str) -> Vec<(String, u32, u32)> {
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::swap_bytes);
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (name, net, gateway, mask) =
            (*fields.first()?, number(fields.get(1)?)?, number(fields.get(2)?)?, number(fields.get(7)?)?);
        (mask != 0 && gateway == 0).then(|| (name.to_owned(), net, mask))
    };
    let mut subnets: Vec<_> = routes.lines().skip(1).filter_map(parse).collect();
    subnets.sort_by_key(|(_, _, mask)| std::cmp::Reverse(*mask));
    subnets
}

fn ipv6_addresses(table: &str) -> Vec<(String, Ipv6Addr)> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = u128::from_str_radix(fields.first()?, 16).ok()?;
        Some(((*fields.get(5)?).to_owned(), Ipv6Addr::from(address)))
    };
    table.lines().filter_map(parse).collect()
}

fn virtualization() -> Option<String> {
    let here = |path: &str| read_text(Path::new(path)).map(|text| text.trim().to_owned());
    if let Some(container) = here("/run/systemd/container").filter(|name| !name.is_empty()) {
        return Some(container);
    }
    if Path::new("/.dockerenv").exists() {
        return Some("docker".into());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".into());
    }
    if Path::new("/proc/xen").exists() {
        return Some("xen".into());
    }
    let vendor = format!(
        "{} {}",
        here("/sys/class/dmi/id/sys_vendor").unwrap_or_default(),
        here("/sys/class/dmi/id/product_name").unwrap_or_default()
    );
    let known = [
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("Virtual Machine", "hyperv"),
        ("Google Compute", "kvm"),
        ("Amazon EC2", "kvm"),
    ];
    known.iter().find(|(sign, _)| vendor.contains(sign)).map(|(_, name)| (*name).to_owned())
}

fn timezone(root: &Path) -> Option<String> {
    let target = fs::read_link(root.join("etc/localtime")).ok();
    let from_link =
        target.as_deref().and_then(Path::to_str).and_then(|t| t.split_once("zoneinfo/")).map(|(_, name)| name.to_owned());
    from_link.or_else(|| read_text(&root.join("etc/timezone")).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()))
}

/// The effective user, with what passwd says about it.
fn user(passwd: &str) -> Value {
    let uid = rustix::process::geteuid().as_raw();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    let field = |at: usize| entry.as_ref().and_then(|fields| fields.get(at)).map(|text| (*text).to_owned());
    record([
        ("name", Value::string(field(0).unwrap_or_else(|| uid.to_string()))),
        ("uid", Value::Int(i64::from(uid))),
        ("home", optional(field(5).filter(|home| home.starts_with('/')))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_this_machine_have_their_type() {
        let facts = Value::Map(Arc::new(gather(Path::new("/")).expect("facts")));
        stead_catalog::facts_type().admit(&facts, false).expect("every fact has its type");
    }

    #[test]
    fn a_tree_tells_its_own_system() {
        let tree = tempfile::tempdir().expect("a directory");
        let etc = tree.path().join("etc/stead/facts.d");
        fs::create_dir_all(&etc).expect("etc");
        fs::write(
            tree.path().join("etc/os-release"),
            "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID='9.4'\nPRETTY_NAME=\"Rocky \\\"9\\\"\"\n",
        )
        .expect("write");
        fs::write(tree.path().join("etc/hostname"), "web-1.example.com\n").expect("write");
        fs::write(etc.join("rack.json"), r#"{"rack": "r7"}"#).expect("write");
        let facts = gather(tree.path()).expect("facts");
        assert_eq!(facts["hostname"], Value::string("web-1"));
        assert_eq!(facts["rack"], Value::string("r7"));
        let Value::Map(os) = &facts["os"] else { panic!("a record") };
        assert_eq!(
            (&os["family"], &os["version"], &os["name"]),
            (&Value::Member("redhat".into()), &Value::string("9.4"), &Value::string("Rocky \"9\""))
        );
        fs::write(etc.join("bad.json"), "[]").expect("write");
        assert!(matches!(gather(tree.path()), Err(FactsError::Malformed { .. })));
    }

    #[test]
    fn kernel_tables_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(ipv4_addresses(trie), [Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::LOCALHOST]);
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t3\t0\t0\t0\t00000000\neth0\t0000000A\t00000000\t1\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(ipv4_subnets(routes), [("eth0".to_owned(), 0x0a00_0000, 0xffff_ff00)]);
        assert_eq!(memory("MemTotal:  1024 kB\n"), record([("total", Value::Size(1 << 20)), ("swap", Value::Size(0))]));
    }
}
