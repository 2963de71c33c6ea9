//! Asking for what nobody else is to see.
//!
//! While somebody types, the terminal shows nothing and hands over every key, those that end a program too: so it is as it was before,
//! whatever was typed, when the program ends.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, SpecialCodes, tcgetattr, tcsetattr};

/// Longer than anything that is typed.
const MAX: usize = 4096;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// There is more to come.
    Typed,
    /// The line is over.
    Done,
    /// Nobody types any more.
    Closed,
    /// The program is to be ended.
    Signal(Signal),
}

/// Reads a line from a terminal without showing it. `None` when what is typed is no text, or nothing more can come.
///
/// # Errors
/// When the terminal cannot be read, or its key for ending programs was pressed and that ended nothing.
pub(crate) fn read(terminal: impl AsFd) -> io::Result<Option<String>> {
    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let mut line = Vec::new();
    let end = read_keys(&terminal, &mut line, &before.special_codes);
    // What was typed after the line is for whoever reads next.
    tcsetattr(&terminal, OptionalActions::Now, &before)?;
    match end? {
        Key::Signal(signal) => {
            kill_process(getpid(), signal)?;
            Err(io::ErrorKind::Interrupted.into())
        }
        Key::Closed if line.is_empty() => Ok(None),
        Key::Done | Key::Closed | Key::Typed => Ok(String::from_utf8(line).ok()),
    }
}

fn read_keys(terminal: impl AsFd, line: &mut Vec<u8>, codes: &SpecialCodes) -> io::Result<Key> {
    let mut byte = [0];
    loop {
        match rustix::io::read(&terminal, &mut byte) {
            Ok(0) => return Ok(Key::Closed),
            Ok(_) => match take(line, byte[0], codes) {
                Key::Typed => {}
                end => return Ok(end),
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Does with a key what the terminal would have done.
fn take(line: &mut Vec<u8>, byte: u8, codes: &SpecialCodes) -> Key {
    let is = |index: SpecialCodeIndex| byte != 0 && codes[index] == byte;
    if byte == b'\n' || byte == b'\r' {
        return Key::Done;
    } else if is(SpecialCodeIndex::VINTR) {
        return Key::Signal(Signal::INT);
    } else if is(SpecialCodeIndex::VQUIT) {
        return Key::Signal(Signal::QUIT);
    } else if is(SpecialCodeIndex::VEOF) {
        return Key::Closed;
    } else if is(SpecialCodeIndex::VKILL) {
        line.clear();
    } else if is(SpecialCodeIndex::VERASE) || byte == 0x7f || byte == 0x08 {
        // A character may be several bytes.
        while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {}
    } else if line.len() < MAX {
        line.push(byte);
    }
    Key::Typed
}
