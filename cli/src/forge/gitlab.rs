//! GitLab.

use serde_json::json;

use super::http::{Api, ForgeError, optional, variable};
use super::{Finding, reviewed_hash};

/// Where a change is, from the environment that a pipeline sets.
pub(super) struct Place {
    api: Api,
    project: String,
    merge_request: Option<String>,
    commit: String,
}

impl Place {
    /// Reads GITLAB_TOKEN, CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID and CI_COMMIT_SHA.
    pub(super) fn of_environment(commit: Option<&str>) -> Result<Self, ForgeError> {
        let token = variable("GITLAB_TOKEN", "the token")?;
        let base = optional("CI_API_V4_URL").unwrap_or_else(|| "https://gitlab.com/api/v4".to_owned());
        // A path such as `group/project` is one part of the URL.
        let project = variable("CI_PROJECT_ID", "which project it is")?.replace('/', "%2F");
        let commit = optional("CI_COMMIT_SHA").or_else(|| commit.map(str::to_owned));
        let commit = commit.ok_or(ForgeError::Missing { what: "which commit it is", variable: "CI_COMMIT_SHA" })?;
        let headers = vec![("private-token".into(), token.trim().into())];
        Ok(Self { api: Api { base, headers }, project, merge_request: optional("CI_MERGE_REQUEST_IID"), commit })
    }
}

pub(super) fn publish(place: &Place, finding: &Finding) -> Result<String, ForgeError> {
    let Place { api, project, commit, .. } = place;
    let missing = ForgeError::Missing { what: "which merge request it is", variable: "CI_MERGE_REQUEST_IID" };
    let merge_request = place.merge_request.as_deref().ok_or(missing)?;
    let me = api.send("GET", "/user", None)?;
    let mark = finding.mark();
    let notes = format!("/projects/{project}/merge_requests/{merge_request}/notes");
    let known = api.find(&notes, |note| {
        let is_ours = note["author"]["id"] == me["id"] && note["body"].as_str().is_some_and(|body| body.starts_with(&mark));
        is_ours.then(|| note["id"].as_u64()).flatten()
    })?;
    let body = json!({ "body": finding.body() });
    let note = match known {
        Some(id) => api.send("PUT", &format!("{notes}/{id}"), Some(&body))?,
        None => api.send("POST", &notes, Some(&body))?,
    };
    let state = json!({
        "state": if finding.has_errors { "failed" } else { "success" },
        "name": finding.context(),
        "description": finding.description(),
    });
    api.send("POST", &format!("/projects/{project}/statuses/{commit}"), Some(&state))?;
    Ok(format!("note {}", note["id"].as_u64().unwrap_or_default()))
}

/// The hashes that were reviewed in the changes that a commit merged.
pub(super) fn reviewed(place: &Place, context: &str) -> Result<Vec<String>, ForgeError> {
    let Place { api, project, commit, .. } = place;
    let mut found = Vec::new();
    let requests = api.send("GET", &format!("/projects/{project}/repository/commits/{commit}/merge_requests"), None)?;
    for request in requests.as_array().into_iter().flatten().filter(|request| request["state"] == "merged") {
        let Some(head) = request["sha"].as_str() else { continue };
        let states = format!("/projects/{project}/repository/commits/{head}/statuses?order_by=id&sort=desc");
        let state = api.find(&states, |state| {
            (state["name"] == context).then(|| (state["status"] == "success", state["description"].as_str().map(str::to_owned)))
        })?;
        if let Some((true, Some(description))) = state {
            found.extend(reviewed_hash(&description).map(str::to_owned));
        }
    }
    Ok(found)
}
