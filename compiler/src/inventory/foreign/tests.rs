//! Inventories as people have them.

use super::*;
use crate::inventory::resolve;

/// Shows machines, groups and findings.
fn show(format: InventoryFormat, text: &str) -> String {
    use std::fmt::Write as _;
    let inventory = InventoryText { name: "hosts".into(), text: text.into(), format };
    let mut found = Vec::new();
    let declared = read(&inventory, &mut found);
    let known = resolve(vec![declared], true, &mut |_| None, &mut found);
    let mut shown = String::new();
    for target in &known.targets {
        shown.push_str(&target.name);
        for (name, value) in
            [("", &target.address), ("user=", &target.user), ("key=", &target.identity), ("become=", &target.r#become)]
        {
            if let Some(value) = value {
                let _ = write!(shown, " {name}{value}");
            }
        }
        if let Some(port) = target.port {
            let _ = write!(shown, " port={port}");
        }
        if target.is_local {
            shown.push_str(" local");
        }
        for (name, words) in [("groups", &target.groups), ("tags", &target.tags)] {
            if !words.is_empty() {
                let _ = write!(shown, " {name}={}", words.join(","));
            }
        }
        shown.push('\n');
    }
    for diagnostic in &found {
        let place = diagnostic.labels.first().map_or("", |label| label.span.text(text));
        let _ = writeln!(shown, "{diagnostic} @{place:?} {}", diagnostic.hints.join("; "));
    }
    shown
}

#[track_caller]
fn check(format: InventoryFormat, text: &str, expected: &str) {
    let found = show(format, text);
    assert_eq!(found, expected, "found:\n{found}");
}

#[test]
fn ansible_ini() {
    check(
        InventoryFormat::AnsibleIni,
        "# everyone
mail.example.com:2200   # the old one
localhost ansible_connection=local

[web]
web[01:02].example.com ansible_user=deploy http_port=80
[2001:db8::1]

[db]
db-[a:b] ansible_host=10.0.0.5 ansible_port=\"2222\" ansible_ssh_private_key_file='~/.ssh/db'

[prod:children]
web   # all of them
db

[prod:vars]
ansible_become = yes
ansible_user = root ; not a comment
stead_tags = canary, eu-1
ntp_server = ntp.example.com

[all:vars]
ansible_ssh_common_args='-o ProxyJump=gw'
",
        "mail.example.com port=2200
localhost local
web01.example.com user=deploy become=root groups=web,prod tags=canary,eu-1
web02.example.com user=deploy become=root groups=web,prod tags=canary,eu-1
db-a 10.0.0.5 key=~/.ssh/db become=root port=2222 groups=db,prod tags=canary,eu-1
db-b 10.0.0.5 key=~/.ssh/db become=root port=2222 groups=db,prod tags=canary,eu-1
error[invalid-value]: `[2001:db8::1]` is not a host or a range of hosts: `[2001:db8::1]` is not a range @\"[2001:db8::1]\" a range is written `web[01:50].example.org` or `db-[a:f]`
error[invalid-value]: found \"root ; not a comment\", expected a word without blanks and with no `-` in front @\"root ; not a comment\" 
warning[unread-variable]: `ansible_ssh_common_args` is not read @\"ansible_ssh_common_args\" put it into your ssh configuration, which is followed: `Host NAME` and `ProxyJump …`, for example
warning[unread-variable]: these variables are not read: `http_port`, `ntp_server` @\"http_port\" what states need is data: data/node/NAME.yaml for a host, data/group/NAME.yaml for a group
",
    );
}

#[test]
fn ansible_yaml() {
    check(
        InventoryFormat::AnsibleYaml,
        "all:
  hosts:
    mail.example.com:
  vars:
    ansible_user: admin
  children:
    prod:
      children:
        web:
          hosts:
            web-[1:2]:
              ansible_port: 2222
            web-3: {ansible_host: 10.0.0.3, ansible_become: true, ansible_become_user: app}
          vars: {stead_tags: [http, eu]}
        db:
          hosts:
            db-1: {ansible_password: hunter2}
      vars:
        ansible_user: deploy
",
        "mail.example.com user=admin
web-1 user=deploy port=2222 groups=web,prod tags=http,eu
web-2 user=deploy port=2222 groups=web,prod tags=http,eu
web-3 10.0.0.3 user=deploy become=app groups=web,prod tags=http,eu
db-1 user=deploy groups=db,prod
warning[unread-variable]: `ansible_password` is not read: passwords do not belong in an inventory @\"ansible_password\" log in with a key; a password of sudo is asked for, and never read from a file
",
    );
}

#[test]
fn what_a_program_prints() {
    check(
        InventoryFormat::AnsibleJson,
        r#"{"_meta": {"hostvars": {"web-1": {"ansible_host": "10.1.1.1", "ansible_port": 22}, "lone": {"ansible_user": "x"}}},
"all": {"children": ["ungrouped", "web"]}, "web": {"hosts": ["web-1", "web-2"], "vars": {"ansible_user": "deploy"}}, "eu": ["web-1"],
"site": {"children": ["web"]}}"#,
        "web-1 10.1.1.1 user=deploy port=22 groups=web,eu,site
web-2 user=deploy groups=web,site
lone user=x
",
    );
}

#[test]
fn nothing_becomes_an_option_of_ssh() {
    check(
        InventoryFormat::AnsibleJson,
        r#"{"web": {"hosts": ["-oProxyCommand=touch /x", "ok"], "vars": {"ansible_user": "-l"}}, "a b": []}"#,
        "ok groups=web
error[invalid-value]: found \"-oProxyCommand=touch /x\", expected the name of a machine: no blanks, no slashes, no wildcards, no `-` or `.` in front @\"\\\"-oProxyCommand=touch /x\\\"\" 
error[invalid-value]: found \"-l\", expected a word without blanks and with no `-` in front @\"\\\"-l\\\"\" 
error[invalid-value]: found \"a b\", expected a word of letters, digits and any of `_.:@+-`, with no `-` in front @\"\\\"a b\\\"\" 
",
    );
}

#[test]
fn salt_roster() {
    check(
        InventoryFormat::Roster,
        "web1:
  host: 192.168.42.1
  user: fred
  passwd: foobarbaz
  port: 2200
  sudo: True
  tty: True
web2: 192.168.42.2
db:
  host: db.example.org
  priv: /etc/salt/pki/master/ssh/salt-ssh.rsa
  sudo_user: app
  minion_opts: {grains: {a: 1}}
",
        "web1 192.168.42.1 user=fred become=root port=2200
web2 192.168.42.2
db db.example.org key=/etc/salt/pki/master/ssh/salt-ssh.rsa become=app
warning[unread-variable]: `passwd` is not read: passwords do not belong in an inventory @\"passwd\" log in with a key; ssh-agent keeps its passphrase
warning[unread-variable]: this variable is not read: `minion_opts` @\"minion_opts\" what states need is data: data/node/NAME.yaml for a host, data/group/NAME.yaml for a group
",
    );
}

#[test]
fn ssh_configuration() {
    let text = "Include conf.d/* \"other\"
Host *
  User root
Host web-1 web-2 *.example.org !bad
  HostName 10.0.0.1
host=db
Match host x
# Host no
";
    check(InventoryFormat::SshConfig, text, "web-1\nweb-2\ndb\n");
    assert_eq!(includes(text), ["conf.d/*", "other"]);
}

#[test]
fn the_form_is_told_by_name_and_content() {
    let of = InventoryFormat::of;
    assert_eq!(of("hosts", ""), InventoryFormat::AnsibleIni);
    assert_eq!(of("inventory/prod.yml", "all:\n  hosts:\n"), InventoryFormat::AnsibleYaml);
    assert_eq!(of("r.yaml", "web:\n  host: x\n"), InventoryFormat::Roster);
    assert_eq!(of("/etc/salt/roster", "web: x"), InventoryFormat::Roster);
    assert_eq!(of("~/.ssh/config", "Host x"), InventoryFormat::SshConfig);
    assert_eq!(of("list.json", "{}"), InventoryFormat::AnsibleJson);
}

#[test]
fn damaged_inventories_are_told_and_the_rest_is_read() {
    let text = "web-1 and more\nweb-[3:1]\nweb-2:99999\n[x:y]\nweb-9\n[ok]\nweb-3\n[ok:vars]\nnothing\n";
    let expected = "web-2
web-3 groups=ok
error[syntax-error]: found `and`, expected a variable: `name=value` @\"and\" put each host on a line of its own
error[invalid-value]: `web-[3:1]` is not a host or a range of hosts: `[3:1]` ends before it starts @\"web-[3:1]\" a range is written `web[01:50].example.org` or `db-[a:f]`
error[type-mismatch]: found \"99999\", expected a port in 1..=65535 @\"99999\" 
error[syntax-error]: found a section `:y`, expected `:vars` or `:children` @\"x:y\" 
error[syntax-error]: expected a variable: `name = value` @\"nothing\" 
";
    check(InventoryFormat::AnsibleIni, text, expected);
}
