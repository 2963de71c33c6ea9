//! Asking a forge's API, and what can go wrong with it.

use std::sync::Arc;

use serde_json::Value as Json;
use stead_engine::net::{self, Request};

/// Longest answer that is read.
const MOST: u64 = 16 << 20;
/// Pages of a list that are looked through.
pub(super) const PAGES: usize = 50;

/// Why a forge was not told, or did not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgeError {
    /// A variable is not set.
    #[error("the environment does not say {what}: {variable} is not set")]
    Missing {
        /// What it would tell.
        what: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// There is no answer.
    #[error("{url} does not answer: {why}")]
    NoAnswer {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// The forge says no.
    #[error("{method} {url} was refused with {status}: {said}")]
    Refused {
        /// What was tried.
        method: &'static str,
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// The answer is not what it should be.
    #[error("{url} answers what is not understood: {what}")]
    Odd {
        /// Where.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// What would be applied was not reviewed.
    #[error("the catalogs {hash} were not reviewed in the change that this commit merged")]
    NotReviewed {
        /// The catalogs now.
        hash: String,
        /// Those that were.
        reviewed: Vec<String>,
    },
}

impl ForgeError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "forge-unknown",
            Self::NoAnswer { .. } | Self::Refused { .. } | Self::Odd { .. } => "forge-refused",
            Self::NotReviewed { .. } => "not-reviewed",
        }
    }

    /// The way out.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { variable, .. } => format!("set {variable}; a pipeline of the forge does so, or can"),
            Self::NoAnswer { .. } => "is the address right, and can this machine reach it?".into(),
            Self::Odd { .. } => "is the address that of the forge's API?".into(),
            Self::Refused { status: 401 | 403 | 404, .. } => {
                "look at the token's permissions: it has to write comments and the states of commits".into()
            }
            Self::Refused { .. } => "the forge says why; try again when it is busy".into(),
            Self::NotReviewed { reviewed, .. } if reviewed.is_empty() => {
                "no review is recorded: let `stead review --publish` run on the change before it is merged".into()
            }
            Self::NotReviewed { .. } => {
                "something else was merged meanwhile, or facts changed: review what is there now in a change of its own".into()
            }
        })
    }
}

/// A forge's API with the headers that say who asks.
pub(super) struct Api {
    pub(super) base: String,
    pub(super) headers: Vec<(Arc<str>, Arc<str>)>,
}

impl Api {
    /// Sends a request, and returns the answer as JSON.
    pub(super) fn send(&self, method: &'static str, path: &str, body: Option<&Json>) -> Result<Json, ForgeError> {
        let url = format!("{}{path}", self.base.trim_end_matches('/'));
        let mut request = Request::get(url.as_str());
        request.method = method.into();
        request.headers.clone_from(&self.headers);
        request.headers.push(("accept".into(), "application/json".into()));
        request.headers.push(("user-agent".into(), concat!("stead/", env!("CARGO_PKG_VERSION")).into()));
        if let Some(body) = body {
            request.headers.push(("content-type".into(), "application/json".into()));
            request.body = Some(body.to_string().into_bytes().into());
        }
        let shown = stead_report::clean(&url).into_owned();
        let reply =
            net::ask(&request, MOST).map_err(|error| ForgeError::NoAnswer { url: shown.clone(), why: error.to_string() })?;
        let text = String::from_utf8_lossy(&reply.body);
        if !(200..300).contains(&reply.status) {
            let said = serde_json::from_str::<Json>(&text).ok().and_then(|json| Some(json.get("message")?.to_string()));
            let said = said.unwrap_or_else(|| text.chars().take(200).collect());
            return Err(ForgeError::Refused { method, url: shown, status: reply.status, said });
        }
        if text.trim().is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_str(&text).map_err(|error| ForgeError::Odd { url: shown, what: error.to_string() })
    }

    /// Looks through a list that comes in pages, newest or oldest first as the forge has it, until something is found.
    pub(super) fn find<T>(&self, path: &str, mut fits: impl FnMut(&Json) -> Option<T>) -> Result<Option<T>, ForgeError> {
        let joint = if path.contains('?') { '&' } else { '?' };
        for page in 1..=PAGES {
            let list = self.send("GET", &format!("{path}{joint}per_page=100&page={page}"), None)?;
            let Some(items) = list.as_array() else {
                return Err(ForgeError::Odd { url: format!("{}{path}", self.base), what: "a list is expected".to_owned() });
            };
            if let Some(found) = items.iter().find_map(&mut fits) {
                return Ok(Some(found));
            }
            if items.len() < 100 {
                break;
            }
        }
        Ok(None)
    }
}

/// A variable that has to be set.
pub(super) fn variable(variable: &'static str, what: &'static str) -> Result<String, ForgeError> {
    optional(variable).ok_or(ForgeError::Missing { what, variable })
}

/// A variable that may be set.
pub(super) fn optional(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty())
}
