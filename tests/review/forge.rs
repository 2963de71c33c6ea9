//! A server that plays the API of GitHub or GitLab as far as a review needs it, and keeps what it is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Github,
    Gitlab,
}

/// A comment: its body, and whether we wrote it.
type Comment = (String, bool);

#[derive(Default)]
struct Kept {
    comments: Vec<Comment>,
    /// Commit, state, context, description; the oldest first.
    states: Vec<[String; 4]>,
    checks: Vec<Value>,
    /// A merge, and the last commit of what it merged.
    merges: Vec<(String, String)>,
}

/// The server.
pub(crate) struct Forge {
    address: String,
    kept: Arc<Mutex<Kept>>,
}

impl Forge {
    /// Starts it; it takes this token alone.
    pub(crate) fn start(kind: Kind, token: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::new(Mutex::new(Kept::default()));
        let state = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One request a connection: who sends garbage harms nobody else.
                let _ = answer(stream, kind, token, &state);
            }
        });
        Self { address, kept }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_comment(&self, body: &str, ours: bool) {
        self.kept().comments.push((body.to_owned(), ours));
    }

    pub(crate) fn comments(&self) -> Vec<String> {
        self.kept().comments.iter().map(|(body, _)| body.clone()).collect()
    }

    /// State and description of a commit, the newest first.
    pub(crate) fn states(&self, commit: &str) -> Vec<(String, String)> {
        let kept = self.kept();
        let of = kept.states.iter().rev().filter(|[of, ..]| of == commit);
        of.map(|[_, state, _, description]| (state.clone(), description.clone())).collect()
    }

    pub(crate) fn annotations(&self) -> Vec<Value> {
        let kept = self.kept();
        kept.checks.iter().flat_map(|check| check["output"]["annotations"].as_array().cloned().unwrap_or_default()).collect()
    }

    pub(crate) fn merge(&self, commit: &str, head: &str) {
        self.kept().merges.push((commit.to_owned(), head.to_owned()));
    }
}

fn answer(stream: TcpStream, kind: Kind, token: &str, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut is_allowed) = (0, false);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.trim().split_once(':').unwrap_or_default();
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => is_allowed |= kind == Kind::Github && value.trim() == format!("Bearer {token}"),
            "private-token" => is_allowed |= kind == Kind::Gitlab && value.trim() == token,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, reply) = if !is_allowed {
        (401, json!({ "message": "Bad credentials" }))
    } else {
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let found = match kind {
            Kind::Github => github(&mut kept, &method, &parts, query, &body),
            Kind::Gitlab => gitlab(&mut kept, &method, &parts, query, &body),
        };
        found.unwrap_or_else(|| (404, json!({ "message": format!("Not Found: {method} {target}") })))
    };
    let text = reply.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// One page of a list.
fn page(items: Vec<Value>, query: &str) -> Value {
    let number = |name: &str, default: usize| {
        query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).unwrap_or(default)
    };
    let (size, at) = (number("per_page", 30), number("page", 1));
    items.into_iter().skip((at - 1) * size).take(size).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn github(kept: &mut Kept, method: &str, parts: &[&str], query: &str, body: &Value) -> Option<(u16, Value)> {
    let comment = |at: usize, (body, ours): &Comment| {
        json!({
            "id": at + 1, "body": body, "html_url": format!("https://forge.example/comment/{}", at + 1),
            "author_association": "NONE", "user": { "type": if *ours { "Bot" } else { "User" } },
        })
    };
    Some(match (method, parts) {
        ("GET", ["repos", "org", "site", "issues", "7", "comments"]) => {
            (200, page(kept.comments.iter().enumerate().map(|(at, one)| comment(at, one)).collect(), query))
        }
        ("POST", ["repos", "org", "site", "issues", "7", "comments"]) => {
            kept.comments.push((text(&body["body"]), true));
            (201, comment(kept.comments.len() - 1, kept.comments.last()?))
        }
        ("PATCH", ["repos", "org", "site", "issues", "comments", id]) => {
            let at = id.parse::<usize>().ok()? - 1;
            kept.comments.get_mut(at)?.0 = text(&body["body"]);
            (200, comment(at, &kept.comments[at]))
        }
        ("POST", ["repos", "org", "site", "statuses", commit]) => {
            let state = text(&body["state"]);
            if text(&body["description"]).len() > 140 || !["success", "failure"].contains(&&*state) {
                return Some((422, json!({ "message": "Validation Failed" })));
            }
            kept.states.push([(*commit).to_owned(), state, text(&body["context"]), text(&body["description"])]);
            (201, json!({}))
        }
        ("GET", ["repos", "org", "site", "commits", commit, "statuses"]) => {
            let of = kept.states.iter().rev().filter(|[of, ..]| of == commit);
            let list = of.map(
                |[_, state, context, description]| json!({ "state": state, "context": context, "description": description }),
            );
            (200, page(list.collect(), query))
        }
        ("GET", ["repos", "org", "site", "commits", commit, "pulls"]) => {
            let of = kept.merges.iter().filter(|(merge, _)| merge == commit);
            (200, of.map(|(_, head)| json!({ "merged_at": "2026-01-01T00:00:00Z", "head": { "sha": head } })).collect())
        }
        ("POST", ["repos", "org", "site", "check-runs"]) => {
            kept.checks.push(body.clone());
            (201, json!({ "id": kept.checks.len() }))
        }
        ("PATCH", ["repos", "org", "site", "check-runs", _]) => {
            kept.checks.push(body.clone());
            (200, json!({}))
        }
        _ => return None,
    })
}

fn gitlab(kept: &mut Kept, method: &str, parts: &[&str], query: &str, body: &Value) -> Option<(u16, Value)> {
    let note =
        |at: usize, (body, ours): &Comment| json!({ "id": at + 1, "body": body, "author": { "id": if *ours { 42 } else { 5 } } });
    Some(match (method, parts) {
        ("GET", ["user"]) => (200, json!({ "id": 42, "username": "project_bot" })),
        ("GET", ["projects", "group%2Fsite", "merge_requests", "7", "notes"]) => {
            (200, page(kept.comments.iter().enumerate().map(|(at, one)| note(at, one)).collect(), query))
        }
        ("POST", ["projects", "group%2Fsite", "merge_requests", "7", "notes"]) => {
            kept.comments.push((text(&body["body"]), true));
            (201, note(kept.comments.len() - 1, kept.comments.last()?))
        }
        ("PUT", ["projects", "group%2Fsite", "merge_requests", "7", "notes", id]) => {
            let at = id.parse::<usize>().ok()? - 1;
            kept.comments.get_mut(at)?.0 = text(&body["body"]);
            (200, note(at, &kept.comments[at]))
        }
        ("POST", ["projects", "group%2Fsite", "statuses", commit]) => {
            let state = text(&body["state"]);
            if !["success", "failed"].contains(&&*state) {
                return Some((400, json!({ "message": "state does not have a valid value" })));
            }
            kept.states.push([(*commit).to_owned(), state, text(&body["name"]), text(&body["description"])]);
            (201, json!({}))
        }
        ("GET", ["projects", "group%2Fsite", "repository", "commits", commit, "statuses"]) => {
            let of = kept.states.iter().rev().filter(|[of, ..]| of == commit);
            let list =
                of.map(|[_, state, name, description]| json!({ "status": state, "name": name, "description": description }));
            (200, page(list.collect(), query))
        }
        ("GET", ["projects", "group%2Fsite", "repository", "commits", commit, "merge_requests"]) => {
            let of = kept.merges.iter().filter(|(merge, _)| merge == commit);
            (200, of.map(|(_, head)| json!({ "state": "merged", "sha": head })).collect())
        }
        _ => return None,
    })
}
