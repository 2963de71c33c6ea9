//! Which contents the journal does not keep, since they may hold secrets.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use stead_catalog::{Attributes, Secrets};

use crate::{SecretsGo, is_private};

/// Larger contents are not searched: they count as holding a secret where they may hold one of the resource itself.
const SEARCHED: u64 = 64 << 20;

/// What is known of a resource's secrets while it is changed.
#[derive(Debug)]
pub(crate) struct Secrecy {
    go: Option<SecretsGo>,
    own: Secrets,
    /// Those of all resources: the file may be one that another writes its secret into.
    all: Arc<Secrets>,
}

impl Secrecy {
    /// Of a resource without secrets.
    pub(crate) fn none(all: &Arc<Secrets>) -> Self {
        Self { go: None, own: Secrets::default(), all: all.clone() }
    }

    /// Of a resource that has secrets, of which nothing else is known.
    pub(crate) fn unknown() -> Self {
        Self { go: Some(SecretsGo::IntoFiles), own: Secrets::default(), all: Arc::default() }
    }

    /// Of a resource with these attributes, some of which are secret.
    pub(crate) fn of(attributes: &Attributes, go: SecretsGo, all: &Arc<Secrets>) -> Self {
        Self { go: Some(go), own: Secrets::of(attributes), all: all.clone() }
    }

    /// Says whether what the resource changes may hold secrets: an undo does not show it either.
    pub(crate) fn is_sensitive(&self) -> bool {
        matches!(self.go, Some(SecretsGo::IntoFiles | SecretsGo::ToCommand))
    }

    /// Says whether the content of a file with this mode is withheld from the journal, of which nothing else is known.
    pub(crate) fn withholds(&self, mode: u32) -> bool {
        match self.go {
            Some(SecretsGo::IntoFiles) => true,
            Some(SecretsGo::ToCommand) => is_private(mode),
            Some(SecretsGo::ToServer) | None => false,
        }
    }

    /// Says whether a content holds a secret of the resource, or of another one.
    pub(crate) fn is_in(&self, content: &[u8]) -> bool {
        if !self.knows_any() {
            return false;
        }
        let text = String::from_utf8_lossy(content);
        self.own.are_in(&text) || self.all.are_in(&text)
    }

    /// Says whether there is any secret to look for.
    pub(crate) fn knows_any(&self) -> bool {
        !self.own.is_empty() || !self.all.is_empty()
    }

    /// The same of a file that is there and is replaced.
    pub(crate) fn is_in_file(&self, file: &mut File) -> bool {
        if !self.knows_any() || self.go == Some(SecretsGo::ToServer) {
            return false;
        }
        let mut content = Vec::new();
        match file.take(SEARCHED).read_to_end(&mut content) {
            Ok(length) => (length as u64 == SEARCHED && self.is_sensitive()) || self.is_in(&content),
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use stead_catalog::Value;

    use super::*;

    #[test]
    fn what_is_withheld_depends_on_where_secrets_go() {
        let attributes: Attributes = [("password".into(), Value::string("hunter2").secret())].into_iter().collect();
        let all = Arc::new(Secrets::of_all([&attributes]));
        let of = |go| Secrecy::of(&attributes, go, &all);
        let withholds = |secrecy: &Secrecy| (secrecy.withholds(0o644), secrecy.withholds(0o640));
        assert_eq!(withholds(&of(SecretsGo::IntoFiles)), (true, true));
        assert_eq!(withholds(&of(SecretsGo::ToCommand)), (false, true));
        assert_eq!(withholds(&of(SecretsGo::ToServer)), (false, false));
        assert_eq!(withholds(&Secrecy::none(&all)), (false, false));
        assert!(Secrecy::none(&all).is_in(b"pw=hunter2"));
        assert_eq!(withholds(&Secrecy::unknown()), (true, true));
        assert!(of(SecretsGo::ToServer).is_in(b"\xffpw=hunter2\n"));
        assert!(!of(SecretsGo::IntoFiles).is_in(b"pw="));
    }
}
