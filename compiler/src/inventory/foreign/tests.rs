//! Inventories as people have them.

use super::*;
use crate::inventory::resolve;

/// Shows machines, groups and findings.
fn show(texts: &[InventoryText]) -> String {
    use std::fmt::Write as _;
    let mut found = Vec::new();
    let declared = read(texts, &mut found);
    let known = resolve(declared, true, &mut |_| None, &mut found);
    let mut shown = String::new();
    for target in known.targets() {
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
        let file = diagnostic.labels.first().and_then(|label| texts.iter().find(|text| text.name == label.file));
        let place = file.map_or("", |file| diagnostic.labels[0].span.text(&file.text));
        let _ = writeln!(shown, "{diagnostic} @{place:?} {}", diagnostic.hints.join("; "));
    }
    shown
}

#[track_caller]
fn check(format: InventoryFormat, text: &str, expected: &str) {
    let found = show(&[InventoryText::new("hosts", text, format)]);
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

/// Shows an inventory in INI with the files beside it.
#[track_caller]
fn check_beside(ini: &str, files: &[(&str, &str)], expected: &str) {
    let mut texts = vec![InventoryText::new("hosts", ini, InventoryFormat::AnsibleIni)];
    for (of, path) in variable_files(files.iter().map(|(path, _)| *path)) {
        let (_, text) = files.iter().find(|(name, _)| *name == path).expect("chosen of them");
        texts.push(InventoryText::variables(path, *text, of));
    }
    let found = show(&texts);
    assert_eq!(found, expected, "found:\n{found}");
}

#[test]
fn files_beside_an_inventory_are_chosen_as_ansible_does() {
    let paths = [
        "group_vars/web.yaml",
        "group_vars/web.yml",
        "group_vars/web.json",
        "group_vars/db/20-x",
        "group_vars/db/10-x.yml",
        "group_vars/db/.hidden.yml",
        "group_vars/db/old.yml~",
        "group_vars/db/README.md",
        "group_vars/db/more/z.json",
        "group_vars/db/more.d/z.json",
        "group_vars/db.yml",
        "group_vars/.yml",
        "host_vars/web-1.example.org",
        "host_vars/web-2.example.org.yml",
        "host_vars/db.cfg.md",
        "other/x.yml",
        "hosts",
    ];
    let shown: Vec<String> = variable_files(paths)
        .iter()
        .map(|(of, path)| match of {
            Owner::Group(name) => format!("@{name}: {path}"),
            Owner::Host(name) => format!("{name}: {path}"),
        })
        .collect();
    let expected = [
        "@.yml: group_vars/.yml",
        "@db: group_vars/db/10-x.yml",
        "@db: group_vars/db/20-x",
        "@db: group_vars/db/more/z.json",
        "@web: group_vars/web.yml",
        "db.cfg.md: host_vars/db.cfg.md",
        "web-1.example.org: host_vars/web-1.example.org",
        "web-2.example.org: host_vars/web-2.example.org.yml",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn what_counts_before_what_is_as_ansible_documents_it() {
    // Every place says who logs in; each host shows the strongest place that speaks of it.
    let ini = "lone
in-all-file
[child]
a
b ansible_user=host-line
c ansible_user=host-line
d
[child:vars]
ansible_user=child-section
ansible_port=1
[parent:children]
child
[parent:vars]
ansible_port=2
[all:vars]
ansible_user=all-section
ansible_port=3
ansible_become=yes
";
    check_beside(
        ini,
        &[],
        "lone user=all-section become=root port=3
in-all-file user=all-section become=root port=3
a user=child-section become=root port=1 groups=child,parent
b user=host-line become=root port=1 groups=child,parent
c user=host-line become=root port=1 groups=child,parent
d user=child-section become=root port=1 groups=child,parent
",
    );
    check_beside(
        ini,
        &[
            ("group_vars/all.yml", "ansible_user: all-file\nansible_port: 4\n"),
            ("group_vars/parent", "ansible_port: 5\nstead_tags: [p]\n"),
            ("group_vars/child/10.yml", "ansible_user: child-10\n"),
            ("group_vars/child/20.json", "{\"ansible_user\": \"child-20\"}"),
            ("group_vars/ungrouped.yml", "stead_tags: lonely\n"),
            ("group_vars/nobody.yml", "ansible_user: nobody\n"),
            ("host_vars/c.yml", "ansible_user: host-file\nansible_become: no\n"),
            ("host_vars/d.yaml", "ansible_become_user: app\nansible_host: 10.0.0.4\n"),
        ],
        "lone user=all-file become=root port=4 tags=lonely
in-all-file user=all-file become=root port=4 tags=lonely
a user=child-20 become=root port=5 groups=child,parent tags=p
b user=host-line become=root port=5 groups=child,parent tags=p
c user=host-file port=5 groups=child,parent tags=p
d 10.0.0.4 user=child-20 become=app port=5 groups=child,parent tags=p
",
    );
}

#[test]
fn of_groups_beside_each_other_the_last_by_name_counts() {
    let files = [
        ("group_vars/b.yml", "ansible_user: b"),
        ("group_vars/a.yml", "ansible_user: a"),
        ("group_vars/z.yml", "ansible_user: z"),
    ];
    // `z` holds `a`, which lies deeper than `b`: the deepest counts first.
    check_beside("[a]\nx\n[b]\nx\n[z:children]\na\n", &files, "x user=a groups=a,b,z\n");
    check_beside("[a]\nx\n[b]\nx\n", &files, "x user=b groups=a,b\n");
}

#[test]
fn what_is_not_read_beside_an_inventory_is_told_once() {
    let vault = "$ANSIBLE_VAULT;1.1;AES256\n6661323662306434\n";
    check_beside(
        "[web]\nw-1\nw-2\n",
        &[
            ("group_vars/web/main.yml", "http_port: 80\nbanner: !unsafe \"{{ x }}\"\nansible_user: deploy\nansible_password: hunter2\n"),
            ("group_vars/web/vault.yml", vault),
            ("host_vars/w-1.yml", "http_port: 81\nansible_password: x\ntoken: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6661\n"),
            ("host_vars/w-2.yml", vault),
        ],
        "w-1 user=deploy groups=web
w-2 user=deploy groups=web
warning[unread-variable]: `ansible_password` is not read: passwords do not belong in an inventory @\"ansible_password\" log in with a key; a password of sudo is asked for, and never read from a file
warning[unread-vault]: what Ansible's vault encrypted is not read: here and in 2 more places @\"$ANSIBLE_VAULT;1.1;AES256\" a secret that states need goes into a data file, encrypted for its readers: `stead secret set`
warning[unread-variable]: these variables are not read: `banner`, `http_port` @\"http_port\" what states need is data: data/node/NAME.yaml for a host, data/group/NAME.yaml for a group
",
    );
}

#[test]
fn damaged_files_beside_an_inventory_are_told_with_their_place() {
    check_beside(
        "[web]\nw-1\n",
        &[
            ("group_vars/all.yml", "ansible_user: [a\nb: c\n"),
            ("group_vars/web.yml", "ansible_port: none\nansible_user: \"{{ user }}\"\nansible_become: \"{{ b }}\"\n"),
            ("host_vars/w-1.yml", "ansible_host: a\nansible_host: b\n"),
        ],
        "w-1 a groups=web
error[syntax-error]: not valid YAML: illegal placement of ':' indicator @\":\" 
error[type-mismatch]: found \"none\", expected a port in 1..=65535 @\"none\" 
error[type-mismatch]: found \"{{ user }}\", expected a word without blanks and with no `-` in front @\"\\\"{{ user }}\\\"\" Jinja in an inventory is not rendered: write the value itself
error[type-mismatch]: found \"{{ b }}\", expected true or false @\"\\\"{{ b }}\\\"\" Jinja in an inventory is not rendered: write the value itself
error[duplicate-data-key]: the key `ansible_host` stands twice @\"ansible_host\" remove one of them, or merge their values
",
    );
}
