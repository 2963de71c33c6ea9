//! What a command printed, and the plans and events in it.

use std::fmt;

use serde_json::Value;

/// The result of a command.
#[derive(Debug, Clone)]
pub struct Output {
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Its exit code; 128 and the number of the signal when one ended it.
    pub code: i32,
}

impl Output {
    /// Takes over what [`std::process::Command::output`] returned.
    pub fn of(output: &std::process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        }
    }

    /// Returns itself if the exit code is `code`.
    ///
    /// # Panics
    ///
    /// With everything that was printed, when it is not.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {} where {code} was expected\n{self}", self.code);
        self
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    ///
    /// When it is not one.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("not JSON: {why}\n{self}"))
    }

    /// Standard output as one JSON value a line.
    ///
    /// # Panics
    ///
    /// When a line is not one.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("not JSON: {why}: {line}\n{self}")))
            .collect()
    }

    /// The resources of the plan that `plan --json` printed for this machine.
    ///
    /// # Panics
    ///
    /// When it is not a plan of one node.
    #[track_caller]
    pub fn plan(&self) -> Vec<Planned> {
        let document = self.json();
        assert!(document["format_version"].is_string(), "a document says its format version\n{self}");
        let nodes = document["nodes"].as_array().unwrap_or_else(|| panic!("no `nodes`\n{self}"));
        assert_eq!(nodes.len(), 1, "the plan of one node\n{self}");
        let resources = nodes[0]["resources"].as_array().unwrap_or_else(|| panic!("no `resources`\n{self}"));
        resources.iter().map(Planned::of).collect()
    }

    /// The resources that `apply --json` finished.
    ///
    /// # Panics
    ///
    /// When a line is not JSON.
    #[track_caller]
    pub fn finished(&self) -> Vec<Finished> {
        self.json_lines().iter().filter(|event| event_name(event) == "resource_finished").map(Finished::of).collect()
    }

    /// How one resource ended in `apply --json`.
    ///
    /// # Panics
    ///
    /// When the run says nothing about it.
    #[track_caller]
    pub fn outcome(&self, id: &str) -> String {
        let finished = self.finished();
        let found = finished.iter().find(|resource| resource.id == id);
        found.unwrap_or_else(|| panic!("nothing is said about {id}\n{self}")).outcome.clone()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stdout, stderr, code } = self;
        write!(formatter, "-- stdout --\n{stdout}\n-- stderr --\n{stderr}\n-- exit code {code} --")
    }
}

/// The name of an event, under whichever of the usual keys it is kept.
fn event_name(event: &Value) -> &str {
    ["event", "type", "kind"].iter().find_map(|key| event[*key].as_str()).unwrap_or("")
}

/// One resource of a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its id, `type["name"]`.
    pub id: String,
    /// `none create update delete replace run restart`.
    pub action: String,
    /// Its changes as they were printed.
    pub changes: Vec<Value>,
    /// Everything that was said about it.
    pub raw: Value,
}

impl Planned {
    fn of(value: &Value) -> Self {
        Self {
            id: value["id"].as_str().unwrap_or_default().to_owned(),
            action: value["action"].as_str().unwrap_or_default().to_owned(),
            changes: value["changes"].as_array().cloned().unwrap_or_default(),
            raw: value.clone(),
        }
    }

    /// The change of one attribute.
    pub fn change(&self, attribute: &str) -> Option<&Value> {
        self.changes.iter().find(|change| change["attribute"] == attribute)
    }

    /// The unified diff of one attribute, empty if it has none.
    pub fn diff(&self, attribute: &str) -> &str {
        self.change(attribute).and_then(|change| change["diff"].as_str()).unwrap_or("")
    }
}

/// How one resource of an apply ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its id, `type["name"]`.
    pub id: String,
    /// `unchanged changed failed skipped not_converged`.
    pub outcome: String,
    /// What it changed, in the words of the plan.
    pub changes: Vec<Value>,
    /// Everything that was said about it.
    pub raw: Value,
}

impl Finished {
    fn of(event: &Value) -> Self {
        let body = if event["resource"].is_object() { &event["resource"] } else { event };
        let text = |key: &str| body[key].as_str().or_else(|| event[key].as_str()).unwrap_or_default().to_owned();
        let changes = body["changes"].as_array().or_else(|| event["changes"].as_array());
        Self { id: text("id"), outcome: text("outcome"), changes: changes.cloned().unwrap_or_default(), raw: event.clone() }
    }
}

/// The ids of a plan whose action is not `none`, in the plan's order.
pub fn pending(plan: &[Planned]) -> Vec<&str> {
    plan.iter().filter(|resource| resource.action != "none").map(|resource| resource.id.as_str()).collect()
}
