//! Console transcripts in Markdown: the commands are run and what they print is compared with what stands there.
//!
//! A page has its own empty directory. A fence with `file=NAME` writes a file into it, a program where it starts with `#!`; those in
//! `.bin` are found before all others. A `console` fence runs the lines that start with `$` there, through `sh`. What is printed follows each command; `[exit code N]` ends it when
//! the command fails. A line that is `...` stands for any lines, `[..]` for any part of a line. The directory is
//! written `/tmp/demo`. With `UPDATE_EXPECT=1` the page is rewritten to what was printed.
//!
//! A page whose transcript is marked `console,host` is run on a disposable host ([`OnHost`]), `console,host=tools` on one
//! with more on it; `tests/hosts/pages.rs` does. What takes more than commands to come about is marked `console,test=FILE`:
//! a test in that file holds its output to the page ([`assert_shown`]).

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;

use crate::host::Host;

/// How the page's own directory is written.
const PLACE: &str = "/tmp/demo";

/// A fenced block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What follows the opening fence, cut at commas and blanks: `stead`, `file=site.stead`.
    pub info: Vec<String>,
    /// The lines between the fences.
    pub text: String,
    /// First line of the text, from 1.
    pub line: usize,
}

impl Block {
    /// Says whether the block is of this language.
    pub fn is(&self, language: &str) -> bool {
        self.info.first().is_some_and(|first| first == language)
    }

    /// Returns the value of `name=value`, empty for a bare `name`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.info.iter().skip(1).find_map(|word| match word.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (word == name).then_some(""),
        })
    }
}

/// Returns the fenced blocks of a page. Fences that are indented belong to lists and count as well.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Block)> = None;
    for (number, line) in page.lines().enumerate() {
        let bare = line.trim_start();
        match &mut open {
            Some((fence, block)) => {
                if bare.starts_with(fence.as_str()) && bare.trim_end().chars().all(|c| c == '`') {
                    blocks.extend(open.take().map(|(_, block)| block));
                } else {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            None if bare.starts_with("```") => {
                let fence: String = bare.chars().take_while(|c| *c == '`').collect();
                let info = bare[fence.len()..].split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
                open = Some((fence, Block { info, text: String::new(), line: number + 2 }));
            }
            None => {}
        }
    }
    blocks
}

/// Where the files of a page are written, and its commands are run.
pub trait Place {
    /// Writes a file into the page's directory.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(&self, name: &str, text: &str) -> Result<(), String>;

    /// Runs a command in the page's directory. Returns what it printed and its exit code, `None` where a signal ended it.
    ///
    /// # Errors
    /// When it cannot be started.
    fn run(&self, command: &str) -> Result<(String, Option<i32>), String>;
}

/// The kind of host that a page's transcripts want: `""` for any, `None` where they are run on this machine.
pub fn wanted_host(page: &str) -> Option<String> {
    blocks(page).iter().filter(|block| block.is("console")).find_map(|block| block.option("host").map(str::to_owned))
}

/// Runs every transcript of a page on this machine; of one that wants a host, none.
///
/// # Errors
/// The differences, as text for a person.
pub fn run_page(path: &Path, stead: &Path) -> Result<(), String> {
    let page = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if wanted_host(&page).is_some() {
        return Ok(());
    }
    // As long as the name it is shown by, so that what is aligned stays aligned.
    let directory = tempfile::Builder::new().prefix("").rand_bytes(4).tempdir_in("/tmp").map_err(|error| error.to_string())?;
    let place = fs::canonicalize(directory.path()).map_err(|error| error.to_string())?;
    run_page_at(path, &Here { place, stead })
}

/// Runs every transcript of a page at a place.
///
/// # Errors
/// The differences, as text for a person.
pub fn run_page_at(path: &Path, place: &dyn Place) -> Result<(), String> {
    let page = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rewritten: Vec<String> = page.lines().map(str::to_owned).collect();
    let mut problems = String::new();
    // From the first block to the last; replacing lines later must not move the earlier ones.
    let mut replacements = Vec::new();
    for block in blocks(&page) {
        if let Some(name) = block.option("file") {
            place.write(name, &block.text)?;
        }
        if block.is("console") && block.option("test").is_none() {
            let printed = run_block(&block.text, place)?;
            if !matches(&block.text, &printed) {
                let _ =
                    writeln!(problems, "{}:{}\n--- expected\n{}--- printed\n{printed}", path.display(), block.line, block.text);
                replacements.push((block.line - 1, block.text.lines().count(), printed));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    if std::env::var_os("UPDATE_EXPECT").is_none() {
        return Err(format!("{problems}UPDATE_EXPECT=1 rewrites the page"));
    }
    for (at, count, printed) in replacements.into_iter().rev() {
        rewritten.splice(at..at + count, printed.lines().map(str::to_owned));
    }
    fs::write(path, rewritten.join("\n") + "\n").map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs the commands of one block and returns the block as it should be.
fn run_block(text: &str, place: &dyn Place) -> Result<String, String> {
    let mut printed = String::new();
    for line in text.lines() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let _ = writeln!(printed, "{line}");
        let (said, code) = place.run(command)?;
        printed.push_str(&settle(&said));
        if !printed.ends_with('\n') {
            printed.push('\n');
        }
        match code {
            Some(0) => {}
            Some(code) => {
                let _ = writeln!(printed, "[exit code {code}]");
            }
            None => printed.push_str("[ended by a signal]\n"),
        }
    }
    Ok(printed)
}

/// A directory of this machine.
struct Here<'s> {
    place: PathBuf,
    stead: &'s Path,
}

impl Place for Here<'_> {
    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path: PathBuf = self.place.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        let text = text.replace(PLACE, &self.place.to_string_lossy());
        fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mode = fs::Permissions::from_mode(if text.starts_with("#!") { 0o755 } else { 0o644 });
        fs::set_permissions(&path, mode).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn run(&self, command: &str) -> Result<(String, Option<i32>), String> {
        let binaries = self.stead.parent().unwrap_or(Path::new("/")).to_string_lossy();
        let here = self.place.to_string_lossy();
        // No home, no settings of the user, no terminal; the journal lies in the page's own directory.
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("exec 2>&1; {}", command.replace(PLACE, &here)))
            .current_dir(&self.place)
            .env_clear()
            .env("PATH", format!("{here}/.bin:{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", self.place.join(".home"))
            .env("STEAD_STATE_DIR", self.place.join(".state"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        Ok((String::from_utf8_lossy(&output.stdout).replace(&*here, PLACE), output.status.code()))
    }
}

/// `/tmp/demo` of a disposable host.
#[derive(Debug)]
pub struct OnHost<'h>(&'h Host);

impl<'h> OnHost<'h> {
    /// Makes the page's directory, empty.
    pub fn new(host: &'h Host) -> Self {
        host.must("rm -rf /tmp/demo && mkdir -p /tmp/demo");
        Self(host)
    }
}

impl Place for OnHost<'_> {
    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = format!("{PLACE}/{name}");
        self.0.write(&path, text);
        if text.starts_with("#!") {
            self.0.must(&format!("chmod 755 '{path}'"));
        }
        Ok(())
    }

    fn run(&self, command: &str) -> Result<(String, Option<i32>), String> {
        let script = format!("exec 2>&1; cd {PLACE}; export STEAD_STATE_DIR={PLACE}/.state PATH={PLACE}/.bin:$PATH; {command}");
        let output = self.0.run(&script);
        let text = output.stdout.replace(&format!("for {}", self.0.name()), "for web-1");
        Ok((text, Some(output.code)))
    }
}

/// Holds what a test has printed to the block of a page that is marked with `test=`: its lines, other than commands, are printed one
/// below the other.
///
/// # Panics
/// When the page has no such block, or they are not.
#[track_caller]
pub fn assert_shown(page: &str, printed: &str) {
    let block = blocks(page).into_iter().find(|block| block.option("test").is_some()).expect("a block of the page is marked");
    let expected: Vec<&str> = block.text.lines().filter(|line| !line.starts_with("$ ")).collect();
    let settled = settle(printed);
    let printed: Vec<&str> = settled.lines().collect();
    let is_shown = printed.windows(expected.len()).any(|lines| match_lines(&expected, lines));
    assert!(!expected.is_empty() && is_shown, "--- expected\n{}\n--- printed\n{settled}", expected.join("\n"));
}

/// Takes out what differs from run to run and from machine to machine: how long things took, hashes over the real
/// directory, the host's name, and who runs the tests.
fn settle(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, String)>> = LazyLock::new(|| {
        let uname = rustix::system::uname();
        let host = regex::escape(uname.nodename().to_string_lossy().split('.').next().unwrap_or_default());
        let mut rules = vec![
            (r"\b[0-9.]+ (ms|s)\b".to_owned(), "N ms"),
            (r#""duration_ms":[0-9]+"#.to_owned(), r#""duration_ms":[..]"#),
            (r"\b[0-9a-f]{64}\b".to_owned(), "[..]"),
            (format!(r"\bfor {host}\b"), "for web-1"),
            (format!(r#""node":( ?)"{host}""#), r#""node":$1"web-1""#),
        ];
        for name in own_names() {
            rules.push((format!(r#"(owner|group): "{}""#, regex::escape(&name)), r#"$1: "root""#));
        }
        let compile = |(pattern, with): (String, &str)| (Regex::new(&pattern).expect("a rule is a regex"), with.to_owned());
        rules.into_iter().map(compile).collect()
    });
    RULES.iter().fold(text.to_owned(), |text, (rule, with)| rule.replace_all(&text, with.as_str()).into_owned())
}

/// The names of the user and the group that run the tests.
fn own_names() -> Vec<String> {
    let ids = [rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()];
    let find = |file: &str, id: u32| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(id))?;
        line.split(':').next().map(str::to_owned)
    };
    ["/etc/passwd", "/etc/group"].into_iter().zip(ids).filter_map(|(file, id)| find(file, id)).collect()
}

/// Compares with wildcards.
fn matches(expected: &str, printed: &str) -> bool {
    let expected: Vec<&str> = expected.lines().collect();
    let printed: Vec<&str> = printed.lines().collect();
    match_lines(&expected, &printed)
}

fn match_lines(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&"...", rest)) => (0..=printed.len()).any(|skipped| match_lines(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, after)| match_line(line, first) && match_lines(rest, after))
        }
    }
}

fn match_line(expected: &str, printed: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected.trim_end() == printed.trim_end(),
        Some((before, after)) => printed.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| match_line(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_lines_and_parts_of_lines() {
        assert!(matches("a\n...\nd\n", "a\nb\nc\nd\n"));
        assert!(matches("a [..] c\n", "a b c\n"));
        assert!(!matches("a [..] c\n", "a b d\n"));
        assert!(!matches("a\n", "a\nb\n"));
    }

    #[test]
    fn lines_of_a_page_are_found_in_what_is_printed() {
        let page = "# x\n\n```console,test=a.rs\n$ y\nerror[x]: [..] is gone\nhint: z\n```\n";
        assert_shown(page, "a\nerror[x]: it is gone\nhint: z\nb\n");
        let is_refused = |printed: &str| std::panic::catch_unwind(|| assert_shown(page, printed)).is_err();
        assert!(is_refused("error[x]: it is gone\nb\nhint: z\n"), "not one below the other");
        assert!(is_refused("error[x]: it is gone\n") && is_refused(""));
    }

    #[test]
    fn blocks_carry_their_options() {
        let page = "text\n```stead,file=a.stead\nx\n```\n\n````md\n```\n````\n";
        let found = blocks(page);
        assert_eq!(found.len(), 2);
        assert!(
            found[0].is("stead") && found[0].option("file") == Some("a.stead") && found[0].text == "x\n" && found[0].line == 3
        );
        assert_eq!(found[1].text, "```\n");
    }

    #[test]
    fn times_are_settled() {
        assert_eq!(settle("done  12 ms  x\nin 3.4 s\nits s\n"), "done  N ms  x\nin N ms\nits s\n");
        assert_eq!(settle(&format!("hash {}", "a1".repeat(32))), "hash [..]");
    }
}
