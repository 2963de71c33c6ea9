//! The machine's own line in /etc/hosts.

use crate::edit::lines::{self, body, split};
use crate::edit::{Edited, Flaw};

/// The address that Debian gives a machine without a fixed one for its own name.
const OWN: &str = "127.0.1.1";

/// The content in which the address leads to the name and its first label, and to nothing else.
pub(super) fn set(content: &[u8], name: &str) -> Edited {
    let all = split(content);
    let short = name.split('.').next().unwrap_or(name);
    let names: Vec<&str> = if short == name { vec![name] } else { vec![name, short] };
    let wanted = lines::line(format!("{OWN}\t{}", names.join(" ")).as_bytes(), lines::ending(content));
    let mut edited: Vec<&[u8]> = Vec::with_capacity(all.len() + 1);
    let (mut is_there, mut after_local) = (false, 0);
    for (at, line) in all.iter().enumerate() {
        let Some((address, found)) = read(body(line), at)? else {
            edited.push(line);
            continue;
        };
        if address != OWN {
            edited.push(line);
        } else if !is_there {
            is_there = true;
            edited.push(if found == names { line } else { &wanted });
        }
        if address == "127.0.0.1" {
            after_local = edited.len();
        }
    }
    if !is_there {
        edited.insert(after_local, &wanted);
    }
    let edited = lines::join(edited, lines::ending(content));
    Ok((edited != content).then_some(edited))
}

/// The address and the names of a line; `None` of a comment.
fn read(line: &[u8], at: usize) -> Result<Option<(&str, Vec<&str>)>, Flaw> {
    let hint = "a line is an address with its names, a comment or blank";
    let Ok(text) = std::str::from_utf8(line) else { return Err(Flaw::malformed(at + 1, "this is no text", hint)) };
    let mut words = text.split('#').next().unwrap_or_default().split_ascii_whitespace();
    let Some(address) = words.next() else { return Ok(None) };
    if address.parse::<std::net::IpAddr>().is_err() && !address.contains('%') {
        return Err(Flaw::malformed(at + 1, format!("`{address}` is no address"), hint));
    }
    Ok(Some((address, words.collect())))
}
