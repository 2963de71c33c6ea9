//! Messages in their frames. A message that cannot be read is told, and the next one is read.

use std::io::{BufRead, Read as _, Write};

use lsp_server::Message;

/// Largest message that is read, in bytes.
const MAX_MESSAGE: u64 = 256 << 20;

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message.
    Message(Message),
    /// Something that is none, and why.
    Malformed(String),
    /// The client is gone.
    Closed,
}

/// Reads the next frame.
pub(crate) fn read(input: &mut impl BufRead) -> Incoming {
    let mut length: Option<u64> = None;
    let mut has_header = false;
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(64 << 10).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return Incoming::Closed,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            if has_header {
                break;
            }
            continue;
        }
        has_header = true;
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let Some(length) = length else { return Incoming::Malformed("a message without Content-Length".into()) };
    if length > MAX_MESSAGE {
        // Read past it, so that the next one is found.
        let skipped = std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink());
        return match skipped {
            Ok(n) if n == length => Incoming::Malformed(format!("a message of {length} bytes")),
            _ => Incoming::Closed,
        };
    }
    let mut body = Vec::new();
    match input.by_ref().take(length).read_to_end(&mut body) {
        Ok(n) if n as u64 == length => {}
        _ => return Incoming::Closed,
    }
    match serde_json::from_slice(&body) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Malformed(error.to_string()),
    }
}

/// Writes one message.
pub(crate) fn write(output: &mut impl Write, message: &Message) -> std::io::Result<()> {
    message.write(output)
}

/// Writes the error of a message that could not be read, which has no number.
pub(crate) fn write_parse_error(output: &mut impl Write, reason: &str) -> std::io::Result<()> {
    let error = serde_json::json!({ "code": -32700, "message": reason });
    let text = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_told_and_passed_over() {
        let good = r#"{"jsonrpc":"2.0","method":"exit"}"#;
        let frame = |text: &str| format!("Content-Length: {}\r\nContent-Type: x\r\n\r\n{text}", text.len());
        let input = format!("{}{}nonsense\r\n\r\n{}", frame("{nope"), frame(good), frame(good));
        let mut input = input.as_bytes();
        let mut kinds = Vec::new();
        loop {
            match read(&mut input) {
                Incoming::Message(_) => kinds.push("message"),
                Incoming::Malformed(_) => kinds.push("malformed"),
                Incoming::Closed => break,
            }
        }
        assert_eq!(kinds, ["malformed", "message", "malformed", "message"]);
    }
}
