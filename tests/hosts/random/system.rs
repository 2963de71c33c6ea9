//! Families about the system itself: its settings, units, names, mounts and package sources.

use super::catalog::{Maker, quoted, word};

/// Settings of the kernel that a host has of its own.
const KERNEL: [&str; 4] =
    ["net.core.somaxconn", "net.ipv4.ip_forward", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout"];

/// A public key that nobody has the other half of.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm";

/// Shell commands that tell what no snapshot of files has: what the kernel, systemd and the mount table hold.
pub(super) fn live() -> String {
    format!(
        "hostname; sysctl {}; systemctl list-units --plain --no-legend --state=active --type=service,timer | grep -E 'r[0-9]+x|demo-' | sort; \
         grep -E ' /mnt/' /proc/self/mountinfo | cut -d' ' -f5-6 | sort; systemctl show -p NeedDaemonReload --value cron",
        KERNEL.join(" ")
    )
}

impl Maker {
    /// Settings in a file of a format that has places.
    pub(super) fn settings(&mut self) {
        let kind = self.random.pick(&["json", "yaml", "toml"]);
        let path = format!("/etc/{}.{kind}", self.name("s"));
        let found = match kind {
            "json" => "{\n  \"workers\": 2,\n  \"log\": { \"level\": \"debug\" }\n}\n",
            "yaml" => "# ours\nworkers: 2\nlog:\n  level: debug   # loud\nlist:\n  - a\n",
            _ => "# ours\nworkers = 2\n\n[log]\nlevel = \"debug\"   # loud\n",
        };
        let is_there = self.random.chance(60);
        let mut setup = if is_there { format!("printf %s {} > {path}; chmod 0640 {path}\n", word(found)) } else { String::new() };
        let mut needs = Vec::new();
        for _ in 0..self.random.below(3) + 1 {
            let name = self.name("v");
            let number = self.random.below(100);
            let what = match self.random.below(4) {
                0 => format!("settings = {{ {name} = {number} }}"),
                1 => format!("at = [\"log\", \"{name}\"], value = \"two words\""),
                2 => format!("at = [\"{name}\", \"deep\"], settings = {{ a = true, b = [\"x\", \"y\"] }}"),
                _ => format!("at = [\"{name}\"], state = absent"),
            };
            let create = if what.ends_with("absent") { "" } else { ", create = true" };
            let source = format!("{kind} {} {{ path = {}, {what}{create} }}\n", quoted(&name), quoted(&path));
            let at = self.add(std::mem::take(&mut setup), source, &needs.clone());
            self.about(at, format!("{kind}[\"{name}\"]"), std::slice::from_ref(&path));
            needs = if is_there { vec![at] } else { needs };
        }
    }

    /// A file of its own in a folder that a program reads.
    pub(super) fn fragment(&mut self) {
        let name = self.name("n");
        let number = self.random.below(900) + 1;
        let (kind, path, content, what) = match self.random.below(4) {
            0 => (
                "limits",
                format!("/etc/security/limits.d/{name}.conf"),
                format!("{name} hard nofile 5\n"),
                format!("both = {{ nofile = {number} }}, soft = {{ core = 0 }}"),
            ),
            1 => (
                "logrotate",
                format!("/etc/logrotate.d/{name}"),
                format!("/var/log/{name}.log {{\n    weekly\n}}\n"),
                format!("paths = \"/var/log/{name}.log\", every = daily, keep = {number}, missing_ok = true"),
            ),
            2 => (
                "tmpfiles",
                format!("/etc/tmpfiles.d/{name}.conf"),
                format!("d /srv/{name} 0700 root root -\n"),
                format!(
                    "lines = [\"d /srv/{name} 0750 root root -\", \"f /srv/{name}/mode 0600 - - - fast\", \"L+ /srv/{name}l - - - - /srv/{name}\"]"
                ),
            ),
            _ => (
                "sudoers",
                format!("/etc/sudoers.d/{name}"),
                "nobody ALL=(root) /bin/false\n".to_owned(),
                "users = \"root\", commands = \"/bin/true\", nopasswd = true".to_owned(),
            ),
        };
        let is_there = self.random.chance(40);
        let mut setup = String::new();
        if is_there {
            let mode = if kind == "sudoers" { "0440" } else { "0644" };
            setup = format!("printf %s {} > {path}; chmod {mode} {path}\n", word(&content));
        }
        let goes = self.random.chance(if is_there { 40 } else { 10 });
        let what = if goes { "state = absent".to_owned() } else { what };
        let at = self.add(setup, format!("{kind} {} {{ {what} }}\n", quoted(&name)), &[]);
        let mut paths = vec![path];
        if kind == "tmpfiles" && !goes {
            paths.extend(["", "/mode", "l"].map(|end| format!("/srv/{name}{end}")));
            self.about(at, format!("{kind}[\"{name}\"]"), &paths);
            if self.random.chance(50) {
                let below = format!("/srv/{name}/{}", self.name("f"));
                self.file(&below, None, false, &[at]);
            }
            return;
        }
        self.about(at, format!("{kind}[\"{name}\"]"), &paths);
    }

    /// What a machine has one of.
    pub(super) fn machine(&mut self) {
        match self.random.below(5) {
            0 => {
                let key = self.random.pick(&KERNEL);
                if !self.once(key) {
                    return;
                }
                let (was, number) =
                    if key.ends_with("forward") { (0, 1) } else { (self.random.below(90) + 10, self.random.below(90) + 110) };
                let value = if self.random.chance(20) { was } else { number };
                let setup = format!("sysctl -q -w {key}={was}\n");
                let at = self.add(setup, format!("sysctl {} {{ value = {value} }}\n", quoted(key)), &[]);
                self.about(at, format!("sysctl[\"{key}\"]"), &["/etc/sysctl.d/60-stead.conf".to_owned()]);
            }
            1 if self.once("timezone") => {
                let zone = self.random.pick(&["Europe/Berlin", "Asia/Tokyo", "Etc/UTC"]);
                let at = self.add("", format!("timezone {} {{}}\n", quoted(zone)), &[]);
                let paths = ["/etc/localtime", "/etc/timezone"].map(str::to_owned);
                self.about(at, format!("timezone[\"{zone}\"]"), &paths);
            }
            2 if self.once("hostname") => {
                let name = format!("{}.example.org", self.name("host"));
                let at = self.add("", format!("hostname {} {{ hosts = true }}\n", quoted(&name)), &[]);
                self.about(at, format!("hostname[\"{name}\"]"), &["/etc/hostname", "/etc/hosts"].map(str::to_owned));
            }
            3 if self.once("locale") => {
                let there = if self.random.chance(40) { "echo 'LANG=C' > /etc/default/locale\n" } else { "" };
                let at = self.add(there, "locale \"C.UTF-8\" { default = true, variables = { LC_TIME = \"C\" } }\n", &[]);
                self.about(at, "locale[\"C.UTF-8\"]".to_owned(), &["/etc/default/locale".to_owned()]);
            }
            _ => {
                let name = format!("{}.example", self.name("k"));
                let is_there = self.random.chance(40);
                let setup = if is_there {
                    format!("echo '{name},other ssh-rsa AAAA' >> /etc/ssh/ssh_known_hosts\n")
                } else {
                    String::new()
                };
                let what = match self.random.below(3) {
                    0 => "state = absent".to_owned(),
                    1 => format!("key = \"{KEY}\", port = 2222"),
                    _ => format!("key = \"{KEY}\", purge = true"),
                };
                let at = self.add(setup, format!("known_host {} {{ {what} }}\n", quoted(&name)), &[]);
                self.about(at, format!("known_host[\"{name}\"]"), &["/etc/ssh/ssh_known_hosts".to_owned()]);
            }
        }
    }

    /// One program of several.
    pub(super) fn alternative(&mut self) {
        let name = self.name("alt");
        let link = format!("/usr/local/bin/{name}");
        let program = |which: &str| format!("/usr/local/lib/{name}-{which}");
        let (a, b) = (program("a"), program("b"));
        let mut setup = format!("for p in {a} {b}; do echo '#!/bin/sh' > $p; chmod 755 $p; done\n");
        let is_there = self.random.chance(50);
        if is_there {
            setup += &format!("update-alternatives --quiet --install {link} {name} {a} 10\n");
            if self.random.chance(50) {
                setup += &format!("update-alternatives --quiet --install {link} {name} {b} 20\n");
            }
        }
        let paths = [link.clone(), format!("/etc/alternatives/{name}"), format!("/var/lib/dpkg/alternatives/{name}")];
        let goes = is_there && self.random.chance(25);
        let what = if goes {
            "state = absent".to_owned()
        } else {
            format!("path = {}, link = {}, priority = {}", quoted(&b), quoted(&link), self.random.below(40) + 1)
        };
        let at = self.add(setup, format!("alternatives {} {{ {what} }}\n", quoted(&name)), &[]);
        self.about(at, format!("alternatives[\"{name}\"]"), &paths);
        if !goes && self.random.chance(40) {
            let other = format!("{name} other");
            let source = format!(
                "alternatives {} {{ name = {}, path = {}, link = {}, priority = 5, selected = false }}\n",
                quoted(&other),
                quoted(&name),
                quoted(&a),
                quoted(&link)
            );
            let at = self.add("", source, &[at]);
            self.about(at, format!("alternatives[\"{other}\"]"), &paths);
        }
    }

    /// A unit with its drop-in and its service, or a timer.
    pub(super) fn unit(&mut self) {
        let name = self.name("unit");
        let path = |end: &str| format!("/etc/systemd/system/{name}{end}");
        if self.random.chance(40) {
            return self.timer(&name);
        }
        let is_there = self.random.chance(35);
        let mut setup = String::new();
        if is_there {
            let old = "[Service]\nExecStart=/bin/sleep 1000000\n\n[Install]\nWantedBy=multi-user.target\n";
            setup = format!("printf %s {} > {}; systemctl daemon-reload\n", word(old), path(".service"));
            if self.random.chance(60) {
                setup += &format!("systemctl -q enable --now {name}\n");
            }
        }
        let user = if self.random.chance(30) { ", User = \"nobody\"" } else { "" };
        let source = format!(
            "unit {} {{ sections = {{ Unit = {{ Description = \"{name}\" }}, Service = {{ ExecStart = \"/bin/sleep infinity\"{user} }}, \
             Install = {{ WantedBy = \"multi-user.target\" }} }} }}\n",
            quoted(&name)
        );
        let goes = is_there && self.random.chance(30);
        let source = if goes { format!("unit {} {{ state = absent }}\n", quoted(&name)) } else { source };
        let at = self.add(setup, source, &[]);
        self.about(at, format!("unit[\"{name}\"]"), &[path(".service")]);
        let mut watched = format!("unit[{}]", quoted(&name));
        let mut needs = vec![at];
        if !goes && self.random.chance(50) {
            let limits = format!("{name} limits");
            let source = format!(
                "unit {} {{ name = {}, drop_in = \"10-limits\", sections = {{ Service = {{ LimitNOFILE = {} }} }} }}\n",
                quoted(&limits),
                quoted(&name),
                self.random.below(1000) + 1000
            );
            let drop_in = self.add("", source, &[at]);
            self.about(drop_in, format!("unit[\"{limits}\"]"), &[path(".service.d"), path(".service.d/10-limits.conf")]);
            needs.push(drop_in);
            watched += &format!(", unit[{}]", quoted(&limits));
        }
        if goes {
            let source = format!("service {} {{ state = stopped, enabled = false }}\n", quoted(&name));
            self.add("", source, &[at]);
        } else if self.random.chance(80) {
            let state = self.random.pick(&["running", "running", "stopped"]);
            let enabled = self.random.chance(60);
            let source = format!("service {} {{ state = {state}, enabled = {enabled}, watch = [{watched}] }}\n", quoted(&name));
            self.add("", source, &needs);
        }
    }

    fn timer(&mut self, name: &str) {
        let path = |end: &str| format!("/etc/systemd/system/{name}{end}");
        let is_there = self.random.chance(40);
        let mut setup = String::new();
        if is_there {
            setup = format!(
                "printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' > {}\n\
                 printf '[Timer]\\nOnCalendar=yearly\\n\\n[Install]\\nWantedBy=timers.target\\n' > {}\nsystemctl daemon-reload\n",
                path(".service"),
                path(".timer")
            );
            if self.random.chance(60) {
                setup += &format!("systemctl -q enable --now {name}.timer\n");
            }
        }
        let goes = self.random.chance(if is_there { 40 } else { 10 });
        let hour = self.random.below(24);
        let what = if goes {
            "state = absent".to_owned()
        } else {
            format!("on_calendar = \"*-*-* {hour:02}:30:00\", command = \"/bin/true\", user = \"nobody\"")
        };
        let at = self.add(setup, format!("timer {} {{ {what} }}\n", quoted(name)), &[]);
        let wanted = format!("/etc/systemd/system/timers.target.wants/{name}.timer");
        // The folder comes with its first link.
        let folder = "/etc/systemd/system/timers.target.wants".to_owned();
        self.about(at, format!("timer[\"{name}\"]"), &[path(".timer"), path(".service"), wanted, folder]);
    }

    /// An archive that is unpacked, and what is done to what is in it.
    pub(super) fn archive(&mut self) {
        let name = self.name("arc");
        let (from, top) = (format!("/opt/{name}.tar.gz"), format!("/srv/{name}"));
        let content = self.random.text();
        let mut setup = format!(
            "mkdir -p /tmp/{name}/app/bin /tmp/{name}/app/etc; printf '#!/bin/sh\\n' > /tmp/{name}/app/bin/run; chmod 755 /tmp/{name}/app/bin/run\n\
             printf %s {} > /tmp/{name}/app/etc/app.conf; ln -s bin/run /tmp/{name}/app/start\n\
             tar -C /tmp/{name} -czf {from} --owner=1000 --group=1000 app; rm -r /tmp/{name}\n",
            word(&content)
        );
        let mut needs = Vec::new();
        let is_there = self.random.chance(50);
        if is_there {
            setup += &format!("mkdir {top}\n");
            if self.random.chance(60) {
                setup += &format!(
                    "tar -C {top} -xzf {from} --no-same-owner; echo other > {top}/app/etc/app.conf; echo own > {top}/app/own\n"
                );
            }
        } else {
            needs.push(self.add("", format!("directory {} {{}}\n", quoted(&top)), &[]));
        }
        let creates = if self.random.chance(40) { format!(", creates = \"{top}/app\"") } else { String::new() };
        let strip = if creates.is_empty() && self.random.chance(30) { ", strip = 1" } else { "" };
        let source = format!(
            "archive {} {{ from = {}, owner = \"root\", group = \"root\"{creates}{strip} }}\n",
            quoted(&top),
            quoted(&from)
        );
        let at = self.add(setup, source, &needs.clone());
        let within = if strip.is_empty() { "/app" } else { "" };
        let names = ["", "/bin", "/bin/run", "/etc", "/etc/app.conf", "/start"].map(|end| format!("{top}{within}{end}"));
        self.about(at, format!("archive[\"{top}\"]"), &names);
        needs.push(at);
        if creates.is_empty() || !self.random.chance(50) {
            let extra = format!("{top}{within}/etc/{}", self.name("f"));
            self.file(&extra, None, false, &needs);
        }
    }

    /// A file system in memory, or a directory at another place, with a file in it.
    pub(super) fn mount(&mut self) {
        let name = self.name("m");
        let (path, table) = (format!("/mnt/{name}"), "/etc/fstab".to_owned());
        if self.random.chance(25) {
            let kept = self.random.chance(60);
            let mut setup = format!("mkdir {path}; mount -t tmpfs -o size=1m,mode=0755 tmpfs {path}\n");
            if kept {
                setup += &format!("echo 'tmpfs {path} tmpfs size=1m,mode=0755 0 0' >> /etc/fstab\n");
            }
            let at = self.add(setup, format!("mount {} {{ state = absent }}\n", quoted(&path)), &[]);
            return self.about(at, format!("mount[\"{path}\"]"), &[path.clone(), table]);
        }
        let mut setup = if self.random.chance(40) { format!("mkdir -m 0700 {path}\n") } else { String::new() };
        let is_bind = self.random.chance(40);
        let (what, below) = if is_bind {
            setup += &format!("mkdir /srv/{name}; echo in > /srv/{name}/inner\n");
            (format!("device = \"/srv/{name}\", options = [\"bind\"]"), Some(format!("/srv/{name}")))
        } else {
            ("device = \"tmpfs\", fstype = \"tmpfs\", options = \"size=1m,mode=0750\"".to_owned(), None)
        };
        let persistent = if self.random.chance(70) { "" } else { ", persistent = false" };
        let source = format!("mount {} {{ {what}, create_directory = true{persistent} }}\n", quoted(&path));
        let at = self.add(setup, source, &[]);
        self.about(at, format!("mount[\"{path}\"]"), &[path.clone(), format!("{path}/inner"), table]);
        if self.random.chance(50) {
            let file = self.name("f");
            let at = self.file(&format!("{path}/{file}"), None, false, &[at]);
            if let Some(below) = below {
                self.about(at, format!("file[\"{path}/{file}\"]"), &[format!("{below}/{file}")]);
            }
        }
    }

    /// Swap space from the next boot on. Used now it would be the swap space of the machine that the tests run on, whose kernel it is,
    /// and a file on an overlay is none that the kernel takes.
    pub(super) fn swap(&mut self) {
        let spec = format!("UUID={}", self.name("s"));
        let is_there = self.random.chance(50);
        let options = self.random.pick(&["sw", "pri=5", "discard,pri=3"]);
        let setup = if is_there { format!("echo '{spec} none swap {options} 0 0' >> /etc/fstab\n") } else { String::new() };
        let what = match self.random.below(4) {
            0 => "state = absent",
            1 => "active = false, priority = 7",
            2 => "active = false, options = \"discard\"",
            _ => "active = false",
        };
        let at = self.add(setup, format!("swap {} {{ {what} }}\n", quoted(&spec)), &[]);
        self.about(at, format!("swap[\"{spec}\"]"), &["/etc/fstab".to_owned()]);
    }

    /// A module of the kernel from the next boot on: its list, its options, or that it is kept away. Loaded now it would be in the
    /// kernel of the machine that the tests run on.
    pub(super) fn kernel_module(&mut self) {
        let name = self.name("km");
        let (list, settings) = (format!("/etc/modules-load.d/{name}.conf"), format!("/etc/modprobe.d/{name}.conf"));
        let mut setup = String::new();
        if self.random.chance(40) {
            setup += &format!("mkdir -p /etc/modules-load.d; echo {name} > {list}\n");
        }
        if self.random.chance(40) {
            setup += &format!(
                "mkdir -p /etc/modprobe.d; printf '# ours\\noptions {name} old=1\\n' > {settings}; chmod 0640 {settings}\n"
            );
        }
        let number = self.random.below(90) + 10;
        let what = match self.random.below(5) {
            0 => "loaded = false".to_owned(),
            1 => format!("loaded = false, options = {{ depth = {number} }}"),
            2 => "loaded = false, options = {}, blacklisted = false".to_owned(),
            3 => "state = absent, blacklisted = true".to_owned(),
            _ => "state = absent, forbidden = true".to_owned(),
        };
        let at = self.add(setup, format!("kernel_module {} {{ {what} }}\n", quoted(&name)), &[]);
        let paths = [list, settings, "/etc/modules-load.d".to_owned(), "/etc/modprobe.d".to_owned()];
        self.about(at, format!("kernel_module[\"{name}\"]"), &paths);
    }

    /// A package source, and what comes from it.
    pub(super) fn source(&mut self) {
        if !self.once("repository") {
            return;
        }
        let name = self.name("rep");
        let (format, path) = if self.random.chance(50) {
            (", format = one_line", format!("/etc/apt/sources.list.d/{name}.list"))
        } else {
            ("", format!("/etc/apt/sources.list.d/{name}.sources"))
        };
        let source = format!(
            "repository {} {{ uris = \"file:///opt/stead-tests/repo-extra\", suites = \"./\", trusted = true{format} }}\n",
            quoted(&name)
        );
        let at = self.add("", source, &[]);
        self.about(at, format!("repository[\"{name}\"]"), &[path, "/var/lib/apt/".to_owned()]);
        if self.random.chance(70) {
            let package = self.add("", "package \"demo-tool\" {}\n", &[at]);
            if self.random.chance(60) {
                let content = self.random.text();
                let source = format!(
                    "file \"/etc/demo-tool/tool.conf\" {{ content = {}, require = [package[\"demo-tool\"]] }}\n",
                    quoted(&content)
                );
                self.add("", source, &[at, package]);
            }
        }
    }

    /// What only looks.
    pub(super) fn check(&mut self) {
        let name = self.name("port");
        let what = if self.random.chance(70) { "port = 22" } else { "port = 1, state = closed" };
        self.add("", format!("port_check {} {{ {what}, within = 5s }}\n", quoted(&name)), &[]);
    }

    /// Accounts that go.
    pub(super) fn leaver(&mut self) {
        let user = self.name("u");
        let there = self.random.chance(80);
        let setup = if there {
            format!(
                "useradd -m -s /bin/sh {user}; echo note > /home/{user}/note; chown {user} /home/{user}/note; chmod 0600 /home/{user}/note\n"
            )
        } else {
            String::new()
        };
        let home = if self.random.chance(60) { ", remove_home = true" } else { "" };
        let at = self.add(setup, format!("user {} {{ state = absent{home} }}\n", quoted(&user)), &[]);
        self.about(at, format!("user[\"{user}\"]"), &[format!("/home/{user}/"), format!("/var/mail/{user}")]);
    }
}
