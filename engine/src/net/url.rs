//! As much of a URL as has to be told apart (RFC 3986).

use base64::Engine as _;

/// The parts of a web address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlParts<'u> {
    /// `https`; as it is written.
    pub scheme: &'u str,
    /// User and password, where they are in it.
    pub credentials: Option<&'u str>,
    /// Host and port.
    pub authority: &'u str,
    /// The host alone.
    pub host: &'u str,
    /// From the path on, with its slash; may be empty.
    pub rest: &'u str,
}

impl<'u> UrlParts<'u> {
    /// Takes an address apart; `None` when it has no scheme or no host.
    pub fn of(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if scheme.is_empty() || !is_scheme || url.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, authority),
        };
        let host = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?.0,
            None => authority.split_once(':').map_or(authority, |(host, _)| host),
        };
        (!host.is_empty() || scheme == "file").then_some(Self { scheme, credentials, authority, host, rest })
    }
}

/// The address without user and password.
pub fn without_credentials(url: &str) -> String {
    match UrlParts::of(url) {
        Some(UrlParts { scheme, credentials: Some(_), authority, rest, .. }) => format!("{scheme}://{authority}{rest}"),
        _ => url.to_owned(),
    }
}

/// The name of the file that an address leads to; `None` when it leads to a directory.
pub fn file_name(url: &str) -> Option<String> {
    let path = UrlParts::of(url)?.rest.split(['?', '#']).next()?;
    let name = String::from_utf8(decoded(path.rsplit_once('/')?.1)).ok()?;
    (!name.is_empty()).then_some(name)
}

/// Where a redirect from `base` leads.
pub(super) fn join(base: &str, location: &str) -> Option<String> {
    let parts = UrlParts::of(base)?;
    let location = location.split('#').next().unwrap_or(location);
    if UrlParts::of(location).is_some() {
        return Some(location.to_owned());
    }
    let origin = format!("{}://{}", parts.scheme, parts.authority);
    if let Some(other) = location.strip_prefix("//") {
        return Some(format!("{}://{other}", parts.scheme));
    }
    if location.starts_with('/') {
        return Some(format!("{origin}{location}"));
    }
    let path = parts.rest.split(['?', '#']).next().unwrap_or_default();
    if location.starts_with('?') {
        return Some(format!("{origin}{path}{location}"));
    }
    let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
    let (relative, query) = location.find('?').map_or((location, ""), |at| location.split_at(at));
    let mut names: Vec<&str> = directory.split('/').filter(|name| !name.is_empty()).collect();
    for name in relative.split('/') {
        match name {
            "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    Some(format!("{origin}/{}{query}", names.join("/")))
}

/// Undoes percent escapes.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// The credentials of basic authentication (RFC 7617).
pub(super) fn basic(credentials: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let parts = UrlParts::of("https://u:p%40@host.example:8443/a/b?c").expect("an address");
        assert_eq!((parts.scheme, parts.credentials), ("https", Some("u:p%40")));
        assert_eq!((parts.authority, parts.host, parts.rest), ("host.example:8443", "host.example", "/a/b?c"));
        assert_eq!(UrlParts::of("http://[::1]:80/x").map(|parts| parts.host), Some("::1"));
        assert_eq!(UrlParts::of("file:///srv/x").map(|parts| parts.rest), Some("/srv/x"));
        for none in ["host/x", "http://", "http:///x", "://x", "http://a b/", "ht tp://a"] {
            assert_eq!(UrlParts::of(none), None, "{none}");
        }
        assert_eq!(without_credentials("https://u:p@h/x"), "https://h/x");
        assert_eq!(without_credentials("https://h/@x"), "https://h/@x");
    }

    #[test]
    fn an_address_leads_to_a_file() {
        for (url, expected) in [
            ("https://h/a/b%20c.tar?x=/y", Some("b c.tar")),
            ("https://h/a#/b", Some("a")),
            ("https://h/a/", None),
            ("https://h", None),
            ("/a/b", None),
        ] {
            assert_eq!(file_name(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn redirects_lead_on() {
        for (location, expected) in [
            ("https://other/x", "https://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y", "https://host:1/x?y"),
            ("x", "https://host:1/a/x"),
            ("../x?y=/../z", "https://host:1/x?y=/../z"),
            ("?q", "https://host:1/a/b?q"),
            ("/x#part", "https://host:1/x"),
        ] {
            assert_eq!(join("https://user:secret@host:1/a/b?c", location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn credentials_are_encoded() {
        assert_eq!(basic(&decoded("user:p%40ss")), "dXNlcjpwQHNz");
    }
}
