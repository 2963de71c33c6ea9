//! What the user may set, under the section `stead`.

use serde::Deserialize;

/// The settings.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Config {
    /// Which inlay hints are shown.
    pub(crate) inlay_hints: InlayHints,
    /// Which lenses are shown.
    pub(crate) code_lens: CodeLenses,
    /// Compile for this machine and the nodes whose facts are known, besides checking.
    pub(crate) check_nodes: bool,
    /// Run the programs that a project names for inventories and facts. What runs when a project is opened is for the user to allow.
    pub(crate) run_programs: bool,
}

/// Inlay hints, each kind by itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct InlayHints {
    pub(crate) types: bool,
    pub(crate) parameters: bool,
    pub(crate) edges: bool,
    pub(crate) nodes: bool,
}

/// Code lenses, each kind by itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CodeLenses {
    pub(crate) references: bool,
    pub(crate) nodes: bool,
    pub(crate) plan: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { inlay_hints: InlayHints::default(), code_lens: CodeLenses::default(), check_nodes: true, run_programs: false }
    }
}

impl Default for InlayHints {
    fn default() -> Self {
        Self { types: true, parameters: true, edges: true, nodes: true }
    }
}

impl Default for CodeLenses {
    fn default() -> Self {
        Self { references: true, nodes: true, plan: true }
    }
}

impl Config {
    /// Reads settings as they are sent: the section itself, or an object that holds it.
    pub(crate) fn from_json(value: &serde_json::Value) -> Option<Self> {
        let section = value.get("stead").unwrap_or(value);
        if section.is_null() { Some(Self::default()) } else { serde_json::from_value(section.clone()).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays() {
        let read = |text: &str| Config::from_json(&serde_json::from_str(text).expect("json"));
        assert_eq!(read("null"), Some(Config::default()));
        let config = read(r#"{"stead": {"inlayHints": {"types": false}}}"#).expect("settings");
        assert!(!config.inlay_hints.types && config.inlay_hints.edges && config.check_nodes);
        assert_eq!(read(r#"{"checkNodes": "x"}"#), None);
    }
}
