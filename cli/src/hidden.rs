//! Asking for what nobody else is to see.
//!
//! While somebody types, the terminal shows nothing and hands over every key, those that end a program too: so it is as it was before,
//! whatever was typed and whoever ends the program.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, SpecialCodes, tcgetattr, tcsetattr};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGQUIT};
use signal_hook::low_level::{emulate_default_handler, pipe, unregister};

use crate::signals::{self, Taken};

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
    /// The program is to be ended by this signal.
    Signal(i32),
}

/// Signals that end a program, waited for while a terminal is not as it was.
struct Endings {
    wakes: UnixStream,
    came: Arc<AtomicUsize>,
    handlers: Vec<SigId>,
    taken: Taken,
}

impl Endings {
    fn wait_for() -> io::Result<Self> {
        let (wakes, end) = UnixStream::pair()?;
        let mut endings = Self { wakes, came: Arc::default(), handlers: Vec::new(), taken: signals::borrow() };
        for signal in signals::ENDINGS {
            let number = usize::try_from(signal).unwrap_or_default();
            // In this order: who is woken finds the number.
            endings.handlers.push(signal_hook::flag::register_usize(signal, endings.came.clone(), number)?);
            endings.handlers.push(pipe::register(signal, end.try_clone()?)?);
        }
        Ok(endings)
    }

    fn came(&self) -> Option<i32> {
        i32::try_from(self.came.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }
}

impl Drop for Endings {
    fn drop(&mut self) {
        self.handlers.drain(..).for_each(|handler| _ = unregister(handler));
    }
}

/// Reads a line from a terminal without showing it. `None` when what is typed is no text, or nothing more can come.
///
/// # Errors
/// When the terminal cannot be read, or the program was to be ended, by a key or by somebody else, and that ended nothing.
pub(crate) fn read(terminal: impl AsFd) -> io::Result<Option<String>> {
    let endings = Endings::wait_for()?;
    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let mut line = Vec::new();
    let end = read_keys(&terminal, &mut line, &before.special_codes, &endings);
    // What was typed after the line is for whoever reads next.
    let restored = tcsetattr(&terminal, OptionalActions::Now, &before);
    // One that came with the last key counts as well.
    let end = endings.came().map_or(end, |signal| Ok(Key::Signal(signal)));
    if let Ok(Key::Signal(signal)) = end {
        match Signal::from_named_raw(signal) {
            _ if endings.taken.has(signal) => emulate_default_handler(signal)?,
            // Somebody waits for it, and has not heard of a key.
            Some(signal) if endings.came().is_none() => kill_process(getpid(), signal)?,
            _ => {}
        }
        return Err(io::ErrorKind::Interrupted.into());
    }
    drop(endings);
    restored?;
    match end? {
        Key::Signal(_) => Err(io::ErrorKind::Interrupted.into()),
        Key::Closed if line.is_empty() => Ok(None),
        Key::Done | Key::Closed | Key::Typed => Ok(String::from_utf8(line).ok()),
    }
}

fn read_keys(terminal: impl AsFd, line: &mut Vec<u8>, codes: &SpecialCodes, endings: &Endings) -> io::Result<Key> {
    let mut byte = [0];
    loop {
        let mut ready = [PollFd::new(&terminal, PollFlags::IN), PollFd::new(&endings.wakes, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(signal) = endings.came() {
            return Ok(Key::Signal(signal));
        }
        if ready[0].revents().is_empty() {
            continue;
        }
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
        return Key::Signal(SIGINT);
    } else if is(SpecialCodeIndex::VQUIT) {
        return Key::Signal(SIGQUIT);
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
