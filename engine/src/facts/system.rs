//! What is installed, who is there, and where the machine is rented: as far as local files tell.

use std::fs;
use std::path::Path;

use stead_catalog::Value;

use super::{optional, read_text, record};
use crate::system::dpkg;

/// How many packages are installed, by the database of the system's own package manager; `None` where none is known.
pub(super) fn packages(root: &Path) -> Value {
    if let Some(installed) = dpkg::count_installed(root) {
        return count(installed);
    }
    if let Some(installed) = read_text(&root.join("lib/apk/db/installed")) {
        return count(installed.lines().filter(|line| line.starts_with("P:")).count());
    }
    if let Ok(entries) = fs::read_dir(root.join("var/lib/pacman/local")) {
        return count(entries.flatten().filter(|entry| entry.path().is_dir()).count());
    }
    Value::None
}

fn count(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The accounts of people: those with numbers that people get (1000 to 60000), sorted.
pub(super) fn users(passwd: &str) -> Value {
    let mut names: Vec<&str> = passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid: u32 = fields.nth(1)?.parse().ok()?;
            (1000..=60_000).contains(&uid).then_some(name)
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    Value::list(names.into_iter().map(Value::string))
}

/// What cloud-init has written down about the machine when it came up; no service is asked.
pub(super) fn cloud(root: &Path) -> Value {
    let Some(text) = read_text(&root.join("run/cloud-init/instance-data.json")) else { return Value::None };
    let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) else { return Value::None };
    let get = |key: &str| {
        let value = json.get("v1").and_then(|v1| v1.get(key)).and_then(serde_json::Value::as_str);
        value.filter(|value| !value.is_empty() && *value != "unknown").map(str::to_owned)
    };
    let Some(provider) = get("cloud_name").or_else(|| get("cloud-name")) else { return Value::None };
    record([
        ("provider", Value::string(provider)),
        ("region", optional(get("region"))),
        ("zone", optional(get("availability_zone").or_else(|| get("availability-zone")))),
        ("instance_id", optional(get("instance_id").or_else(|| get("instance-id")))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_and_tables_are_read() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(packages(root.path()), Value::None);
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        write(
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: deinstall ok config-files\n",
        );
        assert_eq!(packages(root.path()), Value::Int(1));
        assert_eq!(
            users("root:x:0:0::/:/bin/sh\nzoe:x:1001:1::/:\nann:x:1000:1::/:\nnobody:x:65534:1::/:\nbad\n").to_string(),
            "[\"ann\", \"zoe\"]"
        );
        assert_eq!(cloud(root.path()), Value::None);
        write(
            "run/cloud-init/instance-data.json",
            r#"{"v1": {"cloud_name": "aws", "region": "eu-west-1", "instance_id": "i-1"}}"#,
        );
        assert_eq!(
            cloud(root.path()).to_string(),
            "{ provider = \"aws\", region = \"eu-west-1\", zone = none, instance_id = \"i-1\" }"
        );
        write("run/cloud-init/instance-data.json", "nonsense");
        assert_eq!(cloud(root.path()), Value::None);
    }
}
