//! A small web server on this machine, for hosts to fetch from: it names versions, sends parts, breaks off when it is told to, and
//! remembers what it was asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::host::Host;

/// What is at one path.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// All of it.
    pub content: Vec<u8>,
    /// `ETag`, with its quotes.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// Where it is instead, with status 302.
    pub moved: Option<String>,
    /// `user:password` that it wants to be asked with.
    pub credentials: Option<String>,
}

impl Page {
    /// A page that names no version.
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// The same with an `ETag`.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        Self { etag: Some(format!("\"{tag}\"")), ..self }
    }
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /path`.
    pub line: String,
    /// All headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub sent: usize,
}

#[derive(Debug, Default)]
struct State {
    pages: BTreeMap<String, Page>,
    asked: Vec<Asked>,
    most: Option<usize>,
    pause: Option<Duration>,
}

/// A server that runs for as long as the test process does.
#[derive(Debug)]
pub struct WebServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl WebServer {
    /// Starts one at a port of its own.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { port, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of a path as a host has it.
    pub fn url(&self, host: &Host, path: &str) -> String {
        let address = host.address();
        let net = address.rsplit_once('.').map_or(&*address, |(net, _)| net);
        format!("http://{net}.1:{}{path}", self.port)
    }

    /// Puts a page at a path, or another one.
    pub fn put(&self, path: &str, page: Page) {
        self.state().pages.insert(path.to_owned(), page);
    }

    /// Puts every file of a directory at its path below `at`.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn put_tree(&self, directory: &Path, at: &str) {
        for entry in std::fs::read_dir(directory).expect("the directory is there").flatten() {
            let path = format!("{at}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.put_tree(&entry.path(), &path);
            } else {
                self.put(&path, Page::new(std::fs::read(entry.path()).expect("the file is read")));
            }
        }
    }

    /// Lets each answer end after this many bytes of its body, whatever it announces.
    pub fn break_off_after(&self, most: Option<usize>) {
        self.state().most = most;
    }

    /// Waits after every 4 KiB of an answer.
    pub fn slow_down(&self, pause: Option<Duration>) {
        self.state().pause = pause;
    }

    /// What was asked since this was last called.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }
}

/// Answers one request. Whoever goes away in the middle is not waited for.
fn answer(mut stream: TcpStream, shared: &Mutex<State>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request);
    let mut lines = request.lines();
    let Some((method, path)) = lines.next().and_then(|line| line.rsplit_once(' ')?.0.split_once(' ')) else { return };
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let (page, most, pause) = {
        let state = lock();
        // apt asks for a flat repository like that.
        let plain = path.split('?').next().unwrap_or(path).replace("/./", "/");
        (state.pages.get(&plain).cloned(), state.most, state.pause)
    };
    let (status, body, extra) = judge(page.as_ref(), &headers);
    let mut head = format!("HTTP/1.1 {status} Answer\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    if status == 304 {
        head = format!("HTTP/1.1 304 Not Modified\r\n{extra}connection: close\r\n\r\n");
    }
    let body = if method == "HEAD" { &[][..] } else { &body[..body.len().min(most.unwrap_or(usize::MAX))] };
    lock().asked.push(Asked { line: format!("{method} {path}"), headers, status, sent: body.len() });
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    for piece in body.chunks(4096) {
        if stream.write_all(piece).is_err() {
            return;
        }
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
    }
}

/// Status, body and headers of the answer (RFC 9110: conditions, ranges).
fn judge<'p>(page: Option<&'p Page>, headers: &BTreeMap<String, String>) -> (u16, &'p [u8], String) {
    let Some(page) = page else { return (404, b"", String::new()) };
    let get = |name: &str| headers.get(name).map(String::as_str);
    if let Some(credentials) = &page.credentials {
        let wanted = format!("Basic {}", base64(credentials.as_bytes()));
        if get("authorization") != Some(&wanted) {
            return (401, b"", String::new());
        }
    }
    if let Some(moved) = &page.moved {
        return (302, b"", format!("location: {moved}\r\n"));
    }
    let mut extra = String::new();
    for (name, value) in [("etag", &page.etag), ("last-modified", &page.modified)] {
        if let Some(value) = value {
            let _ = write!(extra, "{name}: {value}\r\n");
        }
    }
    let (etag, modified) = (page.etag.as_deref(), page.modified.as_deref());
    let is_known = match get("if-none-match") {
        Some(known) => etag == Some(known),
        None => modified.is_some() && get("if-modified-since") == modified,
    };
    if is_known {
        return (304, b"", extra);
    }
    let is_same = get("if-range").is_none_or(|version| Some(version) == etag || Some(version) == modified);
    let from = get("range").filter(|_| is_same).and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let total = page.content.len();
    match from {
        None => (200, &page.content, extra),
        Some(from) if from >= total => (416, b"", format!("{extra}content-range: bytes */{total}\r\n")),
        Some(from) => (206, &page.content[from..], format!("{extra}content-range: bytes {from}-{}/{total}\r\n", total - 1)),
    }
}

/// RFC 4648, for the credentials of RFC 7617.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let value = usize::try_from(number >> (18 - 6 * digit) & 63).unwrap_or(0);
            text.push(if digit <= three.len() { char::from(DIGITS[value]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded() {
        for (text, expected) in [("", ""), ("u", "dQ=="), ("u:", "dTo="), ("u:p", "dTpw"), ("user:pass", "dXNlcjpwYXNz")] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
