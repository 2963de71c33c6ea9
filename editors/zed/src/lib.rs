//! The Zed extension: where the language server is.

use zed_extension_api::settings::LspSettings;
use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree};

struct Stead;

impl zed::Extension for Stead {
    fn new() -> Self {
        Self
    }

    /// `lsp.stead.binary.path` of the settings, else `stead` in the project's `PATH`.
    fn language_server_command(&mut self, _id: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let binary = LspSettings::for_worktree("stead", worktree).ok().and_then(|settings| settings.binary);
        let (path, arguments) = binary.map_or((None, None), |binary| (binary.path, binary.arguments));
        let command = path
            .or_else(|| worktree.which("stead"))
            .ok_or_else(|| "`stead` is not in PATH; set `lsp.stead.binary.path`".to_owned())?;
        Ok(Command { command, args: arguments.unwrap_or_else(|| vec!["lsp".to_owned()]), env: worktree.shell_env() })
    }
}

zed::register_extension!(Stead);
