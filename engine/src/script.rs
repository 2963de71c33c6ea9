//! What a maintainer script would do (Debian Policy, chapter 6), found by reading it on the predicted world.
//!
//! Scripts are run on paper: the branches that hold are taken, the commands that packages are made of (adduser, deb-systemd-helper,
//! update-alternatives, mkdir, chown …) have their effects predicted, and what depends on something that is not known is only possible.
//! A command that is not understood is remembered with its words: whatever it names may be different afterwards.

mod accounts;
mod commands;
mod conditions;
mod parse;
mod paths;
mod run;
mod units;
mod words;

use std::sync::Arc;

pub(crate) use run::Interpreter;

use crate::Predicted;

/// What a script did besides its effects on the predicted world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The words of what was not understood, one command each.
    pub spoken: Vec<Arc<str>>,
}

impl Predicted<'_> {
    /// A script is run with these arguments, and with `DPKG_MAINTSCRIPT_PACKAGE` set to `package`. `None` stands for an argument
    /// that is not known.
    pub fn run_script(&mut self, because: &str, package: &str, script: &str, arguments: &[Option<&str>]) -> Told {
        let Ok(parsed) = parse::parse(script) else {
            // A script in another language, or one beyond what is read here.
            return Told { spoken: vec![script.into()] };
        };
        let mut interpreter = Interpreter::new(self, because, package, arguments, &parsed);
        interpreter.run(&parsed.body);
        Told { spoken: interpreter.into_spoken() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::test_support::Files;
    use crate::{ActiveState, EnableState, FileKind, Known, Owner, World};

    const UNIT: &str = "[Service]\nExecStart=/usr/sbin/demo\n[Install]\nWantedBy=multi-user.target\n";

    /// Runs a script as `postinst configure` of a new package that ships `/usr/lib/systemd/system/demo.service`, and tests what is then there.
    fn configure(script: &str, test: impl FnOnce(&Predicted<'_>, &[Arc<str>])) {
        let files = [
            ("/run/systemd/system/x", ""),
            ("/usr/sbin/adduser", ""),
            ("/etc/kept", "kept\n"),
            ("/var/lib/dpkg/statoverride", "root root 755 /opt/x\n"),
        ];
        let base = Files::of(&files);
        let mut world = Predicted::new(&base);
        let unit = run::made(FileKind::File, 0o644);
        world.put(Path::new("/usr/lib/systemd/system/demo.service"), unit, Some(UNIT.as_bytes().into()));
        let told = world.run_script("package[\"demo\"]", "demo", script, &[Some("configure"), Some("")]);
        test(&world, &told.spoken);
    }

    /// What is at some paths: `-` nothing, `?` not known, else mode and content or target.
    fn paths(world: &Predicted<'_>, names: &[&str]) -> Vec<String> {
        let show = |name: &&str| match world.stat(Path::new(name)) {
            Ok(Known::Is(None)) => "-".to_owned(),
            Ok(Known::Is(Some(stat))) => {
                let text = world.read(Path::new(name)).ok().and_then(|seen| seen.value().cloned().flatten());
                let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let target = stat.target.map(|target| target.display().to_string());
                format!("{:o} {}", stat.mode, text.or(target).unwrap_or_default())
            }
            _ => "?".to_owned(),
        };
        names.iter().map(show).collect()
    }

    #[test]
    fn what_debhelper_writes_is_understood() {
        let script = r#"#!/bin/sh
set -e
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-deconfigure" ] || [ "$1" = "abort-remove" ] ; then
	# This will only remove masks created by d-s-h on package removal.
	deb-systemd-helper unmask 'demo.service' >/dev/null || true
	if deb-systemd-helper --quiet was-enabled 'demo.service'; then
		deb-systemd-helper enable 'demo.service' >/dev/null || true
	else
		deb-systemd-helper update-state 'demo.service' >/dev/null || true
	fi
fi
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] ; then
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			_dh_action=restart
		else
			_dh_action=start
		fi
		deb-systemd-invoke $_dh_action 'demo.service' >/dev/null || true
	fi
fi
"#;
        configure(script, |world, spoken| {
            let state = world.unit("demo.service").ok().and_then(|seen| seen.value().cloned()).expect("it is known");
            assert_eq!((state.active, state.enabled), (Known::Is(ActiveState::Active), Known::Is(EnableState::Enabled)));
            assert!(!state.needs_daemon_reload);
            assert_eq!(spoken, [""; 0].map(Arc::from));
        });
        configure("deb-systemd-invoke start demo.service\n", |world, _| {
            let state = world.unit("demo.service").ok().and_then(|seen| seen.value().cloned()).expect("it is known");
            assert_eq!(state.active, Known::Is(ActiveState::Inactive), "what is disabled is not started");
        });
    }

    #[test]
    fn accounts_are_made() {
        let script = r#"
case "$1" in
  configure)
    if ! getent group data >/dev/null; then addgroup --system --gid 990 data; fi
    if ! id demo >/dev/null 2>&1; then
      adduser --quiet --system --ingroup data --home /var/lib/demo --shell /bin/sh --gecos "Demo daemon" demo
    fi
    useradd -r -d /srv -G data -s /usr/sbin/nologin -u 991 other || true
  ;;
  abort-*) userdel demo ;;
esac
"#;
        configure(script, |world, _| {
            let user = |name: &str| world.user(name).ok().and_then(|seen| seen.value().cloned().flatten()).expect("it is made");
            let demo = user("demo");
            assert_eq!(
                (&*demo.home, &*demo.shell, &*demo.comment, demo.gid),
                ("/var/lib/demo", "/bin/sh", "Demo daemon", Known::Is(990))
            );
            assert!(matches!(demo.uid, Known::Unknown(_)));
            assert_eq!((user("other").uid, user("other").groups), (Known::Is(991), vec![Arc::from("data")]));
            let home =
                world.stat(Path::new("/var/lib/demo")).ok().and_then(|seen| seen.value().cloned().flatten()).expect("it is made");
            assert_eq!((home.mode, home.uid, home.gid), (0o755, Owner::Pending("demo".into()), Owner::Id(990)));
        });
    }

    #[test]
    fn files_are_made_changed_and_removed() {
        let script = r#"
DIR=/var/lib/demo
install -d -m 0750 "$DIR" "$DIR/sub"
mkdir -p /var/cache/demo/a
echo state > $DIR/state
printf 'x\n' >> /etc/kept
cat > /etc/made <<'EOF'
a $b
EOF
chmod 600 $DIR/state
ln -s ../made /etc/link
rm -f /etc/absent
for name in one two; do touch $DIR/$name; done
update-alternatives --install /usr/bin/tool tool /usr/bin/tool.demo 10
"#;
        configure(script, |world, spoken| {
            let names = [
                "/var/lib/demo",
                "/var/lib/demo/sub",
                "/var/cache/demo/a",
                "/var/lib/demo/state",
                "/etc/kept",
                "/etc/made",
                "/etc/link",
                "/var/lib/demo/two",
            ];
            assert_eq!(
                paths(world, &names),
                ["750 ", "750 ", "755 ", "600 state\n", "755 kept\nx\n", "644 a $b\n", "777 ../made", "644 "]
            );
            assert!(spoken.is_empty(), "{spoken:?}");
        });
    }

    #[test]
    fn what_depends_on_more_is_not_known() {
        let script = r#"
. /usr/share/debconf/confmodule
db_get demo/flag
if [ "$RET" = true ]; then
  echo yes > /etc/asked
  rm -f /etc/kept
  adduser --system maybe
fi
setup-demo --into /etc/demo.d/main.conf
[ "$1" = configure ] || exit 0
db_stop
date > /etc/stamp
"#;
        configure(script, |world, spoken| {
            let names = ["/etc/asked", "/etc/kept", "/etc/demo.d/main.conf", "/etc/stamp", "/etc/other"];
            assert_eq!(paths(world, &names), ["?", "?", "?", "?", "-"]);
            assert!(
                spoken.iter().any(|words| &**words == "maybe") && spoken.iter().any(|words| words.contains("setup-demo")),
                "{spoken:?}"
            );
        });
    }

    #[test]
    fn a_group_of_alternatives_is_made() {
        let script = "touch /usr/bin/tool.demo /usr/share/man/man1/demo.1.gz\n\
            update-alternatives --install /usr/bin/tool tool /usr/bin/tool.demo 10 --slave /usr/share/man/man1/tool.1.gz tool.1.gz /usr/share/man/man1/demo.1.gz\n";
        configure(script, |world, _| {
            let names =
                ["/usr/bin/tool", "/etc/alternatives/tool", "/etc/alternatives/tool.1.gz", "/var/lib/dpkg/alternatives/tool"];
            assert_eq!(
                paths(world, &names),
                [
                    "777 /etc/alternatives/tool",
                    "777 /usr/bin/tool.demo",
                    "777 /usr/share/man/man1/demo.1.gz",
                    "644 auto\n/usr/bin/tool\ntool.1.gz\n/usr/share/man/man1/tool.1.gz\n\n/usr/bin/tool.demo\n10\n/usr/share/man/man1/demo.1.gz\n\n",
                ]
            );
        });
    }

    #[test]
    fn branches_that_are_not_taken_do_nothing() {
        for script in [
            "[ \"$1\" = remove ] && rm -rf /etc/kept\n",
            "if [ -n \"$2\" ] && dpkg --compare-versions \"$2\" lt 2.0; then rm /etc/kept; fi\n",
            "case \"$1\" in upgrade|remove) rm /etc/kept ;; esac\n",
            "exit 0\nrm /etc/kept\n",
            "f() { return 1; rm /etc/kept; }\nf x || true\n",
            "test -e /etc/kept || echo x > /etc/kept\n",
            "if dpkg-statoverride --list /opt/x >/dev/null; then :; else rm /etc/kept; fi\n",
            "if [ -z \"${DPKG_ROOT:-}\" ]; then :; else rm /etc/kept; fi\n",
            "dpkg-maintscript-helper rm_conffile /etc/kept 1.0~ -- \"$@\"\n",
            "(cd /tmp; exit 1) || true\nrm -f /etc/absent\nwhile false; do rm /etc/kept; done\n",
        ] {
            configure(script, |world, _| assert_eq!(paths(world, &["/etc/kept"]), ["755 kept\n"], "{script}"));
        }
    }

    #[test]
    fn any_text_is_read() {
        let scripts = [
            "",
            "\0",
            "if\n",
            "${\n",
            "x=$(",
            "a() { a; }; a\n",
            "while :; do :; done\n",
            "set -- a b c; shift 9; echo \"$@\" $9 ${10}\n",
            "rm -rf / /etc ..\n",
            "update-alternatives --install\n",
            "dpkg --compare-versions\n",
            "[ ]\n[\ntest\n",
            "chown\nchmod x y\nln -s a\n",
            "#!/usr/bin/perl\nrm /etc/kept\n",
            "for i in a b c d e f; do for i in $i $i; do echo $i > /etc/x; done; done\n",
            "eval \"$X\"; exec \"$@\"\n",
        ];
        for script in scripts {
            configure(script, |world, _| assert_eq!(paths(world, &["/etc/kept"]), ["755 kept\n"], "{script}"));
        }
    }
}
