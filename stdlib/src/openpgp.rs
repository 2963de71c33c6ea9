//! As much of OpenPGP as it takes to tell the fingerprints of public keys (RFC 4880, RFC 9580).

use base64::Engine as _;
use sha1::{Digest, Sha1};

/// The keys' bytes, whether they are armored or not; `None` when these are no keys.
///
/// Armor is read strictly (RFC 9580, section 6.2): where a laxer reader could find other keys in it, there are none.
pub(crate) fn dearmored(bytes: &[u8]) -> Option<Vec<u8>> {
    if !is_armored(bytes) {
        return Some(bytes.to_vec());
    }
    let mut lines = std::str::from_utf8(bytes).ok()?.lines().map(str::trim);
    let mut all = Vec::new();
    while let Some(line) = lines.next() {
        match line {
            "-----BEGIN PGP PUBLIC KEY BLOCK-----" => all.extend(block(&mut lines)?),
            // What stands around the blocks is a comment; another kind of block is not.
            other if other.starts_with("-----") => return None,
            _ => {}
        }
    }
    Some(all)
}

/// The bytes of a block whose first line was read.
fn block<'l>(lines: &mut impl Iterator<Item = &'l str>) -> Option<Vec<u8>> {
    loop {
        match lines.next()? {
            "" => break,
            header if header.contains(": ") || header.ends_with(':') => {}
            _ => return None,
        }
    }
    let mut encoded = String::new();
    loop {
        let line = lines.next()?;
        match line {
            "-----END PGP PUBLIC KEY BLOCK-----" => break,
            // The checksum is the last line.
            sum if sum.starts_with('=') => {
                let is_end = lines.next()? == "-----END PGP PUBLIC KEY BLOCK-----";
                is_end.then_some(())?;
                break;
            }
            _ => encoded.push_str(line),
        }
    }
    base64::engine::general_purpose::STANDARD.decode(encoded).ok()
}

/// Blanks and `0x` taken out of a fingerprint.
pub(crate) fn bare_fingerprint(text: &str) -> String {
    text.trim_start_matches("0x").chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase()
}

/// Says whether keys are text.
pub(crate) fn is_armored(bytes: &[u8]) -> bool {
    bytes.windows(15).take(4096).any(|window| window == b"-----BEGIN PGP ")
}

/// The fingerprints of all primary keys, in upper-case digits; `None` when these are no keys.
pub(crate) fn fingerprints(bytes: &[u8]) -> Option<Vec<String>> {
    let binary = dearmored(bytes)?;
    let mut rest = &*binary;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest)?;
        if tag == 6 {
            found.push(fingerprint(body)?);
        }
        rest = after;
    }
    (!found.is_empty()).then_some(found)
}

/// Only version 4, which apt's keys have.
fn fingerprint(body: &[u8]) -> Option<String> {
    if body.first() != Some(&4) {
        return None;
    }
    let length = u16::try_from(body.len()).ok()?;
    let mut sum = Sha1::new();
    sum.update([0x99]);
    sum.update(length.to_be_bytes());
    sum.update(body);
    Some(hex::encode_upper(sum.finalize()))
}

/// The first packet: its tag, its body, and what follows.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0_usize, |number, digit| number << 8 | usize::from(*digit));
    let (tag, length, rest) = if first & 0x40 != 0 {
        let (one, after) = rest.split_first()?;
        let (length, rest) = match one {
            0..=191 => (usize::from(*one), after),
            192..=223 => ((usize::from(*one) - 192) * 256 + usize::from(*after.first()?) + 192, after.get(1..)?),
            255 => (number(after.get(..4)?), after.get(4..)?),
            _ => return None,
        };
        (first & 0x3f, length, rest)
    } else {
        let bytes = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        (first >> 2 & 0xf, number(rest.get(..bytes)?), rest.get(bytes..)?)
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_told_of_armored_and_plain_keys() {
        // A public-key packet of version 4 (RSA, made up) and a user id.
        let body = [4, 0x60, 0, 0, 0, 1, 0, 8, 0xff, 0, 2, 3];
        let mut binary = vec![0x98, u8::try_from(body.len()).expect("it is short")];
        binary.extend(body);
        binary.extend([0xb4, 1, b'x']);
        let found = fingerprints(&binary).expect("a key");
        assert_eq!((found.len(), found[0].len()), (1, 40));
        let encoded = base64::engine::general_purpose::STANDARD.encode(&binary);
        let armored =
            format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\n{encoded}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n");
        assert_eq!(fingerprints(armored.as_bytes()), Some(found));
        // What another reader could take for a key is not passed over.
        let other = encoded.replacen('m', "n", 1);
        for odd in [
            armored.replace("\n\n", &format!("\n \n{other}\n\n")),
            armored.replace("=abcd\n", &format!("=abcd\n{other}\n")),
            armored.replace("PUBLIC", "PRIVATE"),
            armored.replace("Version: 1\n\n", ""),
            format!("{armored}{}", armored.replace("PUBLIC KEY BLOCK", "MESSAGE")),
        ] {
            assert_eq!(fingerprints(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(fingerprints(format!("our key:\n{armored}\n{armored}").as_bytes()).map(|all| all.len()), Some(2));
    }

    #[test]
    fn what_is_no_key_is_told() {
        for none in [&b""[..], b"<html>", b"\x98\xff\x04", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END"] {
            assert_eq!(fingerprints(none), None);
        }
    }
}
