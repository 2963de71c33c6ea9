//! Paths and the addresses that editors give them.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use lsp_types::Uri;

/// The path of a `file:` address; `None` for every other.
pub(crate) fn to_path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    // `file://localhost/x` is `/x`.
    let rest = rest.find('/').map(|at| &rest[at..])?;
    let bytes = decode(rest.split(['?', '#']).next().unwrap_or(rest))?;
    let path = String::from_utf8(bytes).ok()?;
    if path.contains('\0') { None } else { Some(normal(Path::new(&path))) }
}

/// The address of an absolute path.
pub(crate) fn of_path(path: &Path) -> Option<Uri> {
    let text = path.to_str()?;
    let mut encoded = String::from("file://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Uri::from_str(&encoded).ok()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

/// Takes `.` and `..` out of a path, by name only.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for path in ["/a/b.stead", "/with space/ü🦀#?.stead", "/%41"] {
            let uri = of_path(Path::new(path)).expect("an address");
            assert_eq!(to_path(&uri), Some(PathBuf::from(path)), "{}", uri.as_str());
        }
        let path = |text: &str| to_path(&Uri::from_str(text).expect("a uri"));
        assert_eq!(path("untitled:Untitled-1"), None);
        assert_eq!(path("file://localhost/a/../b"), Some(PathBuf::from("/b")));
        assert_eq!(path("file:///a%00b"), None);
    }
}
