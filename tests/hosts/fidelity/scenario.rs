//! What the scenarios really do, told without any tool.

/// One content change of a resource.
pub(super) struct Content {
    pub(super) id: String,
    /// An entry of a system file: the values count, not the layout.
    pub(super) is_entry: bool,
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
}

/// One scenario.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) content: Vec<Content>,
    /// Shell tests that hold at the end.
    pub(super) end: Vec<String>,
    /// Services that are restarted rather than started.
    pub(super) restarted: &'static [&'static str],
    /// Resources that have nothing to do.
    pub(super) idle: &'static [&'static str],
    /// Resources that are not named by a path → the files they are about.
    pub(super) touches: Vec<(String, Vec<String>)>,
}

fn scenario(name: &'static str) -> Scenario {
    Scenario { name, content: Vec::new(), end: Vec::new(), restarted: &[], idle: &[], touches: Vec::new() }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

impl Scenario {
    /// Lines of a file.
    fn content(self, path: &str, added: &str, removed: &str) -> Self {
        self.lines(&format!("file[\"{path}\"]"), added, removed)
    }

    /// Lines of a file that a resource edits.
    fn lines(mut self, id: &str, added: &str, removed: &str) -> Self {
        self.content.push(Content { id: id.to_owned(), is_entry: false, added: lines(added), removed: lines(removed) });
        self
    }

    /// Values of an entry.
    fn entry(mut self, id: &str, added: &str, removed: &str) -> Self {
        self.content.push(Content { id: id.to_owned(), is_entry: true, added: lines(added), removed: lines(removed) });
        self
    }

    fn end(mut self, tests: &[&str]) -> Self {
        self.end.extend(tests.iter().map(|&test| test.to_owned()));
        self
    }

    fn restarted(mut self, ids: &'static [&'static str]) -> Self {
        self.restarted = ids;
        self
    }

    fn idle(mut self, ids: &'static [&'static str]) -> Self {
        self.idle = ids;
        self
    }

    fn touches(mut self, id: &str, paths: &[&str]) -> Self {
        self.touches.push((id.to_owned(), paths.iter().map(|&path| path.to_owned()).collect()));
        self
    }

    /// A path with its mode, owner and group at the end.
    fn owned(self, path: &str, access: &str) -> Self {
        let test = format!("test \"$(stat -c '%a %U %G' {path})\" = '{access}'");
        self.end(&[&test])
    }
}

/// All twelve, in their order.
pub(super) fn all() -> Vec<Scenario> {
    vec![
        package(),
        repository(),
        account(),
        ownership(),
        archive(),
        unit(),
        edits(),
        cron(),
        system(),
        commands(),
        removal(),
        virtual_hosts(),
    ]
}

fn package() -> Scenario {
    scenario("01-package")
        .content(
            "/etc/demo-web/demo.conf",
            "listen = 127.0.0.1:8080\nworkers = 4\nroot = /srv/demo",
            "listen = 0.0.0.0:80\nworkers = 1\nroot = /usr/share/demo-web",
        )
        .content("/etc/demo-web/conf.d/limits.conf", "max_clients = 200\ntimeout = 30", "")
        .owned("/etc/demo-web/demo.conf", "640 root demo-web")
        .owned("/etc/demo-web/conf.d/limits.conf", "640 root demo-web")
        .end(&["systemctl is-active demo-web", "systemctl is-enabled demo-web"])
        .restarted(&["service[\"demo-web\"]"])
}

fn repository() -> Scenario {
    scenario("02-repository")
        .entry("repository[\"demo-extra\"]", "deb [trusted=yes] file:///opt/demo/repo-extra ./", "")
        .content("/etc/demo-tool/tool.conf", "color = never\npager = less", "color = auto")
        .touches("repository[\"demo-extra\"]", &["/etc/apt/sources.list.d/demo-extra.list"])
        .owned("/etc/apt/sources.list.d/demo-extra.list", "644 root root")
        .owned("/etc/demo-tool/tool.conf", "644 root root")
        .owned("/usr/bin/demo-tool", "755 root root")
        .end(&[
            "test \"$(cat /etc/apt/sources.list.d/demo-extra.list)\" = 'deb [trusted=yes] file:///opt/demo/repo-extra ./'",
            "test \"$(demo-tool)\" = 'demo-tool 3.3'",
        ])
}

fn account() -> Scenario {
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm";
    scenario("03-account")
        .content("/home/deploy/.bash_aliases", "alias ll='ls -l'\nalias gs='git status'", "")
        .entry("authorized_key[\"deploy@example.com\"]", &format!("ssh-ed25519 {KEY}"), "")
        .lines("sudoers[\"deploy\"]", "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart demo-web", "")
        .owned("/home/deploy/.bash_aliases", "644 deploy opsteam")
        .owned("/home/deploy/.ssh", "700 deploy opsteam")
        .owned("/home/deploy/.ssh/authorized_keys", "600 deploy opsteam")
        .owned("/etc/sudoers.d/deploy", "440 root root")
        .touches("authorized_key[\"deploy@example.com\"]", &["/home/deploy/.ssh", "/home/deploy/.ssh/authorized_keys"])
        .touches("sudoers[\"deploy\"]", &["/etc/sudoers.d/deploy"])
        .end(&[
            "test \"$(getent passwd deploy)\" = deploy:x:3100:3100::/home/deploy:/bin/bash",
            "test \"$(stat -c %U:%G /home/deploy)\" = deploy:opsteam",
            &format!("grep -qx 'ssh-ed25519 {KEY} deploy@example.com' /home/deploy/.ssh/authorized_keys"),
            "visudo -cq",
        ])
}

fn ownership() -> Scenario {
    scenario("04-ownership")
        .content("/srv/app/shared/app.env", "APP_PORT=9000\nAPP_LOG=/srv/app/shared/log/app.log\nAPP_MODE=production", "")
        .content("/srv/app/releases/r1/VERSION", "r1", "")
        .owned("/srv/app", "755 appsvc appsvc")
        .owned("/srv/app/releases/r1", "755 appsvc appsvc")
        .owned("/srv/app/shared/log", "750 appsvc appsvc")
        .owned("/srv/app/shared/app.env", "640 appsvc appsvc")
        .owned("/srv/app/current", "777 appsvc appsvc")
        .end(&[
            "test \"$(readlink /srv/app/current)\" = /srv/app/releases/r1",
            "test \"$(readlink /srv/app/releases/r1/log)\" = /srv/app/shared/log",
            "test \"$(getent passwd appsvc)\" = appsvc:x:3200:3200::/srv/app:/usr/sbin/nologin",
        ])
}

fn archive() -> Scenario {
    const RELEASE: &str = "/opt/app/releases/app-1.4.2";
    scenario("05-archive")
        .content(&format!("{RELEASE}/etc/app.conf"), "port = 9000\ndata = /var/lib/app", "")
        .content(&format!("{RELEASE}/etc/logging.conf"), "level = warn", "level = debug")
        .owned(&format!("{RELEASE}/bin/app"), "755 root root")
        .owned(&format!("{RELEASE}/etc/app.conf"), "644 root root")
        .owned(&format!("{RELEASE}/etc/logging.conf"), "644 root root")
        .touches(
            "archive[\"/opt/app/releases\"]",
            &[
                "/opt/app/releases/app-1.4.2",
                "/opt/app/releases/app-1.4.2/bin",
                "/opt/app/releases/app-1.4.2/bin/app",
                "/opt/app/releases/app-1.4.2/etc",
                "/opt/app/releases/app-1.4.2/etc/logging.conf",
            ],
        )
        .end(&[
            "test \"$(readlink /opt/app/current)\" = releases/app-1.4.2",
            "test \"$(/opt/app/current/bin/app)\" = 'app 1.4.2'",
        ])
}

fn unit() -> Scenario {
    scenario("06-unit")
        .content("/usr/local/bin/demo-beat", "#!/bin/sh\nwhile :; do date +%s > /run/demo-beat; sleep 60; done", "")
        .content(
            "/etc/systemd/system/demo-beat.service",
            "[Unit]\nDescription=Demo heartbeat\n[Service]\nExecStart=/usr/local/bin/demo-beat\nRestart=on-failure\n[Install]\nWantedBy=multi-user.target",
            "",
        )
        .content("/etc/systemd/system/demo-beat.service.d/10-limits.conf", "[Service]\nLimitNOFILE=4096", "")
        .owned("/usr/local/bin/demo-beat", "755 root root")
        .end(&[
            "systemctl is-active demo-beat",
            "systemctl is-enabled demo-beat",
            "test \"$(systemctl show -p LimitNOFILE --value demo-beat)\" = 4096",
        ])
}

fn edits() -> Scenario {
    scenario("07-edits")
        .content("/etc/demo-app/app.ini", "[server]\nworkers = 2\nlisten = 127.0.0.1:9000\n[log]\nlevel = debug", "")
        .entry("ini[\"workers\"]", "workers 8", "2")
        .entry("ini[\"level\"]", "level warn", "debug")
        .content("/etc/demo-app/env.sh", "export DEMO_MODE=dev\nexport DEMO_HOME=/srv/demo", "")
        .lines("line[\"export DEMO_MODE=production\"]", "export DEMO_MODE=production", "export DEMO_MODE=dev")
        .lines("line[\"export DEMO_REGION=north\"]", "export DEMO_REGION=north", "")
        .owned("/etc/demo-app", "755 root root")
        .owned("/etc/demo-app/app.ini", "644 root root")
        .owned("/etc/demo-app/env.sh", "644 root root")
        .end(&[
            "test \"$(cat /etc/demo-app/app.ini)\" = '[server]\nworkers = 8\nlisten = 127.0.0.1:9000\n\n[log]\nlevel = warn'",
            "test \"$(cat /etc/demo-app/env.sh)\" = 'export DEMO_MODE=production\nexport DEMO_HOME=/srv/demo\nexport DEMO_REGION=north'",
        ])
}

fn cron() -> Scenario {
    scenario("08-cron")
        .content("/usr/local/bin/batch-report", "#!/bin/sh\nset -e\ndate >> \"$HOME/report.log\"", "")
        .entry("cron[\"batch-report\"]", "17 3 /usr/local/bin/batch-report --daily", "")
        .owned("/usr/local/bin/batch-report", "755 batch batch")
        .owned("/var/spool/cron/crontabs/batch", "600 batch crontab")
        .touches("cron[\"batch-report\"]", &["/var/spool/cron/crontabs/batch"])
        .end(&["grep -qx '17 3 \\* \\* \\* /usr/local/bin/batch-report --daily' /var/spool/cron/crontabs/batch"])
}

fn system() -> Scenario {
    scenario("09-system")
        .entry("sysctl[\"net.core.somaxconn\"]", "net.core.somaxconn 2048", "")
        .entry("host[\"db.internal\"]", "10.20.30.40 db.internal db", "")
        .lines("environment[\"DEMO_ENV\"]", "DEMO_ENV=production", "")
        .entry("timezone[\"Europe/Berlin\"]", "Europe/Berlin", "")
        .owned("/etc/sysctl.d/60-demo.conf", "644 root root")
        .touches("sysctl[\"net.core.somaxconn\"]", &["/etc/sysctl.d/60-demo.conf"])
        .touches("host[\"db.internal\"]", &["/etc/hosts"])
        .touches("environment[\"DEMO_ENV\"]", &["/etc/environment"])
        .touches("timezone[\"Europe/Berlin\"]", &["/etc/localtime", "/etc/timezone"])
        .end(&[
            "grep -qx 'net.core.somaxconn *= *2048' /etc/sysctl.d/60-demo.conf",
            "test \"$(cat /proc/sys/net/core/somaxconn)\" = 2048",
            "grep -qx 'DEMO_ENV=production' /etc/environment",
            "grep -qE '^10.20.30.40[[:space:]]+db.internal[[:space:]]+db$' /etc/hosts",
            "test \"$(readlink -f /etc/localtime)\" = /usr/share/zoneinfo/Europe/Berlin",
        ])
}

fn commands() -> Scenario {
    scenario("10-exec")
        .content("/usr/local/sbin/gen-secret", "#!/bin/sh\numask 022\necho \"key material\" > \"$1\"", "")
        .owned("/etc/demo-secret", "750 root root")
        .owned("/etc/demo-secret/key", "600 root root")
        .owned("/etc/demo-secret/index", "640 root root")
        .end(&[
            "grep -qx 'key material' /etc/demo-secret/key",
            "test \"$(cat /etc/demo-secret/index)\" = registered",
            "test ! -e /etc/demo-secret/fallback",
        ])
        .idle(&["exec[\"fallback-key\"]"])
}

fn removal() -> Scenario {
    scenario("11-removal")
        .content("/etc/demo.d/10-keep.conf", "keep = new", "keep = old")
        .end(&[
            "test ! -e /etc/demo-old/old.conf",
            "test ! -e /var/lib/demo-old",
            "test ! -e /etc/legacy.conf",
            "test ! -e /srv/legacy",
            "test ! -e /usr/sbin/demo-old",
            "test \"$(ls -A /etc/demo.d)\" = 10-keep.conf",
            "! systemctl is-active demo-old",
            "! dpkg-query -W demo-old",
        ])
        .idle(&["file[\"/etc/demo-old/old.conf\"]", "directory[\"/var/lib/demo-old\"]"])
}

fn virtual_hosts() -> Scenario {
    let mut all = scenario("12-vhosts").owned("/etc/demo-web/sites", "750 root demo-web");
    for index in 1..=20 {
        let path = format!("/etc/demo-web/sites/site-{index:02}.conf");
        let text = format!(
            "server_name = site-{index:02}.example.com\nlisten = 127.0.0.1:81{index:02}\nroot = /srv/www/site-{index:02}"
        );
        all = all.content(&path, &text, "").owned(&path, "640 root demo-web");
    }
    all.end(&["systemctl is-active demo-web", "systemctl is-enabled demo-web"]).restarted(&["service[\"demo-web\"]"])
}
