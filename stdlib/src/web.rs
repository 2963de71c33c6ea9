//! Where bytes come from: the project, a path on the node, or a URL; and fetching them from the last.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use stead_catalog::Blob;
use stead_engine::net::{self, Request, Response, UrlParts};
use stead_engine::{ApplyError, Machine, ObserveError};

use crate::problems::Problems;
use crate::values::{Guarded, Secret};

/// Where something comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    /// A file of the project.
    Project(&'a Blob),
    /// A file on the node.
    Path(&'a Path),
    /// A web server.
    Url(&'a str),
}

impl<'a> Origin<'a> {
    /// Reads a path or a URL; `None` when it is neither.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let absolute = |path: &'a str| {
            let is_plain = path.len() > 1 && path.starts_with('/') && !path.split('/').any(|part| part == "..");
            is_plain.then(|| Self::Path(Path::new(path)))
        };
        if let Some(rest) = text.strip_prefix("file://") {
            return absolute(rest.strip_prefix("localhost").unwrap_or(rest));
        }
        match UrlParts::of(text) {
            Some(parts) if matches!(parts.scheme, "http" | "https") => Some(Self::Url(text)),
            Some(_) => None,
            None => absolute(text),
        }
    }
}

/// How something is fetched.
#[derive(Clone, Copy)]
pub(crate) struct Fetching<'a> {
    pub(crate) headers: &'a IndexMap<Arc<str>, Guarded<Arc<str>>>,
    pub(crate) proxy: Option<&'a Guarded<Arc<str>>>,
    /// The longest wait for an answer, and for more of it.
    pub(crate) timeout: Duration,
    pub(crate) verify: bool,
    /// Certificates that are trusted instead of the machine's.
    pub(crate) authorities: Option<&'a Arc<[u8]>>,
    /// User and password.
    pub(crate) credentials: Option<(&'a str, &'a str)>,
}

/// No headers.
static NO_HEADERS: std::sync::LazyLock<IndexMap<Arc<str>, Guarded<Arc<str>>>> = std::sync::LazyLock::new(IndexMap::new);

impl Default for Fetching<'_> {
    fn default() -> Self {
        Self {
            headers: &NO_HEADERS,
            proxy: None,
            timeout: Duration::from_secs(30),
            verify: true,
            authorities: None,
            credentials: None,
        }
    }
}

impl<'f> Fetching<'f> {
    /// The same for another server: without headers and credentials.
    pub(crate) fn without_secrets(&self) -> Fetching<'f> {
        Fetching { headers: &NO_HEADERS, credentials: None, ..*self }
    }

    /// The request for a URL.
    pub(crate) fn request(&self, url: &str) -> Request {
        let mut headers: Vec<(Arc<str>, Arc<str>)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.reveal().clone())).collect();
        if let Some((user, password)) = self.credentials {
            headers.push(("Authorization".into(), net::basic_authorization(user, password).into()));
        }
        Request {
            headers,
            proxy: self.proxy.map(|proxy| proxy.reveal().clone()),
            timeout: self.timeout,
            verify: self.verify,
            authorities: self.authorities.cloned(),
            ..Request::get(url)
        }
    }

    /// Fetches all of it into memory, at most `most` bytes. `name` is what messages call it.
    ///
    /// # Errors
    /// `fetch-failed`, and `cancelled`.
    pub(crate) fn all(&self, machine: &Machine, url: &str, name: &str, most: u64) -> Result<Arc<[u8]>, ApplyError> {
        let mut response = net::send(&self.request(url)).map_err(|error| failed(name, &error.to_string()))?;
        accept(&response, name)?;
        let mut bytes = Vec::new();
        pour(machine, &mut response, name, &mut |piece| {
            bytes.extend_from_slice(piece);
            if bytes.len() as u64 > most { Err(failed(name, "it is larger than may be read")) } else { Ok(()) }
        })?;
        Ok(bytes.into())
    }
}

/// User and password of basic authentication, where they are given.
pub(crate) fn credentials<'f>(
    username: Option<&'f Arc<str>>,
    password: Option<&'f Secret<Arc<str>>>,
) -> Option<(&'f str, &'f str)> {
    username.map(|user| (&**user, password.map_or("", |secret| secret.reveal())))
}

/// Finds mistakes in how a server is to be asked: who asks, and whose certificates are good.
pub(crate) fn check_access(
    problems: &mut Problems,
    (username, password): (&Option<Arc<str>>, &Option<Secret<Arc<str>>>),
    has_authorities: bool,
    verify: bool,
) {
    if password.is_some() && username.is_none() {
        problems.missing("password", "a password is given, and no user", "give `username`");
    }
    if has_authorities && !verify {
        let hint = "keep one of the two";
        problems.conflict("authorities", Some("verify"), "no certificate is looked at, and some are trusted", hint);
    }
}

/// Refuses an answer that does not bring what was asked for.
///
/// # Errors
/// `fetch-failed` with the status.
pub(crate) fn accept(response: &Response, name: &str) -> Result<(), ApplyError> {
    match response.status {
        200..=299 => Ok(()),
        status => Err(failed(name, &format!("the server answered {}", status_words(status)))),
    }
}

/// Hands out the body piece by piece; gives up when the run is ended.
///
/// # Errors
/// What `take` fails with, and `fetch-failed` when it breaks off.
pub(crate) fn pour(
    machine: &Machine,
    response: &mut Response,
    name: &str,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    let length: Option<u64> = response.header("content-length").and_then(|length| length.parse().ok());
    let mut buffer = vec![0_u8; 64 << 10];
    let mut read = 0_u64;
    loop {
        if machine.is_aborted() {
            return Err(ApplyError::Cancelled);
        }
        if machine.time_left().is_some_and(|left| left.is_zero()) {
            return Err(failed(name, "it took longer than `timeout` allows"));
        }
        let count = response.body().read(&mut buffer).map_err(|error| failed(name, &format!("it broke off: {error}")))?;
        if count == 0 {
            break;
        }
        read += count as u64;
        take(&buffer[..count])?;
    }
    match length {
        Some(length) if length != read => Err(failed(name, &format!("it broke off after {read} of {length} bytes"))),
        _ => Ok(()),
    }
}

/// A status with its usual name.
pub(crate) fn status_words(status: u16) -> String {
    let name = match status {
        301 | 302 | 303 | 307 | 308 => "a redirect too many",
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        407 => "the proxy wants credentials",
        410 => "gone",
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => return status.to_string(),
    };
    format!("{status} ({name})")
}

/// The failure to fetch something.
pub(crate) fn failed(name: &str, why: &str) -> ApplyError {
    ObserveError::Impossible {
        code: "fetch-failed",
        message: format!("{name} could not be fetched: {why}"),
        hint: "look whether the node can reach it, and whether a `proxy` or `headers` are needed; `retry` tries again".into(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_path_or_a_url() {
        let shown = |text| match Origin::of(text) {
            Some(Origin::Path(path)) => format!("path {}", path.display()),
            Some(Origin::Url(url)) => format!("url {url}"),
            Some(Origin::Project(_)) | None => "none".to_owned(),
        };
        for (text, expected) in [
            ("/srv/x.tar", "path /srv/x.tar"),
            ("file:///srv/x.tar", "path /srv/x.tar"),
            ("file://localhost/srv/x.tar", "path /srv/x.tar"),
            ("https://example.com/x", "url https://example.com/x"),
            ("files/x.tar", "none"),
            ("/srv/../x", "none"),
            ("/", "none"),
            ("ftp://example.com/x", "none"),
            ("file://other/x", "none"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
