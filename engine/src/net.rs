//! Talking to web servers and ports: one question at a time, with the certificates that the machine trusts.
//!
//! Redirects are followed here rather than by the library: what a user gave for one server (credentials, headers) is not
//! handed to another, and an encrypted way never goes on unencrypted.

use std::fmt;
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{self, HeaderMap};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

mod url;

pub use url::{UrlParts, file_name, without_credentials};

/// What a web server is asked.
#[derive(Clone)]
pub struct Request {
    /// `GET`, `HEAD`, `POST` …
    pub method: Arc<str>,
    /// `http://` or `https://`. A user and password in it become an `Authorization`.
    pub url: Arc<str>,
    /// Headers; their values may be secret. A server that is redirected to does not get them.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// Headers that say which part or version is asked for: every server on the way gets them.
    pub conditions: Vec<(Arc<str>, Arc<str>)>,
    /// Sent with it.
    pub body: Option<Arc<[u8]>>,
    /// `http://host:port` of a proxy; what the environment says (`https_proxy`, `no_proxy`) when `None`.
    pub proxy: Option<Arc<str>>,
    /// The longest wait for an answer, and for more of it.
    pub timeout: Duration,
    /// The longest time all of it may take.
    pub limit: Option<Duration>,
    /// Whether a certificate has to be good.
    pub verify: bool,
    /// Certificates (PEM) that are trusted instead of the machine's.
    pub authorities: Option<Arc<[u8]>>,
    /// How many redirects are followed; the one after them is the answer.
    pub redirects: u32,
}

impl Request {
    /// Asks for what is at a URL.
    pub fn get(url: impl Into<Arc<str>>) -> Self {
        Self {
            method: "GET".into(),
            url: url.into(),
            headers: Vec::new(),
            conditions: Vec::new(),
            body: None,
            proxy: None,
            timeout: Duration::from_secs(30),
            limit: None,
            verify: true,
            authorities: None,
            redirects: 10,
        }
    }
}

/// Headers, body and credentials stay out of it.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &without_credentials(&self.url))
            .finish_non_exhaustive()
    }
}

/// What a web server answered, its body still to be read.
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    headers: HeaderMap,
    body: Box<dyn Read + Send>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Response {
    /// The value of a header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, as it comes.
    pub fn body(&mut self) -> &mut (dyn Read + Send) {
        &mut *self.body
    }
}

/// A short answer: all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, such as 200.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The first bytes of the body.
    pub body: Arc<[u8]>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

/// Why there was no answer, in words without secrets: `connection refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub Arc<str>);

/// Sends a request and waits for the beginning of the answer. Any status is an answer.
///
/// # Errors
/// When there is no answer.
pub fn send(request: &Request) -> Result<Response, NoAnswer> {
    let deadline = request.limit.map(|limit| Instant::now() + limit);
    let mut url = request.url.to_string();
    let mut is_own = true;
    let mut method = request.method.to_string();
    let mut body = request.body.clone();
    let mut left = request.redirects;
    loop {
        let mut response = send_once(request, &method, &url, body.as_deref(), is_own, deadline)?;
        let is_redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.header("location").filter(|_| is_redirect && left > 0) else { return Ok(response) };
        let next = url::join(&url, location).ok_or_else(|| NoAnswer("it redirects to what is no web address".into()))?;
        let (from, to) = (UrlParts::of(&url), UrlParts::of(&next));
        let (Some(from), Some(to)) = (from, to) else { return Err(NoAnswer("it redirects to what is no web address".into())) };
        if from.scheme == "https" && to.scheme != "https" {
            return Err(NoAnswer(format!("it redirects from https to {}://{}", to.scheme, to.authority).into()));
        }
        is_own &= (from.scheme, from.authority) == (to.scheme, to.authority)
            || from.host == to.host && from.scheme == "http" && to.scheme == "https";
        if response.status == 303 || (matches!(response.status, 301 | 302) && method == "POST") {
            method = if method == "HEAD" { "HEAD".into() } else { "GET".into() };
            body = None;
        }
        // What is left of the answer is of no use.
        let _ = io::copy(&mut response.body().take(64 << 10), &mut io::sink());
        url = next;
        left -= 1;
    }
}

/// Sends a request and reads the answer up to `most` bytes of its body.
///
/// # Errors
/// When there is no answer, or it breaks off.
pub fn ask(request: &Request, most: u64) -> Result<Reply, NoAnswer> {
    let mut response = send(request)?;
    let mut body = Vec::new();
    response.body().take(most).read_to_end(&mut body).map_err(|error| NoAnswer(words(&error).into()))?;
    let headers = response.headers.iter();
    let headers = headers.filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.into()))).collect();
    Ok(Reply { status: response.status, headers, body: body.into() })
}

/// The value of `Authorization` for a user and a password.
pub fn basic_authorization(user: &str, password: &str) -> String {
    format!("Basic {}", url::basic(format!("{user}:{password}").as_bytes()))
}

/// Says whether something takes connections at a TCP port.
///
/// # Errors
/// Why not.
pub fn connect(host: &str, port: u16, timeout: Duration) -> Result<(), NoAnswer> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let addresses = (bare, port).to_socket_addrs().map_err(|_| NoAnswer(format!("there is no host named {bare}").into()))?;
    let mut last = NoAnswer(format!("there is no host named {bare}").into());
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(_) => return Ok(()),
            Err(error) => last = NoAnswer(words(&error).into()),
        }
    }
    Err(last)
}

fn send_once(
    request: &Request,
    method: &str,
    url: &str,
    body: Option<&[u8]>,
    is_own: bool,
    deadline: Option<Instant>,
) -> Result<Response, NoAnswer> {
    let parts = UrlParts::of(url).filter(|parts| matches!(parts.scheme, "http" | "https"));
    let parts = parts.ok_or_else(|| NoAnswer("this is no http or https address".into()))?;
    let mut builder = http::Request::builder().method(method).uri(without_credentials(url));
    for (name, value) in &request.conditions {
        builder = builder.header(&**name, &**value);
    }
    let mut has_authorization = false;
    if is_own {
        for (name, value) in &request.headers {
            has_authorization |= name.eq_ignore_ascii_case("authorization");
            builder = builder.header(&**name, &**value);
        }
    }
    if let Some(credentials) = parts.credentials.filter(|_| !has_authorization) {
        builder = builder.header("authorization", format!("Basic {}", url::basic(&url::decoded(credentials))));
    }
    // The value of a header may be secret: why it is refused is not repeated.
    let unusable = || NoAnswer("a header or the address has characters that cannot be sent".into());
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
    let agent = ureq::Agent::new_with_config(config(request, left)?);
    let answer = match body {
        Some(body) => agent.run(builder.body(body).map_err(|_| unusable())?),
        None => agent.run(builder.body(()).map_err(|_| unusable())?),
    };
    let answer = answer.map_err(|error| failed(&error))?;
    let (parts, body) = answer.into_parts();
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: Box::new(body.into_with_config().limit(u64::MAX).reader()),
    })
}

fn config(request: &Request, left: Option<Duration>) -> Result<ureq::config::Config, NoAnswer> {
    let roots = match &request.authorities {
        None => RootCerts::PlatformVerifier,
        Some(pem) => {
            let certificates: Vec<Certificate<'static>> = parse_pem(pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(NoAnswer("there is no certificate in what is to be trusted".into()));
            }
            RootCerts::new_with_certs(&certificates)
        }
    };
    let tls = TlsConfig::builder().root_certs(roots).disable_verification(!request.verify).build();
    let some = Some(request.timeout);
    let mut builder = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("stead/", env!("CARGO_PKG_VERSION")))
        .allow_non_standard_methods(true)
        .tls_config(tls)
        .timeout_global(left)
        .timeout_resolve(some)
        .timeout_connect(some)
        .timeout_recv_response(some)
        .timeout_per_read(some)
        .timeout_per_write(some);
    if let Some(proxy) = &request.proxy {
        let proxy = ureq::Proxy::new(proxy).map_err(|_| NoAnswer("the proxy's address is none".into()))?;
        builder = builder.proxy(Some(proxy));
    }
    Ok(builder.build())
}

/// Why there was no answer, in a user's words.
fn failed(error: &ureq::Error) -> NoAnswer {
    NoAnswer(match error {
        ureq::Error::Io(error) => words(error).into(),
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::HostNotFound => "there is no host of that name".into(),
        ureq::Error::ConnectionFailed => "connection failed".into(),
        ureq::Error::Rustls(error) => format!("TLS: {error}").into(),
        ureq::Error::Tls(error) => format!("TLS: {error}").into(),
        ureq::Error::InvalidProxyUrl => "the proxy's address is none".into(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused".into(),
        // Others may repeat a part of the request.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address cannot be used".into(),
        other => other.to_string().into(),
    })
}

/// A failure of the system in its words, without its number.
pub(crate) fn words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "connection refused".into();
    }
    if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        return "no answer in time".into();
    }
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_ascii_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
