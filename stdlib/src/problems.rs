//! Mistakes that a resource type finds in how its attributes go together, collected.

use stead_catalog::Problem;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// An attribute's value that cannot be what is meant.
    pub(crate) fn invalid(&mut self, attribute: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.push("invalid-value", attribute, None, message.into(), hint.into());
    }

    /// Two attributes that exclude each other, or one that says nothing here.
    pub(crate) fn conflict(&mut self, attribute: &str, other: Option<&str>, message: impl Into<String>, hint: impl Into<String>) {
        self.push("conflicting-attributes", attribute, other, message.into(), hint.into());
    }

    /// An attribute that is needed: `attribute` is the one that needs it.
    pub(crate) fn missing(&mut self, attribute: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.push("missing-attribute", attribute, None, message.into(), hint.into());
    }

    /// Each attribute of the list that is given, where `state = absent` leaves nothing for it to say.
    pub(crate) fn of_absent(&mut self, what: &str, given: &[(bool, &str)]) {
        for (_, name) in given.iter().filter(|(given, _)| *given) {
            let hint = format!("take `{name}` away, or `state = absent`");
            self.conflict(name, Some("state"), format!("`{name}` says nothing of {what} that is absent"), hint);
        }
    }

    /// The list behind it.
    pub(crate) fn list(&mut self) -> &mut Vec<Problem> {
        &mut self.0
    }

    /// All of them.
    pub(crate) fn finish(self) -> Vec<Problem> {
        self.0
    }

    fn push(&mut self, code: &'static str, attribute: &str, other: Option<&str>, message: String, hint: String) {
        self.0.push(Problem {
            code,
            attribute: Some(attribute.into()),
            other: other.map(Into::into),
            message,
            hint: Some(hint),
            mend: None,
        });
    }
}
