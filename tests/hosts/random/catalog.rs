//! Catalogs from seeds.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Numbers from a seed (SplitMix64): the same on every machine.
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("a small number")
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A few lines of text.
    pub(super) fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["alpha", "beta = 1", "# comment", "gamma 2", "", "delta: x", "listen 80", "ünïcode"];
        let count = self.below(5) + 1;
        (0..count).fold(String::new(), |text, _| text + self.pick(&WORDS) + "\n")
    }

    pub(super) fn mode(&mut self) -> &'static str {
        self.pick(&["0644", "0600", "0640", "0755", "0444"])
    }
}

/// One resource, with what is on the host before and what it is about.
#[derive(Clone, Debug, Default)]
struct Item {
    setup: String,
    source: String,
    /// Its id, and the files it is about where it is not named by one.
    touches: Option<(String, Vec<String>)>,
    /// Items that only make sense with it, by position, and so go with it.
    needs: Vec<usize>,
    /// What a web server has for it: a path and what is there.
    page: Option<(String, String)>,
}

/// What stands in a source for the address of the web server, which another host has otherwise.
pub(super) const WEB: &str = "http://web.example";

/// A catalog.
#[derive(Clone, Debug)]
pub(super) struct Catalog {
    items: Vec<Item>,
}

impl Catalog {
    /// The catalog of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut maker = Maker {
            random: Random(seed),
            tag: format!("r{seed}"),
            items: Vec::new(),
            count: 0,
            packages: BTreeSet::new(),
            single: BTreeSet::new(),
        };
        let families = maker.random.below(7) + 3;
        for _ in 0..families {
            match maker.random.below(30) {
                0 | 1 => maker.account(),
                2 => maker.tree(),
                3 | 4 => maker.package(),
                5 => maker.service(),
                6 => maker.edits(),
                7 => maker.entries(),
                8 => maker.command(),
                9 => maker.purge(),
                10 => maker.removal(),
                11 => maker.settings(),
                12 | 13 => maker.fragment(),
                14 | 15 => maker.machine(),
                16 => maker.alternative(),
                17 | 18 => maker.unit(),
                19 => maker.archive(),
                20 => maker.mount(),
                21 => maker.source(),
                22 => maker.check(),
                23 => maker.leaver(),
                24 => maker.repository(),
                25 => maker.environment(),
                26 => maker.download(),
                27 => maker.swap(),
                28 => maker.kernel_module(),
                _ => maker.lone_file(),
            }
        }
        if maker.items.is_empty() {
            maker.tree();
        }
        Self { items: maker.items }
    }

    /// How many resources it has.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The same without one resource, and without what needs it.
    pub(super) fn without(&self, position: usize) -> Option<Self> {
        let mut gone = BTreeSet::from([position]);
        for (index, item) in self.items.iter().enumerate() {
            if item.needs.iter().any(|needed| gone.contains(needed)) {
                gone.insert(index);
            }
        }
        if position >= self.items.len() || gone.len() == self.items.len() {
            return None;
        }
        let moved = |index: &usize| index - gone.iter().filter(|gone| *gone < index).count();
        let kept = self.items.iter().enumerate().filter(|(index, _)| !gone.contains(index));
        let items = kept.map(|(_, item)| Item { needs: item.needs.iter().map(moved).collect(), ..item.clone() }).collect();
        Some(Self { items })
    }

    /// Shell commands that make the host what it is before.
    pub(super) fn setup(&self) -> String {
        self.items.iter().fold("set -e\numask 022\n".to_owned(), |text, item| text + &item.setup)
    }

    pub(super) fn source(&self) -> String {
        self.items.iter().fold(String::new(), |text, item| text + &item.source)
    }

    /// What a web server has for it.
    pub(super) fn pages(&self) -> impl Iterator<Item = &(String, String)> {
        self.items.iter().filter_map(|item| item.page.as_ref())
    }

    pub(super) fn touches(&self) -> Vec<(String, Vec<String>)> {
        self.items.iter().filter_map(|item| item.touches.clone()).collect()
    }
}

/// Makes a catalog, family by family.
pub(super) struct Maker {
    pub(super) random: Random,
    tag: String,
    items: Vec<Item>,
    count: usize,
    packages: BTreeSet<&'static str>,
    /// What a machine has one of and the catalog speaks of.
    single: BTreeSet<String>,
}

/// A text as a literal of the language.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace("${", "\\${");
    format!("\"{escaped}\"")
}

/// A text as a word of the shell.
pub(super) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

impl Maker {
    /// A name that nothing else has.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}{}x{}", self.tag, self.count)
    }

    pub(super) fn add(&mut self, setup: impl Into<String>, source: impl Into<String>, needs: &[usize]) -> usize {
        let (setup, source) = (setup.into(), source.into());
        self.items.push(Item { setup, source, touches: None, needs: needs.to_vec(), page: None });
        self.items.len() - 1
    }

    /// Has the web server hold something for a resource.
    pub(super) fn serve(&mut self, position: usize, path: String, content: String) {
        self.items[position].page = Some((path, content));
    }

    pub(super) fn about(&mut self, position: usize, id: String, paths: &[String]) {
        self.items[position].touches = Some((id, paths.to_vec()));
    }

    /// Says whether nothing was said of it yet: two resources would disagree.
    pub(super) fn once(&mut self, what: &str) -> bool {
        self.single.insert(what.to_owned())
    }

    /// Something that is at a path before: nothing, the same, or something else.
    pub(super) fn before(&mut self, path: &str, content: &str) -> String {
        match self.random.below(4) {
            0 => format!("printf %s {} > {path}\n", word(content)),
            1 => {
                let other = self.random.text();
                let mode = self.random.mode();
                format!("printf %s {} > {path}; chmod {mode} {path}\n", word(&other))
            }
            _ => String::new(),
        }
    }

    /// A file with random content, perhaps of somebody.
    pub(super) fn file(&mut self, path: &str, owner: Option<(&str, &str)>, can_be_there: bool, needs: &[usize]) -> usize {
        let content = self.random.text();
        let setup = if can_be_there { self.before(path, &content) } else { String::new() };
        let mut source = format!("file {} {{ content = {}", quoted(path), quoted(&content));
        if self.random.chance(70) {
            let _ = write!(source, ", mode = {}", self.random.mode());
        }
        if let Some((user, group)) = owner {
            let _ = write!(source, ", owner = {}, group = {}", quoted(user), quoted(group));
        }
        source.push_str(" }\n");
        self.add(setup, source, needs)
    }

    fn lone_file(&mut self) {
        let path = format!("/etc/{}", self.name("f"));
        if self.random.chance(25) {
            let there = self.random.chance(70);
            let setup = if there { format!("printf 'gone\\n' > {path}; chmod 0640 {path}\n") } else { String::new() };
            self.add(setup, format!("file {} {{ state = absent }}\n", quoted(&path)), &[]);
        } else {
            self.file(&path, None, true, &[]);
        }
    }

    /// A group, a user of it, and what is in the home.
    fn account(&mut self) {
        let (group, user) = (self.name("g"), self.name("u"));
        let is_there = self.random.chance(25);
        let there = if is_there { format!("groupadd {group}\n") } else { String::new() };
        let made = self.add(there, format!("group {} {{}}\n", quoted(&group)), &[]);
        let (shell, comment) =
            (self.random.pick(&["/bin/sh", "/bin/bash", "/usr/sbin/nologin"]), self.random.pick(&["", "A user", "Üser"]));
        let home = format!("/home/{user}");
        let user_there = is_there && self.random.chance(50);
        let setup = if user_there { format!("useradd -m -g {group} -s /bin/sh {user}\n") } else { String::new() };
        let extra = if self.random.chance(30) { ", groups = [\"adm\"]" } else { "" };
        let source = format!(
            "user {} {{ group = {}, home = {}, create_home = true, shell = {}, comment = {}{extra} }}\n",
            quoted(&user),
            quoted(&group),
            quoted(&home),
            quoted(shell),
            quoted(comment)
        );
        let user_at = self.add(setup, source, &[made]);
        let owner = Some((user.as_str(), group.as_str()));
        for _ in 0..self.random.below(3) {
            let path = format!("{home}/{}", self.name("f"));
            self.file(&path, owner, false, &[user_at]);
        }
        if self.random.chance(50) {
            let directory = format!("{home}/{}", self.name("d"));
            let source = format!(
                "directory {} {{ owner = {}, group = {}, mode = {} }}\n",
                quoted(&directory),
                quoted(&user),
                quoted(&group),
                self.random.pick(&["0755", "0700", "0750"])
            );
            let at = self.add("", source, &[user_at]);
            let path = format!("{directory}/{}", self.name("f"));
            self.file(&path, owner, false, &[user_at, at]);
            if self.random.chance(50) {
                let link = format!("{home}/{}", self.name("l"));
                self.add("", format!("symlink {} {{ target = {} }}\n", quoted(&link), quoted(&directory)), &[user_at, at]);
            }
        }
        if self.random.chance(40) {
            let minute = self.random.below(60);
            let at = self.add(
                "",
                format!(
                    "cron {} {{ user = {}, at = \"{} 4 * * *\", command = \"/bin/true\" }}\n",
                    quoted(&user),
                    quoted(&user),
                    minute
                ),
                &[user_at],
            );
            self.about(at, format!("cron[\"{user}\"]"), &[format!("/var/spool/cron/crontabs/{user}")]);
        }
        if self.random.chance(40) {
            let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm";
            let at = self.add(
                "",
                format!("authorized_key {} {{ user = {}, key = {} }}\n", quoted(&user), quoted(&user), quoted(key)),
                &[user_at],
            );
            let paths = [format!("{home}/.ssh"), format!("{home}/.ssh/authorized_keys")];
            self.about(at, format!("authorized_key[\"{user}\"]"), &paths);
        }
        if self.random.chance(30) {
            let name = self.name("s");
            let at = self.add(
                "",
                format!("sudoers {} {{ users = {}, commands = \"/bin/true\", nopasswd = true }}\n", quoted(&name), quoted(&user)),
                &[user_at],
            );
            self.about(at, format!("sudoers[\"{name}\"]"), &[format!("/etc/sudoers.d/{name}")]);
        }
    }

    /// A directory with files, directories and links in it.
    fn tree(&mut self) {
        let top = format!("/srv/{}", self.name("t"));
        let is_there = self.random.chance(40);
        let setup = if is_there { format!("mkdir -p {top}; chmod 0700 {top}\n") } else { String::new() };
        let mode = self.random.pick(&["0755", "0750", "0711"]);
        let at = self.add(setup, format!("directory {} {{ mode = {mode} }}\n", quoted(&top)), &[]);
        for _ in 0..self.random.below(4) + 1 {
            let path = format!("{top}/{}", self.name("f"));
            let file = self.file(&path, None, is_there, &[at]);
            if self.random.chance(30) {
                let link = format!("{top}/{}", self.name("l"));
                let there = is_there && self.random.chance(50);
                let setup = if there { format!("ln -s /etc/passwd {link}\n") } else { String::new() };
                self.add(setup, format!("symlink {} {{ target = {} }}\n", quoted(&link), quoted(&path)), &[at, file]);
            }
        }
    }

    /// A directory that is emptied but for what is declared.
    fn purge(&mut self) {
        let top = format!("/etc/{}.d", self.name("p"));
        let setup = format!("mkdir -p {top}/sub; echo a > {top}/stray; echo b > {top}/sub/deep; ln -s stray {top}/link\n");
        let at = self.add(setup, format!("directory {} {{ purge = true }}\n", quoted(&top)), &[]);
        let path = format!("{top}/kept");
        self.file(&path, None, true, &[at]);
    }

    fn removal(&mut self) {
        let top = format!("/srv/{}", self.name("gone"));
        let setup =
            format!("mkdir -p {top}/a/b; echo 1 > {top}/a/b/c; ln -s c {top}/a/b/d; chmod 0700 {top}/a; chown 1:1 {top}/a/b/c\n");
        let there = self.random.chance(80);
        self.add(if there { setup } else { String::new() }, format!("directory {} {{ state = absent }}\n", quoted(&top)), &[]);
    }

    /// A package, with its configuration and its service where it has them.
    fn package(&mut self) {
        const ALL: [&str; 9] =
            ["demo-lib", "demo-web", "demo-old", "demo-multi", "demo-chain-a", "demo-left", "demo-mta", "demo-idle", "demo-web"];
        let name = ALL[self.random.below(ALL.len())];
        // `demo-lib` comes and goes with `demo-web`.
        if !self.packages.insert(name) || (name == "demo-lib" || name == "demo-web") && !self.packages.insert("demo-lib+web") {
            return;
        }
        let is_there = self.random.chance(35);
        let install = if is_there { format!("apt-get -q install -y {name} >/dev/null 2>&1\n") } else { String::new() };
        let removes = self.random.chance(if is_there { 40 } else { 10 });
        if removes {
            let state = self.random.pick(&["absent", "purged"]);
            self.add(install, format!("package {} {{ state = {state} }}\n", quoted(name)), &[]);
            return;
        }
        let version = if name == "demo-multi" && self.random.chance(60) {
            format!("version = {}", quoted(self.random.pick(&["1.0", "1.*", "2.0"])))
        } else {
            String::new()
        };
        let at = self.add(install, format!("package {} {{ {version} }}\n", quoted(name)), &[]);
        let reference = format!("package[{}]", quoted(name));
        let conffile = match name {
            "demo-web" => "/etc/demo-web/demo.conf",
            "demo-old" => "/etc/demo-old/old.conf",
            _ => "",
        };
        let mut watched = String::new();
        let mut needs = vec![at];
        if !conffile.is_empty() && self.random.chance(60) {
            let content = self.random.text();
            let group = if name == "demo-web" && self.random.chance(50) { ", group = \"demo-web\"" } else { "" };
            let source = format!(
                "file {} {{ content = {}, mode = 0640{group}, require = [{reference}] }}\n",
                quoted(conffile),
                quoted(&content)
            );
            let setup = if is_there && self.random.chance(40) { format!("echo changed >> {conffile}\n") } else { String::new() };
            needs.push(self.add(setup, source, &[at]));
            watched = format!(", watch = [file[{}]]", quoted(conffile));
        } else if conffile == "/etc/demo-old/old.conf" && self.random.chance(50) {
            let source = format!(
                "line \"mode = {}\" {{ path = {}, match = r\"^mode\", require = [{reference}] }}\n",
                self.random.pick(&["new", "legacy"]),
                quoted(conffile)
            );
            let id = source.split(" { ").next().unwrap_or_default().replacen("line ", "line[", 1) + "]";
            let line = self.add("", source, &[at]);
            self.about(line, id, &[conffile.to_owned()]);
        }
        if name == "demo-web" && self.random.chance(50) {
            let path = format!("/etc/demo-web/conf.d/{}.conf", self.name("c"));
            let content = self.random.text();
            let source = format!("file {} {{ content = {}, require = [{reference}] }}\n", quoted(&path), quoted(&content));
            needs.push(self.add("", source, &[at]));
        }
        if matches!(name, "demo-web" | "demo-old" | "demo-idle") && self.random.chance(70) {
            let state = self.random.pick(&["running", "running", "stopped"]);
            let enabled = self.random.chance(70);
            let source = format!(
                "service {} {{ state = {state}, enabled = {enabled}, require = [{reference}]{watched} }}\n",
                quoted(name)
            );
            self.add("", source, &needs);
        }
    }

    /// A unit of one's own.
    fn service(&mut self) {
        let name = self.name("unit");
        let path = format!("/etc/systemd/system/{name}.service");
        let unit = format!(
            "[Unit]\nDescription={name}\n\n[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        let old = unit.replace("infinity", "1000000");
        let is_there = self.random.chance(35);
        let setup = match (is_there, self.random.chance(50)) {
            (false, _) => String::new(),
            (true, runs) => {
                let start = if runs { format!("systemctl -q enable --now {name}\n") } else { String::new() };
                format!("printf %s {} > {path}; systemctl daemon-reload\n{start}", word(&old))
            }
        };
        let at = self.add(setup, format!("file {} {{ content = {} }}\n", quoted(&path), quoted(&unit)), &[]);
        let state = self.random.pick(&["running", "running", "stopped"]);
        let enabled = self.random.chance(60);
        let source =
            format!("service {} {{ state = {state}, enabled = {enabled}, watch = [file[{}]] }}\n", quoted(&name), quoted(&path));
        self.add("", source, &[at]);
    }

    /// Edits of one file, which is there or is made first.
    fn edits(&mut self) {
        let path = format!("/etc/{}.ini", self.name("e"));
        let seed = "[server]\nworkers = 2\n# note\nlisten = 127.0.0.1\n\n[log]\nlevel = debug\n";
        let mut needs = Vec::new();
        let is_there = self.random.chance(50);
        let mut setup = if is_there { format!("printf %s {} > {path}\n", word(seed)) } else { String::new() };
        if !is_there {
            let source = format!("file {} {{ content = {}, create_only = true }}\n", quoted(&path), quoted(seed));
            needs.push(self.add("", source, &[]));
        }
        for _ in 0..self.random.below(3) + 1 {
            let name = self.name("edit");
            let (source, id) = match self.random.below(4) {
                0 => {
                    let value = self.random.pick(&["1", "2", "8"]);
                    (
                        format!(
                            "ini {} {{ path = {}, section = \"server\", settings = {{ {name} = {value} }} }}\n",
                            quoted(&name),
                            quoted(&path)
                        ),
                        format!("ini[\"{name}\"]"),
                    )
                }
                1 => (
                    format!(
                        "block {} {{ path = {}, content = {} }}\n",
                        quoted(&name),
                        quoted(&path),
                        quoted(&format!("# {name}\nkey = {name}"))
                    ),
                    format!("block[\"{name}\"]"),
                ),
                2 => (
                    format!("line {} {{ path = {} }}\n", quoted(&format!("# {name}")), quoted(&path)),
                    format!("line[\"# {name}\"]"),
                ),
                _ => (
                    format!(
                        "line {} {{ path = {}, match = r\"^# {name}$\", after = r\"^\\[log\\]\" }}\n",
                        quoted(&format!("# {name}")),
                        quoted(&path)
                    ),
                    format!("line[\"# {name}\"]"),
                ),
            };
            let at = self.add(std::mem::take(&mut setup), source, &needs.clone());
            self.about(at, id, std::slice::from_ref(&path));
            // The first one makes the host what it is before.
            needs = if is_there { vec![at] } else { needs };
        }
    }

    /// Entries of files that everybody shares.
    fn entries(&mut self) {
        let name = self.name("n");
        match self.random.below(3) {
            0 => {
                let host = format!("{name}.example");
                let octet = self.random.below(250) + 1;
                let at = self.add(
                    "",
                    format!("host {} {{ ip = \"10.9.8.{octet}\", aliases = [{}] }}\n", quoted(&host), quoted(&name)),
                    &[],
                );
                self.about(at, format!("host[\"{host}\"]"), &["/etc/hosts".to_owned()]);
            }
            1 => {
                let variable = name.to_uppercase();
                let value = self.random.below(100);
                let at = self.add("", format!("environment {} {{ value = \"{}\" }}\n", quoted(&variable), value), &[]);
                self.about(at, format!("environment[\"{variable}\"]"), &["/etc/environment".to_owned()]);
            }
            _ => {
                let at = self.add(
                    "",
                    format!("cron {} {{ at = \"@daily\", command = \"/bin/true\", file = {} }}\n", quoted(&name), quoted(&name)),
                    &[],
                );
                self.about(at, format!("cron[\"{name}\"]"), &[format!("/etc/cron.d/{name}")]);
            }
        }
    }

    /// A command that says what it makes, and the access to that.
    fn command(&mut self) {
        let name = self.name("cmd");
        let path = format!("/srv/{name}");
        let is_there = self.random.chance(30);
        let setup = if is_there { format!("echo there > {path}\n") } else { String::new() };
        let run = format!("echo made > {path}");
        let form = self.random.below(3);
        let guard = match form {
            0 => format!("creates = {}", quoted(&path)),
            1 => format!("unless = {}, creates = {}", quoted(&format!("test -e {path}")), quoted(&path)),
            _ => format!(
                "unless = {}, writes = [{}]",
                quoted(&format!("grep -qx made {path} || grep -qx there {path}")),
                quoted(&path)
            ),
        };
        let at = self.add(setup, format!("exec {} {{ command = {}, {guard} }}\n", quoted(&name), quoted(&run)), &[]);
        self.about(at, format!("exec[\"{name}\"]"), std::slice::from_ref(&path));
        if self.random.chance(50) {
            let mode = self.random.pick(&["0600", "0640"]);
            let source = format!("file {} {{ mode = {mode}, require = [exec[{}]] }}\n", quoted(&path), quoted(&name));
            self.add("", source, &[at]);
        }
        // Of what a command writes it is known only afterwards whether it is there: the plan says so, and the apply decides.
        if form < 2 && self.random.chance(40) {
            let other = self.name("cmd");
            let source = format!(
                "exec {} {{ command = \"/bin/false\", unless = {}, require = [exec[{}]] }}\n",
                quoted(&other),
                quoted(&format!("test -e {path}")),
                quoted(&name)
            );
            self.add("", source, &[at]);
        }
    }
}
