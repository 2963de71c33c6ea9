//! Guards that only ask about files and accounts, answered on the predicted world.
//!
//! A guard such as `test -e /etc/key` comes after changes that it asks about. Running it during planning would tell of
//! the machine as it is now, and that is where dry runs go wrong. The commands that most guards are made of are few and pure: `test` and `[`,
//! `grep`, `cmp`, `getent`, `id`, joined by `&&`, `||` and `!`. Those are understood here; every other command is left to the
//! time when it can be asked. Where the exact meaning is in doubt, the command is not understood.

mod grep;
mod shell;

use std::path::{Path, PathBuf};

use stead_catalog::Command;

use self::shell::{Joint, Simple};
use crate::{FileKind, Known, Probe, Stat, World};

/// The command is none of those that are understood here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotUnderstood;

/// Whether a command succeeds; `None`: known only later.
type Answer = Result<Option<bool>, NotUnderstood>;

/// A larger file is left to `grep` itself.
const MAX_CONTENT: u64 = 16 << 20;

/// Symlinks followed for one path before it counts as a loop, as in Linux (path_resolution(7)).
const MAX_SYMLINKS: usize = 40;

/// Answers a guard by looking at the world; `None` when it cannot be told from there.
pub(crate) fn answer(world: &dyn World, probe: &Probe) -> Option<bool> {
    // Another user may be shown less than the engine sees.
    if probe.user.as_deref().is_some_and(|user| user != "root") {
        return None;
    }
    let commands = match &probe.command {
        Command::Argv(words) => {
            vec![(Joint::First, Simple { negated: false, words: words.iter().map(|w| w.to_string()).collect() })]
        }
        Command::Shell(line) => shell::parse(line).ok()?,
    };
    let look = Look { world, cwd: Path::new(probe.cwd.as_deref().unwrap_or("/")) };
    let mut result = None;
    for (joint, command) in &commands {
        // All of them are pure, so that looking at one that a shell would not run does no harm.
        let answer = look.simple(command).ok()?;
        result = match joint {
            Joint::First => answer,
            Joint::And => and(result, answer),
            Joint::Or => or(result, answer),
        };
    }
    result
}

const fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

const fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// What is at a path, symlinks followed.
enum Target {
    Nothing,
    Found(PathBuf, Stat),
    /// Something is there, and no more is known of it.
    Something,
    Later,
}

struct Look<'w> {
    world: &'w dyn World,
    cwd: &'w Path,
}

impl Look<'_> {
    fn simple(&self, command: &Simple) -> Answer {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let (name, arguments) = words.split_first().ok_or(NotUnderstood)?;
        let answer = match name.rsplit('/').next().unwrap_or(name) {
            "true" | ":" => Some(true),
            "false" => Some(false),
            "test" => self.test(arguments)?,
            "[" => self.test(arguments.strip_suffix(&["]"]).ok_or(NotUnderstood)?)?,
            "grep" => grep::answer(self, arguments, grep::Syntax::Basic)?,
            "egrep" => grep::answer(self, arguments, grep::Syntax::Extended)?,
            "fgrep" => grep::answer(self, arguments, grep::Syntax::Fixed)?,
            "cmp" => self.compare(arguments)?,
            "getent" | "id" => self.account(name, arguments)?,
            _ => return Err(NotUnderstood),
        };
        Ok(answer.map(|answer| answer != command.negated))
    }

    /// `-o` binds loosest, then `-a`, then `!` (POSIX.1-2017, test).
    fn test(&self, arguments: &[&str]) -> Answer {
        if let Some(at) = arguments.iter().position(|word| *word == "-o") {
            return Ok(or(self.test_all(&arguments[..at])?, self.test(&arguments[at + 1..])?));
        }
        self.test_all(arguments)
    }

    fn test_all(&self, arguments: &[&str]) -> Answer {
        if let Some(at) = arguments.iter().position(|word| *word == "-a") {
            return Ok(and(self.test_one(&arguments[..at])?, self.test_all(&arguments[at + 1..])?));
        }
        self.test_one(arguments)
    }

    fn test_one(&self, arguments: &[&str]) -> Answer {
        match arguments {
            ["!", rest @ ..] if !rest.is_empty() => Ok(self.test_one(rest)?.map(|answer| !answer)),
            [a, "=" | "==", b] => Ok(Some(a == b)),
            [a, "!=", b] => Ok(Some(a != b)),
            ["-n", text] => Ok(Some(!text.is_empty())),
            ["-z", text] => Ok(Some(text.is_empty())),
            ["-L" | "-h", path] => match self.world.stat(&self.path(path)).map_err(|_| NotUnderstood)? {
                Known::Is(stat) => Ok(Some(stat.is_some_and(|stat| stat.kind == FileKind::Symlink))),
                Known::Unknown(_) => Ok(None),
            },
            ["-e", path] => Ok(match self.follow(path)? {
                Target::Nothing => Some(false),
                Target::Found(..) | Target::Something => Some(true),
                Target::Later => None,
            }),
            ["-f", path] => self.found(path, |stat| stat.kind == FileKind::File),
            ["-d", path] => self.found(path, |stat| stat.kind == FileKind::Directory),
            ["-s", path] => match self.follow(path)? {
                Target::Nothing => Ok(Some(false)),
                Target::Found(_, stat) if stat.kind == FileKind::Directory => Ok(Some(true)),
                Target::Found(path, stat) if stat.kind == FileKind::File => {
                    Ok(self.content(&path)?.map(|bytes| !bytes.is_empty()))
                }
                _ => Ok(None),
            },
            [text] if !text.starts_with('-') && *text != "!" => Ok(Some(!text.is_empty())),
            _ => Err(NotUnderstood),
        }
    }

    fn found(&self, path: &str, is_so: impl Fn(&Stat) -> bool) -> Answer {
        Ok(match self.follow(path)? {
            Target::Nothing => Some(false),
            Target::Found(_, stat) => Some(is_so(&stat)),
            Target::Something | Target::Later => None,
        })
    }

    fn compare(&self, arguments: &[&str]) -> Answer {
        let (["-s" | "-q" | "--silent" | "--quiet", a, b] | [a, b]) = arguments else { return Err(NotUnderstood) };
        if a.starts_with('-') || b.starts_with('-') {
            return Err(NotUnderstood);
        }
        match (self.read(a)?, self.read(b)?) {
            (Read::Is(a), Read::Is(b)) => Ok(Some(a == b)),
            (Read::Nothing, _) | (_, Read::Nothing) => Ok(Some(false)),
            _ => Ok(None),
        }
    }

    fn account(&self, name: &str, arguments: &[&str]) -> Answer {
        let known = match (name, arguments) {
            ("getent", ["passwd", user]) | ("id", [user] | ["-u" | "-g" | "-G" | "-un" | "-gn", user]) if is_name(user) => {
                self.world.user(user).map(|look| look.map(|user| user.is_some()))
            }
            ("getent", ["group", group]) if is_name(group) => {
                self.world.group(group).map(|look| look.map(|group| group.is_some()))
            }
            _ => return Err(NotUnderstood),
        };
        known.map(|known| known.value().copied()).map_err(|_| NotUnderstood)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.cwd.join(path)
    }

    /// Follows a path to what it names.
    fn follow(&self, path: &str) -> Result<Target, NotUnderstood> {
        if path.is_empty() {
            return Ok(Target::Nothing);
        }
        let mut at = self.path(path);
        for _ in 0..MAX_SYMLINKS {
            let stat = match self.world.stat(&at).map_err(|_| NotUnderstood)? {
                Known::Is(None) => return Ok(Target::Nothing),
                Known::Is(Some(stat)) => stat,
                Known::Unknown(_) => {
                    let exists = self.world.exists(&at).map_err(|_| NotUnderstood)? == Known::Is(true);
                    return Ok(if exists { Target::Something } else { Target::Later });
                }
            };
            match &stat.target {
                Some(target) => at = at.parent().unwrap_or(Path::new("/")).join(target),
                None => return Ok(Target::Found(at, stat)),
            }
        }
        Ok(Target::Nothing)
    }

    /// Reads what a path names.
    fn read(&self, path: &str) -> Result<Read, NotUnderstood> {
        match self.follow(path)? {
            Target::Nothing => Ok(Read::Nothing),
            Target::Found(path, stat) if stat.kind == FileKind::File && stat.size <= MAX_CONTENT => {
                Ok(self.content(&path)?.map_or(Read::Later, Read::Is))
            }
            Target::Found(..) => Err(NotUnderstood),
            Target::Something | Target::Later => Ok(Read::Later),
        }
    }

    fn content(&self, path: &Path) -> Result<Option<std::sync::Arc<[u8]>>, NotUnderstood> {
        let content = self.world.read(path).map_err(|_| NotUnderstood)?;
        Ok(content.value().cloned().flatten())
    }
}

/// The content of a file that a command looks at.
enum Read {
    Nothing,
    Is(std::sync::Arc<[u8]>),
    Later,
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Predicted;
    use crate::test_support::Files;

    /// Asks on a machine with `/etc/a` (`one`, `two = 2`), where `/etc/key` appears and `/etc/late` may.
    fn ask(line: &str) -> Option<bool> {
        let base = Files::of(&[("/etc/a", "one\ntwo = 2\n"), ("/etc/empty", "")]);
        let mut world = Predicted::new(&base);
        world.appear(Path::new("/etc/key"), "exec[\"gen\"]");
        world.obscure(Path::new("/etc/late"), "exec[\"gen\"]");
        world.remove(Path::new("/etc/gone"));
        let probe = Probe { command: Command::Shell(line.into()), user: None, cwd: None, env: Vec::new(), timeout: None };
        answer(&world, &probe)
    }

    #[test]
    fn files_are_tested() {
        for (line, expected) in [
            ("test -e /etc/a", Some(true)),
            ("[ -f /etc/a ]", Some(true)),
            ("[ -d /etc/a ]", Some(false)),
            ("/usr/bin/test -d /etc", Some(true)),
            ("test ! -e /etc/a", Some(false)),
            ("! test -e /etc/none", Some(true)),
            ("test -e /etc/gone", Some(false)),
            ("test -e /etc/key", Some(true)),
            ("test -f /etc/key", None),
            ("test -e /etc/late", None),
            ("test -e /etc/late -o -e /etc/key", Some(true)),
            ("test -e /etc/late -a -e /etc/none", Some(false)),
            ("test -e /etc/late || test -e /etc/a", Some(true)),
            ("test -e /etc/none && test -e /etc/late", Some(false)),
            ("test -s /etc/empty", Some(false)),
            ("test -s /etc/a", Some(true)),
            ("test a = a", Some(true)),
            ("test -e '/etc/a'", Some(true)),
        ] {
            assert_eq!(ask(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_are_looked_for() {
        for (line, expected) in [
            ("grep -q one /etc/a", Some(true)),
            ("grep -qx two /etc/a", Some(false)),
            ("grep -qx 'two = 2' /etc/a", Some(true)),
            ("grep -q '^two' /etc/a 2>/dev/null", Some(true)),
            ("grep -q '^wo' /etc/a >/dev/null 2>&1", Some(false)),
            ("grep -qiF 'ONE' /etc/a", Some(true)),
            ("grep -qE 't[a-z]+o|none' /etc/a", None),
            ("grep -q x /etc/none", Some(false)),
            ("grep -q x /etc/key", None),
            ("grep -q 'o.*2$' /etc/a", Some(true)),
            ("grep -q -- -x /etc/a", Some(false)),
            ("cmp -s /etc/a /etc/a", Some(true)),
            ("cmp -s /etc/a /etc/empty", Some(false)),
        ] {
            assert_eq!(ask(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_for_later() {
        for line in [
            "systemctl is-active x",
            "test -e $HOME/x",
            "test -e /etc/*",
            "test -x /etc/a",
            "test -e /etc/a; false",
            "test -e /etc/a | cat",
            "grep -q one",
            "grep -c one /etc/a > /tmp/x",
            "test -e \"/etc/a",
            "",
            "[ -e /etc/a",
            "test -e /etc/a &",
            "(test -e /etc/a)",
            "A=1 test -e /etc/a",
        ] {
            assert_eq!(ask(line), None, "{line}");
        }
    }
}
