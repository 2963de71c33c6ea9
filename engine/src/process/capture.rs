//! Output of a command, bounded: its beginning and its end are kept.

use std::collections::VecDeque;

/// Bytes kept of the beginning.
const HEAD: usize = 768 << 10;
/// Bytes kept of the end.
const TAIL: usize = 256 << 10;

/// What a command wrote, at most 1 MiB of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Captured {
    /// Adds what the command wrote next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        if self.tail.len() > TAIL {
            let surplus = self.tail.len() - TAIL;
            self.tail.drain(..surplus);
            self.left_out += surplus as u64;
        }
    }

    /// Returns all that was kept. A note stands where something was left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept() {
        let mut captured = Captured::default();
        captured.push(b"first ");
        captured.push(b"line");
        assert_eq!(captured.clone().into_bytes(), b"first line");
        for _ in 0..2000 {
            captured.push(&[b'x'; 1024]);
        }
        captured.push(b"last");
        let bytes = captured.into_bytes();
        assert!(bytes.starts_with(b"first linexxx") && bytes.ends_with(b"xxxlast"));
        assert!(bytes.len() < HEAD + TAIL + 64);
    }
}
