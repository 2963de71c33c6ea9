//! The resource type `http_check`.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use stead_catalog::{Blob, Problem, Shown, Value};
use stead_engine::net::{Reply, Request, UrlParts, without_credentials};
use stead_engine::{Applied, ApplyError, Difference, Known, Machine, ObserveError, Predicted, ReactionKind, ResourceType, World};

use crate::Resource;
use crate::problems::Problems;
use crate::values::{Guarded, Many, Pattern, Secret};
use crate::waiting::{Health, Patience};
use crate::web::{self, Fetching, status_words};

/// How much of an answer `body` is looked for in.
const MAX_BODY: u64 = 1 << 20;

/// A web server that has to answer as it should before what comes after goes on.
///
/// It is healthy when the status is one of `status` and the body matches `body`. Where nothing that comes before it changes, the plan asks at
/// once: there is nothing to do when the answer is good. After a change it asks until it is, and fails when that takes longer than
/// `within`; what requires it is held then. A plan asks only with `GET` and `HEAD`: any other method may change something at the server,
/// so that such a check runs in every apply. Compares to Salt's `http.wait_for_successful_query`, Puppet's `http_conn_validator`, and
/// Ansible's `uri` with `until`.
///
/// ```stead
/// http_check "http://127.0.0.1:8080/health" { body = "ok" }
/// ```
#[derive(Clone, Debug, Resource)]
#[resource(
    name = "http_check",
    since = "0.1",
    reacts,
    aliases(
        status_code = "status",
        expected_code = "status",
        match = "body",
        return_content = "body",
        header_dict = "headers",
        validate_certs = "verify",
        verify_ssl = "verify",
        verify_peer = "verify",
        ca_path = "authorities",
        ca_bundle = "authorities",
        url_username = "username",
        url_password = "password",
        data = "content",
        wait_for = "within",
        request_interval = "interval",
        try_sleep = "interval",
        follow_redirects = "redirects"
    )
)]
pub struct HttpCheck {
    /// What answers there, or its URL. Identifies the resource.
    #[key]
    pub name: Arc<str>,
    /// The URL, with `http` or `https`; the name when absent.
    pub url: Option<Guarded<Arc<str>>>,
    /// How it is asked. Other methods than `GET` and `HEAD` are sent by an apply only, and by every one.
    #[default("GET")]
    pub method: Arc<str>,
    /// The status, or those, that are good; any from 200 to 299 when absent.
    pub status: Many<u32>,
    /// A regular expression that has to match somewhere in the body, in the first MiB of it.
    pub body: Option<Pattern>,
    /// Headers that are sent. Secret values are shown nowhere.
    pub headers: IndexMap<Arc<str>, Guarded<Arc<str>>>,
    /// Text that is sent with the request.
    pub content: Option<Guarded<Arc<str>>>,
    /// The user of basic authentication.
    pub username: Option<Arc<str>>,
    /// The user's password.
    pub password: Option<Secret<Arc<str>>>,
    /// How many redirects are followed.
    #[default(5)]
    pub redirects: u32,
    /// The server's certificate has to be good.
    #[default(true)]
    pub verify: bool,
    /// A file of the project with the certificates (PEM) to trust instead of the node's.
    pub authorities: Option<Blob>,
    /// `http://host:port` of a proxy. What the environment says when absent.
    pub proxy: Option<Guarded<Arc<str>>>,
    /// How long it may take until the answer is good.
    #[default(Duration::from_secs(60))]
    pub within: Duration,
    /// The pause between two tries.
    #[default(Duration::from_secs(1))]
    pub interval: Duration,
    /// The pause before the first try after a change.
    #[default(Duration::ZERO)]
    pub delay: Duration,
    /// The longest wait for one answer.
    #[default(Duration::from_secs(5))]
    pub wait: Duration,
    /// How many answers in a row have to be good.
    #[default(1)]
    pub successes: u32,
}

impl HttpCheck {
    fn check(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        if !UrlParts::of(self.url()).is_some_and(|parts| matches!(parts.scheme, "http" | "https")) {
            let attribute = if self.url.is_some() { "url" } else { "name" };
            problems.invalid(attribute, "this is no web address", "write a URL with `http://` or `https://`, or give `url`");
        }
        if let Some(status) = self.status.iter().find(|status| !(100..=599).contains(*status)) {
            problems.invalid("status", format!("{status} is no status of an answer"), "a status is in 100..=599");
        }
        if self.method.is_empty() || !self.method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            problems.invalid("method", format!("`{}` is no method", self.method), "write `GET`, `HEAD` or `POST`");
        }
        web::check_access(&mut problems, (&self.username, &self.password), self.authorities.is_some(), self.verify);
        self.patience().check(&mut problems);
        problems.finish()
    }

    fn url(&self) -> &str {
        self.url.as_ref().map_or(&self.name, |url| url.reveal())
    }

    fn place(&self) -> String {
        match &self.url {
            Some(url) if url.is_sensitive() => self.name.to_string(),
            _ => without_credentials(self.url()),
        }
    }

    fn patience(&self) -> Patience {
        Patience { within: self.within, interval: self.interval, delay: self.delay, successes: self.successes }
    }

    fn request(&self) -> Request {
        let fetching = Fetching {
            headers: &self.headers,
            proxy: self.proxy.as_ref(),
            timeout: self.wait,
            verify: self.verify,
            authorities: self.authorities.as_ref().map(|blob| &blob.bytes),
            credentials: web::credentials(self.username.as_ref(), self.password.as_ref()),
        };
        Request {
            method: self.method.clone(),
            body: self.content.as_ref().map(|content| Arc::from(content.reveal().as_bytes())),
            redirects: self.redirects,
            limit: Some(self.wait),
            ..fetching.request(self.url())
        }
    }

    /// Asks once.
    fn ask(&self, world: &dyn World) -> Result<Health, ObserveError> {
        Ok(match world.fetch(&self.request(), MAX_BODY)? {
            Known::Unknown(because) => Health::Later(because),
            Known::Is(Err(why)) => Health::Bad(why.0),
            Known::Is(Ok(reply)) => self.judge(&reply),
        })
    }

    fn judge(&self, reply: &Reply) -> Health {
        let mut wanted = self.status.iter().peekable();
        let is_good = match wanted.peek() {
            None => (200..=299).contains(&reply.status),
            Some(_) => wanted.any(|status| *status == u32::from(reply.status)),
        };
        if !is_good {
            return Health::Bad(format!("it answers {}", status_words(reply.status)).into());
        }
        match &self.body {
            Some(pattern) if !pattern.is_match(&reply.body) => Health::Bad("its body does not match".into()),
            _ => Health::Good,
        }
    }
}

impl ResourceType for HttpCheck {
    type Observed = Health;

    fn observe(&self, world: &dyn World) -> Result<Health, ObserveError> {
        // What only looks sends nothing that the server could act on (RFC 9110, section 9.2.1).
        if matches!(&*self.method, "GET" | "HEAD") {
            return self.ask(world);
        }
        Ok(Health::Later(format!("{} is sent, which only an apply does", self.method).into()))
    }

    fn diff(&self, observed: &Health) -> Difference {
        observed.difference(&self.place(), Shown::Value(Value::Member("healthy".into())))
    }

    fn digest(&self, observed: &Health, hasher: &mut blake3::Hasher) -> bool {
        observed.digest(hasher)
    }

    fn predict(&self, _: &Health, _: &Difference, _: &mut Predicted<'_>) {}

    fn apply(&self, _: &Health, _: &Difference, machine: &Machine) -> Result<Applied, ApplyError> {
        self.react(machine)?;
        Ok(Applied::Done)
    }

    fn reaction(&self) -> Option<ReactionKind> {
        Some(ReactionKind::Run)
    }

    fn react(&self, machine: &Machine) -> Result<(), ApplyError> {
        self.patience().wait(machine, &self.place(), || self.ask(machine.world()))
    }
}
