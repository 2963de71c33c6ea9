//! Where output goes, how wide and how coloured.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_compiler::Diagnostic;
use stead_compiler::diagnostic::json::to_json;
use stead_compiler::diagnostic::render;
use stead_report::{Color, TextOptions};

use crate::args::ColorChoice;
use crate::failure::Failure;

/// Most diagnostics that are shown to a person at once.
const MAX_SHOWN: usize = 100;

/// What is known of the terminal: decided once, from the flag, the environment and the terminal itself.
#[derive(Debug)]
pub(crate) struct Terminal {
    choice: ColorChoice,
    ascii: bool,
    form: Form,
    /// Diagnostics as JSON, until it is known whether a document comes as well.
    held: Mutex<String>,
    /// The document was written.
    is_told: AtomicBool,
}

/// What a command writes to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text for people; diagnostics are drawn on standard error.
    #[default]
    Text,
    /// One JSON document. Diagnostics are one object a line: in its place where there is none, else on standard error.
    Document,
    /// One JSON object a line, diagnostics among them.
    Lines,
}

impl Terminal {
    /// Reads the environment.
    pub(crate) fn new(choice: ColorChoice, form: Form) -> Self {
        Self { choice, ascii: !speaks_utf8(), form, held: Mutex::default(), is_told: AtomicBool::new(false) }
    }

    /// How text on standard output is to look.
    pub(crate) fn text_options(&self) -> TextOptions {
        let stdout = io::stdout();
        TextOptions {
            color: self.color(stdout.is_terminal()),
            width: width(&stdout, stdout.is_terminal()),
            ascii: self.ascii,
            ..TextOptions::default()
        }
    }

    /// Writes to standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.begin_document();
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::output)
    }

    /// Takes note that a document is written to standard output: whatever is to be said from now on goes elsewhere.
    pub(crate) fn begin_document(&self) {
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// Writes to standard output; what does not fit on the terminal goes through the user's pager.
    pub(crate) fn page(&self, text: &str) -> Result<(), Failure> {
        let stdout = io::stdout();
        let rows = rustix::termios::tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_row));
        if !stdout.is_terminal() || !io::stdin().is_terminal() || rows == 0 || text.lines().count() < rows {
            return self.print(text);
        }
        let pager = env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
        if pager.trim().is_empty() || pager.trim() == "cat" {
            return self.print(text);
        }
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", &pager]).stdin(std::process::Stdio::piped());
        if env::var_os("LESS").is_none() {
            // Colours as they are, nothing cleared, gone by itself where all of it fits: as git has it.
            command.env("LESS", "FRX");
        }
        let Ok(mut child) = command.spawn() else { return self.print(text) };
        if let Some(mut pipe) = child.stdin.take() {
            // Who leaves the pager early has read enough.
            let _ = pipe.write_all(text.as_bytes());
        }
        match child.wait() {
            // The shell found no such pager.
            Ok(status) if status.code() == Some(127) => self.print(text),
            _ => Ok(()),
        }
    }

    /// Writes to standard error. Nobody can be told when that fails.
    pub(crate) fn note(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes());
    }

    /// Says what went wrong and returns the exit code.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        let is_told = matches!(failure, Failure::BrokenPipe | Failure::Diagnosed);
        if self.form == Form::Text {
            if !is_told {
                self.note(&self.failure_text(failure));
            }
            return failure.exit_code();
        }
        let mut lines = std::mem::take(&mut *self.held());
        if !is_told {
            let diagnostic = Diagnostic::error(failure.code(), failure.to_string()).hint_opt(failure.hint());
            lines.push_str(&(to_json(&diagnostic, &NoTexts) + "\n"));
        }
        // What follows a document does not belong to it. Where standard output is gone nobody can be told.
        match self.form == Form::Document && self.is_told.load(Ordering::Relaxed) {
            true => self.note(&lines),
            false => drop(self.print(&lines)),
        }
        failure.exit_code()
    }

    /// Ends a command that gave what it was asked for: what there is to say beside a document goes to standard error.
    pub(crate) fn finish(&self) {
        let lines = std::mem::take(&mut *self.held());
        self.note(&lines);
    }

    fn held(&self) -> MutexGuard<'_, String> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong, and the way out.
    pub(crate) fn failure_text(&self, failure: &Failure) -> String {
        let mut text = self.error_line(failure.code(), &failure.to_string());
        if let Some(hint) = failure.hint() {
            text.push_str(&self.remark("hint", &hint));
        }
        text
    }

    /// `error[code]: message`, as diagnostics look.
    pub(crate) fn error_line(&self, code: &str, message: &str) -> String {
        let code = stead_report::clean(code);
        let message = message.lines().map(|line| stead_report::clean(line).into_owned()).collect::<Vec<_>>().join("\n  ");
        match self.error_color() {
            Color::Ansi => format!("\u{1b}[1;31merror[{code}]\u{1b}[0m\u{1b}[1m: {message}\u{1b}[0m\n"),
            Color::Never => format!("error[{code}]: {message}\n"),
        }
    }

    /// What went wrong with a host, and the way out.
    pub(crate) fn host_line(&self, host: &str, failure: &crate::many::HostFailure) -> String {
        let mut text = self.error_line(&failure.code, &format!("{host}: {}", failure.message));
        if let Some(hint) = &failure.hint {
            text.push_str(&self.remark("hint", hint));
        }
        text
    }

    /// `warning[code]: message`.
    pub(crate) fn warning_line(&self, code: &str, message: &str) -> String {
        let code = stead_report::clean(code);
        let message = stead_report::clean(message);
        match self.error_color() {
            Color::Ansi => format!("\u{1b}[1;33mwarning[{code}]\u{1b}[0m: {message}\n"),
            Color::Never => format!("warning[{code}]: {message}\n"),
        }
    }

    fn remark(&self, word: &str, text: &str) -> String {
        let text = stead_report::clean(text);
        match self.error_color() {
            Color::Ansi => format!("\u{1b}[1;36m{word}\u{1b}[0m: {text}\n"),
            Color::Never => format!("{word}: {text}\n"),
        }
    }

    /// Draws diagnostics on standard error; where a program reads, they are JSON.
    pub(crate) fn show_diagnostics(&self, mut diagnostics: Vec<Diagnostic>, sources: &dyn render::SourceText) {
        if diagnostics.is_empty() {
            return;
        }
        if self.form != Form::Text {
            let lines: String = diagnostics.iter().map(|diagnostic| to_json(diagnostic, sources) + "\n").collect();
            match self.form {
                // Who reads no more is told when something else is written.
                Form::Lines => drop(self.print(&lines)),
                _ => self.held().push_str(&lines),
            }
            return;
        }
        let left_out = stead_compiler::diagnostic::cap(&mut diagnostics, MAX_SHOWN);
        let stderr = io::stderr();
        let style = render::Style {
            color: self.error_color() == Color::Ansi,
            unicode: !self.ascii,
            width: width(&stderr, stderr.is_terminal()).unwrap_or(100),
        };
        self.note(&render::render_all(&diagnostics, left_out, sources, style));
    }

    /// The colour of standard error.
    pub(crate) fn error_color(&self) -> Color {
        self.color(io::stderr().is_terminal())
    }

    fn color(&self, is_terminal: bool) -> Color {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let on = match self.choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") => false,
            ColorChoice::Auto if set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
            ColorChoice::Auto => is_terminal && env::var_os("TERM").is_some_and(|term| term != "dumb"),
        };
        if on { Color::Ansi } else { Color::Never }
    }
}

/// No file is at hand: for what has no place in one.
struct NoTexts;

impl render::SourceText for NoTexts {
    fn text(&self, _: &str) -> Option<&str> {
        None
    }
}

/// COLUMNS where it is set, else what the terminal says; nothing for a pipe or a file.
fn width(stream: impl std::os::fd::AsFd, is_terminal: bool) -> Option<usize> {
    if let Some(columns) = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0) {
        return Some(columns);
    }
    if !is_terminal {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The first locale variable that is set decides, as in setlocale(3); none set means a bare environment, where
/// files and tools are UTF-8 all the same.
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_from_elsewhere_drives_the_terminal() {
        let terminal = Terminal { ascii: false, ..Terminal::new(ColorChoice::Never, Form::Text) };
        let evil = "a\u{1b}[2J\u{7}\u{202e}b";
        let failure = crate::many::HostFailure::new(evil, evil, Some(evil.to_owned()));
        for text in [terminal.host_line(evil, &failure), terminal.warning_line(evil, evil), terminal.error_line(evil, evil)] {
            assert!(text.contains("\u{241b}[2J"), "{text:?}");
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        }
    }
}
