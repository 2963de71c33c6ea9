//! Public keys as OpenSSH writes them: in authorized_keys and known_hosts (sshd(8), RFC 4253).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The types of keys that OpenSSH knows. Certificates are these with `-cert-v01@openssh.com`.
const TYPES: [&str; 9] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A public key: its type and its data in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// Says whether a word is the type of a key.
pub(crate) fn is_type(word: &str) -> bool {
    TYPES.contains(&word)
        || word
            .strip_suffix("-cert-v01@openssh.com")
            .is_some_and(|plain| plain.starts_with("ssh-") || plain.starts_with("ecdsa-") || plain.starts_with("sk-"))
}

impl PublicKey {
    /// Reads the type and the data, in two words.
    ///
    /// # Errors
    /// What is wrong, in words that go on `the key is no public key: `.
    pub(crate) fn new(kind: &str, data: &str) -> Result<Self, String> {
        if !is_type(kind) {
            return Err(format!("`{kind}` is no type of a key that OpenSSH knows"));
        }
        let bytes = STANDARD.decode(data).map_err(|_| "its data is not base64, or a part of it is missing".to_owned())?;
        let mut rest = &bytes[..];
        let mut fields = 0;
        while !rest.is_empty() {
            let Some((length, after)) = rest.split_first_chunk::<4>() else { return Err("its data ends too early".into()) };
            let length = u32::from_be_bytes(*length) as usize;
            let Some((field, after)) = after.split_at_checked(length) else { return Err("its data ends too early".into()) };
            if fields == 0 && field != kind.as_bytes() {
                let inner = String::from_utf8_lossy(field).chars().filter(|c| c.is_ascii_graphic()).take(40).collect::<String>();
                return Err(format!("it is said to be of the type `{kind}`, and its data is of the type `{inner}`"));
            }
            rest = after;
            fields += 1;
        }
        // Certificates have fields of other lengths, and begin the same way.
        if fields < 2 { Err("its data ends too early".into()) } else { Ok(Self { kind: kind.to_owned(), data: data.to_owned() }) }
    }
}

/// What is wrong with a text that is to be a key, where it is something else that people have at hand.
pub(crate) fn mistaken(text: &str) -> Option<&'static str> {
    if text.contains("PRIVATE KEY") {
        Some("it is a private key, which no other machine may have: give the `.pub` beside it")
    } else if text.contains("BEGIN SSH2 PUBLIC KEY") || text.contains("BEGIN PUBLIC KEY") {
        Some("it is in another format: `ssh-keygen -i -f FILE` writes it as OpenSSH does")
    } else if text.trim().starts_with("SHA256:") || text.trim().starts_with("MD5:") {
        Some("it is a fingerprint, from which the key cannot be told")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_say() {
        let data = "AAAAC3NzaC1lZDI1NTE5AAAAIN59GjxEYb9UrMxXongctVV8YiJbDtgOBuGRyex8bgnm";
        assert!(PublicKey::new("ssh-ed25519", data).is_ok());
        for (kind, data) in
            [("ssh-rsa", data), ("ssh-ed25519", &data[..60]), ("ssh-ed25519", "AAAA"), ("ed25519", data), ("ssh-ed25519", "")]
        {
            assert!(PublicKey::new(kind, data).is_err(), "{kind} {data}");
        }
    }
}
