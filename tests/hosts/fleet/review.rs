//! A review on the hosts themselves, and an apply that is held to what was reviewed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use stead_tests::fleet::Fleet;
use stead_tests::host::{host_key, login_key, stead_binary};

/// A repository beside the fleet, from which its hosts are reached.
struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new(fleet: &Fleet) -> Self {
        let desk = Self { directory: tempfile::tempdir().expect("a directory") };
        desk.write(".ssh/id", &login_key());
        let id = desk.directory.path().join(".ssh/id");
        fs::set_permissions(&id, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        let known: String = fleet.hosts.iter().map(|host| format!("{} {}\n", host.address(), host_key())).collect();
        desk.write(".ssh/known_hosts", &known);
        let block = |host: &stead_tests::host::Host| {
            format!(
                "Host {}\n  HostName {}\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
                host.name(),
                host.address(),
                id.display(),
                desk.directory.path().join(".ssh/known_hosts").display()
            )
        };
        desk.write(".ssh/config", &fleet.hosts.iter().map(block).collect::<String>());
        desk.git(&["init", "-q", "-b", "main"]);
        desk
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("written");
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=me", "-c", "user.email=me@example.com"];
        let output = self.run(Path::new("git"), &[&who[..], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, source: &str) {
        self.write("site/site.stead", source);
        self.write("site/stead.toml", "name = \"site\"\n");
        self.git(&["add", "site"]);
        self.git(&["commit", "-q", "-m", "states"]);
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env("HOME", self.directory.path()).env("LC_ALL", "C.UTF-8");
        command.env("STEAD_STATE_DIR", self.directory.path().join(".state")).args(arguments).output().expect("it runs")
    }

    /// Runs stead on hosts.
    #[track_caller]
    fn stead(&self, arguments: &[&str], code: i32) -> String {
        let config = self.directory.path().join(".ssh/config").display().to_string();
        self.stead_here(&[arguments, &["--ssh-config", &config]].concat(), code)
    }

    #[track_caller]
    fn stead_here(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(stead_binary(), arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

const BEFORE: &str = "node \"*\" {\n  file \"/srv/a\" { content = \"a\\n\" }\n  file \"/srv/b\" { content = \"b\\n\" }\n}\n";

#[test]
fn what_a_change_does_on_the_hosts_is_told_without_what_is_due_anyway() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let desk = Desk::new(&fleet);
    let all = fleet.all();
    desk.commit(BEFORE);
    desk.stead(&["apply", "site", "--on", &all, "--yes"], 0);
    // One host has drifted: that is due with both revisions.
    fleet.hosts[0].write("/srv/a", "drifted\n");
    desk.commit(&BEFORE.replace("\"b\\n\"", "\"c\\n\""));
    let said = desk.stead(&["review", "main~1..main", "site", "--live", "--on", &all, "--detailed-exitcode"], 2);
    assert!(said.contains("2 of 2 nodes would change") && said.contains("file[\"/srv/b\"]"), "{said}");
    assert!(!said.contains("file[\"/srv/a\"]") && said.contains("1 change is due with main~1 as well"), "{said}");
    assert_eq!(fleet.hosts[1].read("/srv/b").as_deref(), Some("b\n"), "nothing was changed");
    let said = desk.stead(&["review", "main..main", "site", "--live", "--on", &all, "--detailed-exitcode"], 0);
    assert!(said.contains("3 changes are due with main as well"), "{said}");
    // An old revision with mistakes does not stop it.
    desk.commit("node \"*\" {\n  fil \"/srv/a\" {}\n}\n");
    desk.commit(BEFORE);
    let said = desk.stead(&["review", "main~1..main", "site", "--live", "--on", &all], 0);
    assert!(said.contains("main~1 has mistakes") && said.contains("file[\"/srv/a\"]"), "{said}");

    // Nor one that has no catalog for a host, and is told for the host that it is true of.
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    desk.write(&format!("site/data/node/{}.yaml", names[1]), "text: \"b\\n\"\n");
    desk.commit("state s(text: String) { file \"/srv/b\" { content = text } }\nnode \"*\" { s(text = data.text) }\n");
    desk.write("site/data/common.yaml", "text: \"d\\n\"\n");
    desk.git(&["rm", "-rqf", "site/data/node"]);
    desk.commit("state s(text: String) { file \"/srv/b\" { content = text } }\nnode \"*\" { s(text = data.text) }\n");
    let said = desk.stead(&["review", "main~1..main", "site", "--live", "--on", &all], 0);
    assert!(said.contains(&format!("main~1 has mistakes for {}: all that is due there is shown", names[0])), "{said}");
    assert!(said.contains("2 of 2 nodes would change"), "{said}");

    // Nor one that cannot be loaded at all.
    desk.write("site/hosts.sh", "#!/bin/sh\necho no network >&2\nexit 3\n");
    desk.write("site/stead.toml", "[inventory]\nfiles = [\"hosts.sh\"]\n");
    fs::set_permissions(desk.directory.path().join("site/hosts.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    desk.git(&["add", "site"]);
    desk.git(&["commit", "-q", "-m", "an inventory"]);
    desk.git(&["rm", "-q", "site/hosts.sh"]);
    desk.commit(BEFORE);
    let said = desk.stead(&["review", "main~1..main", "site", "--live", "--on", &all], 0);
    assert!(said.contains("main~1 cannot be loaded (") && said.contains("no network"), "{said}");
    assert!(said.contains("file[\"/srv/a\"]"), "{said}");
}

#[test]
fn a_host_that_is_not_as_it_was_reviewed_is_left_alone() {
    let Some(fleet) = Fleet::boot(2) else { return };
    let desk = Desk::new(&fleet);
    let names: Vec<String> = fleet.hosts.iter().map(|host| host.name()).collect();
    let all = fleet.all();
    desk.commit("node \"*\" { file \"/srv/who\" { content = \"${facts.hostname} ${node.name}\\n\" } }\n");
    // What the hosts tell is stored where a review takes it.
    desk.stead(&["facts", "--on", &all, "--project", "site", "--store"], 0);
    desk.git(&["add", "site"]);
    desk.git(&["commit", "-q", "-m", "facts"]);
    desk.stead_here(&["review", "main~1..main", "site", "--record", "reviewed.json"], 0);
    // One of them is called otherwise since.
    fleet.hosts[1].must("hostname renamed; echo renamed > /etc/hostname");
    let said = desk.stead(&["apply", "site", "--on", &all, "--yes", "--reviewed", "reviewed.json"], 1);
    assert!(
        said.contains(&format!("error[not-reviewed]: {}: file[\"/srv/who\"] is another one than was reviewed", names[1])),
        "{said}"
    );
    assert!(fleet.hosts[0].read("/srv/who").is_some_and(|who| who.ends_with(&format!(" {}\n", names[0]))));
    assert_eq!(fleet.hosts[1].read("/srv/who"), None);
}
