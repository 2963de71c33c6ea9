//! What goes between an operator and the worker on a machine: frames over two pipes, of a version of their own.
//!
//! A frame is a kind (u8), flags (u8), the length of its body (u32, little-endian) and the body: a message in JSON, or a piece of
//! a blob. A body is deflated where that makes it shorter. Neither side trusts the other: every length has a limit, memory is taken as
//! bytes arrive, and what is read is checked before it is used.
//!
//! The kinds of message are in `message`, the wire's own types of values, catalogs, plans and events beside it. Fields are only ever
//! added, with a default; anything else is a new [`VERSION`].

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod catalog;
mod code;
mod event;
mod message;
mod plan;
mod runs;
mod value;

pub(crate) use catalog::{WireCatalog, WireLedgerEntry};
pub(crate) use code::WireCode;
pub(crate) use event::{WireEvent, WireOutcome};
pub(crate) use event::{nanoseconds, pending, read_pending, written};
pub(crate) use message::{Answer, CheckKind, PlanRequest, Problem, Request, Wanted, WireProgram};
pub(crate) use plan::{WirePlan, WirePlanned, cause, read_cause};
pub(crate) use runs::{WireConflict, WireDone, WireDrift, WireRun, WireUndo, not_undone, read_not_undone};
pub(crate) use value::{WireMap, WireValue, content_hash, facts};

/// Version of the frames. Both sides have to be of the same.
pub(crate) const VERSION: u32 = 3;

/// The longest body, as it goes over the wire and as it is when it is inflated.
pub(crate) const MAX_BODY: usize = 256 << 20;

/// Bytes of a blob in one frame.
pub(crate) const PIECE: usize = 256 << 10;

/// The largest blob.
pub(crate) const MAX_BLOB: u64 = 4 << 30;

/// Bodies below this are not worth deflating.
const SMALL: usize = 512;

const MESSAGE: u8 = 1;
const BLOB: u8 = 2;
const DEFLATED: u8 = 1;

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other side is gone.
    #[error("the connection is gone")]
    Closed,
    /// The pipe cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no frame, or none that this version knows.
    #[error("what came is no frame: {0}")]
    Malformed(String),
    /// It is larger than a frame may be.
    #[error("a frame of more than {} MiB", MAX_BODY >> 20)]
    TooLarge,
}

impl FrameError {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }
}

/// A frame as it came.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A message in JSON.
    Message(Vec<u8>),
    /// A piece of a blob.
    Piece {
        /// BLAKE3 of all of the blob.
        hash: [u8; 32],
        /// Where the piece begins.
        offset: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Makes the frame of a message.
///
/// # Errors
/// [`FrameError::TooLarge`].
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message).map_err(|error| FrameError::malformed(error.to_string()))?;
    frame(MESSAGE, body)
}

/// Makes the frame of a piece of a blob.
///
/// # Errors
/// [`FrameError::TooLarge`].
pub(crate) fn encode_piece(hash: &[u8; 32], offset: u64, bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::with_capacity(40 + bytes.len());
    body.extend_from_slice(hash);
    body.extend_from_slice(&offset.to_le_bytes());
    body.extend_from_slice(bytes);
    frame(BLOB, body)
}

fn frame(kind: u8, body: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    if body.len() > MAX_BODY {
        return Err(FrameError::TooLarge);
    }
    let mut packed = Vec::new();
    let is_packed = body.len() >= SMALL
        && DeflateEncoder::new(body.as_slice(), Compression::fast()).read_to_end(&mut packed).is_ok()
        && packed.len() < body.len();
    let body = if is_packed { packed } else { body };
    let length = u32::try_from(body.len()).map_err(|_| FrameError::TooLarge)?;
    let mut frame = Vec::with_capacity(6 + body.len());
    frame.extend_from_slice(&[kind, if is_packed { DEFLATED } else { 0 }]);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Reads one frame.
///
/// # Errors
/// Each of [`FrameError`].
pub(crate) fn read(input: &mut dyn Read) -> Result<Frame, FrameError> {
    let mut head = [0; 6];
    let got = read_some(input, &mut head)?;
    if got == 0 {
        return Err(FrameError::Closed);
    }
    if got < head.len() {
        return Err(FrameError::malformed("it is cut short"));
    }
    let [kind, flags, length @ ..] = head;
    if !matches!(kind, MESSAGE | BLOB) || flags > DEFLATED {
        return Err(FrameError::malformed(format!("it begins with {}", crate::journal::hex(&head))));
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_BODY {
        return Err(FrameError::TooLarge);
    }
    // Grows with what arrives, whatever the length claims.
    let mut body = Vec::new();
    input.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(FrameError::malformed("it is cut short"));
    }
    if flags == DEFLATED {
        body = inflate(&body)?;
    }
    if kind == MESSAGE {
        return Ok(Frame::Message(body));
    }
    let (Some((hash, rest)), true) = (body.split_first_chunk::<32>(), body.len() <= 40 + PIECE) else {
        return Err(FrameError::malformed("a piece of a blob has another length"));
    };
    let Some((offset, bytes)) = rest.split_first_chunk::<8>() else {
        return Err(FrameError::malformed("a piece of a blob has another length"));
    };
    Ok(Frame::Piece { hash: *hash, offset: u64::from_le_bytes(*offset), bytes: bytes.to_vec() })
}

fn inflate(packed: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::new();
    let mut decoder = DeflateDecoder::new(packed).take(MAX_BODY as u64 + 1);
    decoder.read_to_end(&mut body).map_err(|_| FrameError::malformed("it cannot be inflated"))?;
    if body.len() > MAX_BODY { Err(FrameError::TooLarge) } else { Ok(body) }
}

/// Reads a message's JSON.
///
/// # Errors
/// [`FrameError::Malformed`].
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|error| FrameError::malformed(error.to_string()))
}

/// Writes a frame that was made before.
pub(crate) fn write(output: &mut dyn Write, frame: &[u8]) -> Result<(), FrameError> {
    let sent = output.write_all(frame).and_then(|()| output.flush());
    sent.map_err(|error| if error.kind() == io::ErrorKind::BrokenPipe { FrameError::Closed } else { FrameError::Io(error) })
}

/// Fills `buffer` as far as the input goes.
fn read_some(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match input.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Reads whatever frames are in these bytes as the worker and as the operator would, and throws them away: the body of a fuzz target.
/// Whatever is read and makes a catalog or a plan is written and read again, and has to be the same.
///
/// # Panics
/// When a law of the frames does not hold.
pub fn try_decoding(bytes: &[u8]) {
    let mut input = bytes;
    while let Ok(frame) = read(&mut input) {
        let Frame::Message(body) = frame else { continue };
        try_messages(&body);
    }
    // And the messages themselves, without a frame around them.
    try_messages(bytes);
}

fn try_messages(body: &[u8]) {
    if let Ok(Request::Plan(request)) = decode::<Request>(body)
        && let Ok(catalog) = request.catalog.read(&|_| None)
    {
        let again = WireCatalog::of(&catalog);
        if again.contents().is_ok_and(|contents| contents.is_empty()) {
            let again = again.read(&|_| None).expect("what was read once is read again");
            assert_eq!(again.hash(), catalog.hash());
        }
    }
    match decode::<Answer>(body) {
        Ok(Answer::Planned { plan, .. }) => {
            if let Ok(plan) = plan.read() {
                assert_eq!(WirePlan::of(&plan).read().expect("what was read once is read again"), plan);
            }
        }
        Ok(Answer::Facts { facts: map, .. }) => {
            let _ = facts(map);
        }
        _ => {}
    }
}

/// Frames of each side, and the messages in them, for fuzzing to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let frames = message::samples();
    let bodies = frames.iter().filter_map(|frame| match read(&mut frame.as_slice()) {
        Ok(Frame::Message(body)) => Some(body),
        _ => None,
    });
    let bodies: Vec<Vec<u8>> = bodies.collect();
    [frames, bodies].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(bytes: &[u8]) -> Result<Frame, FrameError> {
        read(&mut &*bytes)
    }

    #[test]
    fn a_message_reads_back_short_and_long() {
        for text in ["x".to_owned(), "long ".repeat(100_000)] {
            let frame = encode(&text).expect("a frame");
            assert!(frame.len() < 20_000, "it is deflated");
            let Ok(Frame::Message(body)) = read_back(&frame) else { panic!("a message") };
            assert_eq!(decode::<String>(&body).expect("a text"), text);
        }
    }

    #[test]
    fn a_piece_reads_back() {
        let frame = encode_piece(&[7; 32], 1 << 40, b"content").expect("a frame");
        let Ok(Frame::Piece { hash, offset, bytes }) = read_back(&frame) else { panic!("a piece") };
        assert_eq!((hash, offset, bytes.as_slice()), ([7; 32], 1 << 40, b"content".as_slice()));
    }

    #[test]
    fn what_is_no_frame_is_refused_without_taking_memory() {
        assert!(matches!(read_back(b""), Err(FrameError::Closed)));
        assert!(matches!(read_back(b"Welcome to host\n"), Err(FrameError::Malformed(_))));
        assert!(matches!(read_back(&[MESSAGE, 0, 255, 255, 255, 255]), Err(FrameError::TooLarge)));
        assert!(matches!(read_back(&[MESSAGE, 0, 0, 0, 0, 1, b'x']), Err(FrameError::Malformed(_))));
        assert!(matches!(read_back(&[MESSAGE, 9, 0, 0, 0, 0]), Err(FrameError::Malformed(_))));
    }

    #[test]
    fn a_body_that_swells_is_refused() {
        let zeros = vec![0; 64 << 10];
        let mut encoder = DeflateEncoder::new(io::repeat(0).take(MAX_BODY as u64 + 2), Compression::fast());
        let mut packed = Vec::new();
        encoder.read_to_end(&mut packed).expect("deflated");
        let mut bomb = vec![MESSAGE, DEFLATED];
        bomb.extend_from_slice(&u32::try_from(packed.len()).expect("a length").to_le_bytes());
        bomb.extend_from_slice(&packed);
        assert!(matches!(read_back(&bomb), Err(FrameError::TooLarge)));
        assert!(inflate(&zeros).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), seed in 0..8_usize, flip in 0..4000_usize) {
            try_decoding(&bytes);
            let seeds = seeds();
            let mut frame = seeds[seed % seeds.len()].clone();
            let at = flip % frame.len();
            frame[at] ^= 0x10;
            try_decoding(&frame);
        }
    }
}
