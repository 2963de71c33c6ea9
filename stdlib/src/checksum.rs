//! Checksums as users write them: `sha256:…`, the digits alone, or the place of a file that has them.

mod listed;

use std::fmt;
use std::sync::Arc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use stead_catalog::Problem;

pub(crate) use listed::Listed;

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    const ALL: [(Self, &'static str, usize); 5] = [
        (Self::Md5, "md5", 32),
        (Self::Sha1, "sha1", 40),
        (Self::Sha256, "sha256", 64),
        (Self::Sha384, "sha384", 96),
        (Self::Sha512, "sha512", 128),
    ];

    /// `sha256`, `SHA-256` …
    fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase().replace('-', "");
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(algorithm, ..)| *algorithm)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, ..)| *algorithm == self).map_or("", |(_, name, _)| name)
    }
}

/// A checksum that something has to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    /// In lower-case hexadecimal digits.
    digits: Arc<str>,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.digits)
    }
}

/// What an attribute says of a checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing.
    Unsaid,
    /// That there is none: `"none"`.
    Unchecked,
    /// This one.
    Is(Checksum),
    /// The one in this file.
    Listed(Listed),
}

impl Wanted {
    /// Reads an attribute; the second is what is wrong with it.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self::Unsaid) };
        if text == "none" {
            return Ok(Self::Unchecked);
        }
        if let Some(listed) = Listed::parse(text) {
            return Ok(Self::Listed(listed));
        }
        let (name, digits) = match text.split_once([':', '=']) {
            Some((name, digits)) => (Some(name.trim().to_ascii_lowercase()), digits.trim()),
            None => (None, text.trim()),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits.is_empty() {
            return Err("a checksum is made of hexadecimal digits".into());
        }
        let fits = |(_, known, length): &&(Algorithm, &str, usize)| match &name {
            Some(name) => name.replace('-', "") == **known,
            None => digits.len() == *length,
        };
        match Algorithm::ALL.iter().find(fits) {
            Some((algorithm, _, length)) if digits.len() == *length => {
                Ok(Self::Is(Checksum { algorithm: *algorithm, digits: digits.to_ascii_lowercase().into() }))
            }
            Some((_, name, length)) => Err(format!("{name} has {length} hexadecimal digits, and these are {}", digits.len())),
            None => Err(format!("`{}` is no kind of checksum", name.as_deref().unwrap_or(text))),
        }
    }

    /// The file that has it, where there is one.
    pub(crate) fn listed(&self) -> Option<&Listed> {
        match self {
            Self::Listed(listed) => Some(listed),
            _ => None,
        }
    }

    /// Finds what is wrong with the attribute `checksum`.
    pub(crate) fn check(text: Option<&str>) -> Option<Problem> {
        Self::parse(text).err().map(|message| Problem {
            code: "invalid-value",
            attribute: Some("checksum".into()),
            other: None,
            message,
            hint: Some(
                "write `sha256:` and the 64 digits that `sha256sum` prints, or the URL of a file that has them; sha512, sha384, sha1 and md5 work as well"
                    .into(),
            ), mend: None })
    }
}

/// Makes a checksum piece by piece.
pub(crate) enum Sum {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Sum {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha384(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, digits) = match self {
            Self::Md5(sum) => (Algorithm::Md5, hex::encode(sum.finalize())),
            Self::Sha1(sum) => (Algorithm::Sha1, hex::encode(sum.finalize())),
            Self::Sha256(sum) => (Algorithm::Sha256, hex::encode(sum.finalize())),
            Self::Sha384(sum) => (Algorithm::Sha384, hex::encode(sum.finalize())),
            Self::Sha512(sum) => (Algorithm::Sha512, hex::encode(sum.finalize())),
        };
        Checksum { algorithm, digits: digits.into() }
    }
}

impl Checksum {
    /// The checksum with these digits; its kind is told by how many there are.
    fn of_digits(digits: &str) -> Option<Self> {
        let (algorithm, ..) = Algorithm::ALL.iter().find(|(_, _, length)| *length == digits.len())?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| Self { algorithm: *algorithm, digits: digits.to_ascii_lowercase().into() })
    }

    /// The checksum of some bytes.
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut sum = Sum::new(algorithm);
        sum.update(bytes);
        sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_and_made() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [empty.to_owned(), format!("sha256:{empty}"), format!("SHA-256={}", empty.to_uppercase())] {
            let wanted = Wanted::parse(Some(&text)).expect("a checksum");
            assert_eq!(wanted, Wanted::Is(Checksum::of(Algorithm::Sha256, b"")), "{text}");
        }
        let made = |algorithm| Checksum::of(algorithm, b"").to_string();
        assert_eq!(made(Algorithm::Md5), "md5:d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(made(Algorithm::Sha1), "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(Wanted::parse(Some("none")), Ok(Wanted::Unchecked));
        assert_eq!(Wanted::parse(None), Ok(Wanted::Unsaid));
        for (text, algorithm) in [
            ("https://example.com/SHA256SUMS", None),
            ("sha256:https://example.com/SHA256SUMS", Some(Algorithm::Sha256)),
            ("SHA-512:/srv/SUMS", Some(Algorithm::Sha512)),
            ("file:///srv/SUMS", None),
        ] {
            let Ok(Wanted::Listed(listed)) = Wanted::parse(Some(text)) else { panic!("{text}") };
            assert_eq!(listed.algorithm, algorithm, "{text}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_told() {
        for (text, expected) in [
            ("sha256:abc", "sha256 has 64 hexadecimal digits, and these are 3"),
            ("crc:abc", "`crc` is no kind of checksum"),
            ("abc", "`abc` is no kind of checksum"),
            ("sha256:xyz", "a checksum is made of hexadecimal digits"),
            ("", "a checksum is made of hexadecimal digits"),
        ] {
            assert_eq!(Wanted::parse(Some(text)), Err(expected.to_owned()), "{text}");
        }
    }
}
