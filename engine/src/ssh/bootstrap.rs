//! The line of shell that becomes the worker.
//!
//! It is read by the login shell of the host, whichever that is, as one word in single quotes, and by `/bin/sh` then: so it is a single
//! line without quotes of that kind, backslashes and exclamation marks. It is the same for every host but for the marker.

use std::fmt::Write as _;

use super::{Line, WorkerBinaries};

/// What is done before the worker runs.
pub(super) struct Bootstrap {
    nonce: String,
}

/// Where things are kept: for root, and for everybody else.
const PLACES: &str = r#"if [ "$(id -u)" = 0 ]; then d=/var/cache/stead; else d=${XDG_CACHE_HOME:-$HOME/.cache}/stead; fi"#;

/// Says a line; an empty one comes first, so that what a banner has left unfinished ends there.
const SAY: &str = r#"say() { echo; echo "stead-$n $*"; }; fail() { say fail "$1"; exit 3; }"#;

/// What identifies a file that has been compared with its hash: any change of it changes the last of these.
const STAMP: &str = r#"stamp() { stat -c "%i %s %z" "$b" 2>/dev/null; }"#;

/// Compares the file with its hash.
const CHECK: &str = r#"is_it() { x=$(sha256sum <"$b" 2>/dev/null); [ "${x%% *}" = "$h" ]; }"#;

/// The worker is there, it is ours, and it is the one that it should be; else it is taken away.
const LOOK: &str = r#"r=; if [ -f "$b" ]; then k=$(stamp); if [ -O "$b" ] && [ -n "$k" ] && [ "$k" = "$(cat "$b.ok" 2>/dev/null)" ]; then r=1; elif [ -O "$b" ] && is_it; then stamp >"$b.ok"; r=1; else rm -f "$b" "$b.ok"; say changed; fi; fi"#;

/// How much of a transfer that broke off is there.
const PART: &str = r#"part() { if [ -f "$1" ] && [ -O "$1" ]; then echo $(($(wc -c <"$1"))); else echo 0; fi; }"#;

/// Takes the worker from standard input, packed or plain as the other side sees fit after it has seen how far away this is. What has
/// come of it before is gone on with.
const TAKE: &str = concat!(
    r#"if [ -z "$r" ]; then (umask 022; mkdir -p "$d" 2>/dev/null); mkdir -p "$d/bin" 2>/dev/null || fail directory; [ -O "$d/bin" ] && chmod 700 "$d/bin" || fail owner; "#,
    r#"command -v sha256sum >/dev/null || fail sha256sum; "#,
    r#"if command -v gzip >/dev/null; then g=gzip; else g=plain; fi; "#,
    r#"say need $m $(part "$b.gzip") $(part "$b.plain") $g; read -r q || fail transfer; say here; read -r g o l || fail transfer; "#,
    r#"p=$b.$g; [ "$o" = 0 ] && rm -f "$p"; head -c "$l" >>"$p" || { rm -f "$p"; fail write; }; "#,
    r#"[ "$(wc -c <"$p")" -lt "$((o + l))" ] && fail transfer; "#,
    r#"if [ $g = gzip ]; then e=$(gzip -dc <"$p" 2>&1 >"$b") || { rm -f "$b" "$p"; case $e in *space*) fail write;; esac; fail damaged; }; rm -f "$p"; else mv "$p" "$b"; fi; "#,
    r#"is_it || { rm -f "$b" "$p"; fail damaged; }; chmod 700 "$b"; stamp >"$b.ok"; fi"#
);

impl Bootstrap {
    pub(super) fn new(nonce: String) -> Self {
        Self { nonce }
    }

    /// What sudo asks with.
    pub(super) fn prompt(&self) -> String {
        format!("stead-{}-password", self.nonce)
    }

    /// What each line of ours begins with.
    pub(super) fn marker(&self) -> String {
        format!("stead-{} ", self.nonce)
    }

    /// Looks for the worker, takes it if need be, and becomes it.
    pub(super) fn script(&self, binaries: &WorkerBinaries) -> String {
        let mut arms = String::new();
        for binary in binaries.all() {
            let _ = write!(arms, "Linux/{}) h={};; ", binary.arch(), binary.sha256());
        }
        let nonce = &self.nonce;
        format!(
            "n={nonce}; unset LC_ALL; u=$(umask); umask 077; {SAY}; m=$(uname -m); s=$(uname -s)/$m; \
             case $s in {arms}*) say arch $s; exit 3;; esac; {PLACES}; b=$d/bin/$h; {STAMP}; {CHECK}; {LOOK}; {PART}; {TAKE}; \
             say start $m; umask $u; cd /; exec \"$b\" worker --nonce $n"
        )
    }

    /// Removes what is kept.
    pub(super) fn clean_script(&self) -> String {
        let nonce = &self.nonce;
        format!("n={nonce}; {SAY}; {PLACES}; rm -rf \"$d/bin\" \"$d/blobs\" || fail owner; say cleaned")
    }

    /// The command that ssh is given.
    pub(super) fn command(&self, script: &str, user: Option<&str>, has_password: bool) -> String {
        debug_assert!(user.is_none_or(is_user), "it was looked at before");
        debug_assert!(!script.contains(['\'', '\\', '!', '\n']), "every login shell takes it as one word");
        let shell = format!("/bin/sh -c '{script}'");
        match user {
            None => format!("exec {shell}"),
            Some(user) => {
                // Without a password there is nobody to be asked.
                let manner = if has_password { format!("-S -p {}", self.prompt()) } else { "-n".to_owned() };
                format!("exec env LC_ALL=C sudo -H {manner} -u '{user}' -- {shell}")
            }
        }
    }
}

/// Says whether this can be a user's name, and means itself in single quotes to any shell. Anything else is refused: with a character
/// left out it would be the name of somebody else.
pub(super) fn is_user(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-') && word.chars().all(|c| c.is_alphanumeric() || "._-@#+$".contains(c))
}

/// Reads what follows the marker.
pub(super) fn parse(words: &str) -> Option<Line> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    match kind {
        "need" => {
            let mut words = rest.split(' ');
            let arch = words.next()?.to_owned();
            let packed = words.next()?.parse().ok()?;
            let plain = words.next()?.parse().ok()?;
            let can_unpack = match words.next()? {
                "gzip" => true,
                "plain" => false,
                _ => return None,
            };
            Some(Line::Need { arch, packed, plain, can_unpack })
        }
        "here" => Some(Line::Here),
        "changed" => Some(Line::Changed),
        "arch" => Some(Line::Architecture(rest.to_owned())),
        "fail" => Some(Line::Fail(rest.to_owned())),
        "start" => Some(Line::Start(rest.to_owned())),
        "worker-frames" => Some(Line::Worker(rest.parse().ok()?)),
        "cleaned" => Some(Line::Cleaned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_shell_takes_the_script_as_one_word() {
        let bootstrap = Bootstrap::new("0123".into());
        let binaries = WorkerBinaries::for_tests();
        for script in [bootstrap.script(&binaries), bootstrap.clean_script()] {
            assert!(!script.contains(['\'', '\\', '!', '\n']), "{script}");
        }
        let command = bootstrap.command("true", Some("root"), true);
        assert_eq!(command, "exec env LC_ALL=C sudo -H -S -p stead-0123-password -u 'root' -- /bin/sh -c 'true'");
        assert!(bootstrap.command("true", Some("#1000"), false).contains("-n -u '#1000' --"));
        assert!(["root", "ann.lee", "CORP+ann", "ann@corp.example", "svc$", "jürgen"].into_iter().all(is_user));
        assert!(!["", "-u", "CORP\\ann", "x'; rm -rf /", "a b", "a\nb", "a!"].into_iter().any(is_user));
    }

    #[test]
    fn a_worker_says_the_version_of_the_frames() {
        let preamble = crate::worker::preamble("0123");
        let line = preamble.trim_start().strip_prefix(&Bootstrap::new("0123".into()).marker()).map(str::trim_end);
        assert_eq!(line.and_then(parse), Some(Line::Worker(crate::frames::VERSION)));
    }

    /// Runs the script with something else in the worker's place, and returns what it says.
    fn run(directory: &std::path::Path, program: &[u8], input: &[u8]) -> String {
        use sha2::Digest as _;
        use std::io::Write as _;
        let places = format!("d={}/cache", directory.display());
        let hash = crate::journal::hex(&sha2::Sha256::digest(program));
        let script = Bootstrap::new("0123".into()).script(&WorkerBinaries::for_tests());
        let script = script.replace(PLACES, &places).replace(&"00".repeat(32), &hash);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.arg("-c").arg(script).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut shell = shell.spawn().expect("a shell");
        shell.stdin.take().expect("a pipe").write_all(input).expect("written");
        String::from_utf8(shell.wait_with_output().expect("an end").stdout).expect("text")
    }

    #[test]
    fn the_script_takes_the_worker_once_goes_on_with_a_part_and_runs_no_other() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write as _;
        let directory = tempfile::tempdir().expect("a directory");
        let program = b"#!/bin/sh\nread line; echo got $line\n";
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(program).expect("packed");
        let packed = packed.finish().expect("packed");
        let (first, second) = packed.split_at(20);
        let sent =
            |from: usize, bytes: &[u8]| [format!("ping\ngzip {from} {}\n", packed.len() - from).as_bytes(), bytes].concat();

        let said = run(directory.path(), program, &sent(0, first));
        assert!(said.contains("need") && said.contains(" 0 0 gzip") && said.contains("fail transfer"), "{said}");
        let said = run(directory.path(), program, &[&*sent(20, second), b"hello\n"].concat());
        assert!(said.contains(" 20 0 gzip") && said.ends_with("got hello\n"), "{said}");
        let said = run(directory.path(), program, b"again\n");
        assert!(!said.contains("need") && said.ends_with("got again\n"), "{said}");

        let elsewhere = tempfile::tempdir().expect("a directory");
        let plain = [format!("ping\nplain 0 {}\n", program.len()).as_bytes(), program, b"plainly\n"].concat();
        let said = run(elsewhere.path(), program, &plain);
        assert!(said.contains("here") && said.ends_with("got plainly\n"), "{said}");

        let kept = directory.path().join("cache/bin");
        let names: Vec<_> = std::fs::read_dir(&kept).expect("a directory").flatten().map(|entry| entry.path()).collect();
        let worker = names.iter().find(|path| path.extension().is_none()).expect("the worker");
        std::fs::write(worker, "#!/bin/sh\necho planted\n").expect("written");
        let said = run(directory.path(), program, &sent(0, b"nonsense"));
        assert!(said.contains("changed") && said.contains("need") && !said.contains("planted"), "{said}");
    }

    #[test]
    fn lines_are_read() {
        let need = Line::Need { arch: "x86_64".into(), packed: 7, plain: 0, can_unpack: true };
        assert_eq!(parse("need x86_64 7 0 gzip"), Some(need));
        assert_eq!(parse("worker-frames 2"), Some(Line::Worker(2)));
        assert_eq!(parse("fail write"), Some(Line::Fail("write".into())));
        assert_eq!(parse("need x86_64 -1 0 gzip"), None);
        assert_eq!(parse("hello"), None);
    }
}
