//! Digests of text, in hexadecimal digits.

use sha2::Digest;

use super::arguments::{string, text};
use super::{Entry, plain};

pub(super) const ENTRIES: &[Entry] = &[
    plain(
        "String.sha256() -> String",
        "Returns the SHA-256 digest.",
        &[("\"a\".sha256()", "\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"")],
        |a| string(hex::encode(sha2::Sha256::digest(text(a, 0)?))),
    ),
    plain(
        "String.sha512() -> String",
        "Returns the SHA-512 digest.",
        &[("\"a\".sha512().slice(0, 16)", "\"1f40fc92da241694\"")],
        |a| string(hex::encode(sha2::Sha512::digest(text(a, 0)?))),
    ),
    plain(
        "String.sha1() -> String",
        "Returns the SHA-1 digest. It does not withstand attacks.",
        &[("\"a\".sha1()", "\"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\"")],
        |a| string(hex::encode(sha1::Sha1::digest(text(a, 0)?))),
    ),
    plain(
        "String.md5() -> String",
        "Returns the MD5 digest. It does not withstand attacks.",
        &[("\"a\".md5()", "\"0cc175b9c0f1b6a831c399e269772661\"")],
        |a| string(hex::encode(md5::Md5::digest(text(a, 0)?))),
    ),
    plain(
        "String.blake3() -> String",
        "Returns the BLAKE3 digest.",
        &[("\"a\".blake3().slice(0, 16)", "\"17762fddd969a453\"")],
        |a| string(blake3::hash(text(a, 0)?.as_bytes()).to_hex().as_str()),
    ),
];
