//! GitHub, and what speaks as it does.

use serde_json::{Value as Json, json};

use super::http::{Api, ForgeError, optional, variable};
use super::{Finding, reviewed_hash};

/// Annotations that one request may carry.
const ANNOTATIONS: usize = 50;

/// Where a change is, from the environment that Actions sets.
pub(super) struct Place {
    api: Api,
    repository: String,
    pull: Option<u64>,
    commit: String,
}

impl Place {
    /// Reads GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_REF or STEAD_PULL, and GITHUB_API_URL.
    pub(super) fn of_environment(commit: Option<&str>) -> Result<Self, ForgeError> {
        let token = variable("GITHUB_TOKEN", "the token")?;
        let repository = variable("GITHUB_REPOSITORY", "which repository it is")?;
        let base = optional("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
        let of_ref = || optional("GITHUB_REF")?.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok();
        let pull = optional("STEAD_PULL").and_then(|number| number.trim().parse().ok()).or_else(of_ref);
        // On a pull request Actions checks a merge out: the commit that people see is another one.
        let commit = optional("STEAD_COMMIT").or_else(|| commit.map(str::to_owned)).or_else(|| optional("GITHUB_SHA"));
        let commit = commit.ok_or(ForgeError::Missing { what: "which commit it is", variable: "STEAD_COMMIT" })?;
        let headers = vec![
            ("authorization".into(), format!("Bearer {}", token.trim()).into()),
            ("x-github-api-version".into(), "2022-11-28".into()),
        ];
        Ok(Self { api: Api { base, headers }, repository, pull, commit })
    }
}

/// Says whether a comment is one that may be taken for ours: nobody from outside can have written it.
fn is_ours(comment: &Json, mark: &str) -> bool {
    let starts = comment["body"].as_str().is_some_and(|body| body.starts_with(mark));
    let insider = matches!(comment["author_association"].as_str(), Some("OWNER" | "MEMBER" | "COLLABORATOR"));
    starts && (insider || comment["user"]["type"] == "Bot")
}

pub(super) fn publish(place: &Place, finding: &Finding) -> Result<String, ForgeError> {
    let Place { api, repository, commit, .. } = place;
    let pull = place.pull.ok_or(ForgeError::Missing { what: "which pull request it is", variable: "STEAD_PULL" })?;
    let mark = finding.mark();
    let comments = format!("/repos/{repository}/issues/{pull}/comments");
    let known = api.find(&comments, |comment| is_ours(comment, &mark).then(|| comment["id"].as_u64()).flatten())?;
    let body = json!({ "body": finding.body() });
    let comment = match known {
        Some(id) => api.send("PATCH", &format!("/repos/{repository}/issues/comments/{id}"), Some(&body))?,
        None => api.send("POST", &comments, Some(&body))?,
    };
    let address = comment["html_url"].as_str().unwrap_or_default().to_owned();
    let state = json!({
        "state": if finding.has_errors { "failure" } else { "success" },
        "context": finding.context(),
        "description": finding.description(),
        "target_url": address,
    });
    if !finding.notes.is_empty() {
        annotate(place, finding)?;
    }
    api.send("POST", &format!("/repos/{repository}/statuses/{commit}"), Some(&state))?;
    Ok(address)
}

/// Puts remarks at their lines, as a check of its own.
fn annotate(place: &Place, finding: &Finding) -> Result<(), ForgeError> {
    let checks = format!("/repos/{}/check-runs", place.repository);
    let conclusion = if finding.notes.iter().any(|note| note.is_error) { "failure" } else { "neutral" };
    let mut address = None;
    for notes in finding.notes.chunks(ANNOTATIONS) {
        let annotations: Vec<Json> = notes
            .iter()
            .map(|note| {
                json!({
                    "path": note.file,
                    "start_line": note.line,
                    "end_line": note.line,
                    "annotation_level": if note.is_error { "failure" } else { "warning" },
                    "title": note.title,
                    "message": note.text,
                })
            })
            .collect();
        let output = json!({ "title": "stead check", "summary": finding.summary, "annotations": annotations });
        let run = match &address {
            None => {
                let run = json!({
                    "name": "stead check", "head_sha": place.commit, "status": "completed", "conclusion": conclusion, "output": output,
                });
                place.api.send("POST", &checks, Some(&run))?
            }
            Some(id) => place.api.send("PATCH", &format!("{checks}/{id}"), Some(&json!({ "output": output })))?,
        };
        address = address.or_else(|| run["id"].as_u64());
    }
    Ok(())
}

/// The hashes that were reviewed in the changes that a commit merged.
pub(super) fn reviewed(place: &Place, context: &str) -> Result<Vec<String>, ForgeError> {
    let Place { api, repository, commit, .. } = place;
    let mut found = Vec::new();
    let pulls = api.send("GET", &format!("/repos/{repository}/commits/{commit}/pulls"), None)?;
    for pull in pulls.as_array().into_iter().flatten().filter(|pull| !pull["merged_at"].is_null()) {
        let Some(head) = pull["head"]["sha"].as_str() else { continue };
        // The newest state comes first, and the newest one counts.
        let state = api.find(&format!("/repos/{repository}/commits/{head}/statuses"), |state| {
            (state["context"] == context).then(|| (state["state"] == "success", state["description"].as_str().map(str::to_owned)))
        })?;
        if let Some((true, Some(description))) = state {
            found.extend(reviewed_hash(&description).map(str::to_owned));
        }
    }
    Ok(found)
}
