//! The pages of the command line's own codes. Those of the language are the compiler's, those of what happens on a machine
//! the standard library's.

/// Every code with its page, in alphabetical order.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("acceptance-malformed", include_str!("../errors/acceptance-malformed.md")),
    ("acceptance-not-closed", include_str!("../errors/acceptance-not-closed.md")),
    ("acceptance-stale", include_str!("../errors/acceptance-stale.md")),
    ("approval-needed", include_str!("../errors/approval-needed.md")),
    ("become-invalid", include_str!("../errors/become-invalid.md")),
    ("cache-unusable", include_str!("../errors/cache-unusable.md")),
    ("changed-since", include_str!("../errors/changed-since.md")),
    ("confirmation-pending", include_str!("../errors/confirmation-pending.md")),
    ("confirmed-too-late", include_str!("../errors/confirmed-too-late.md")),
    ("conflicting-dependencies", include_str!("../errors/conflicting-dependencies.md")),
    ("connection-lost", include_str!("../errors/connection-lost.md")),
    ("dependency-offline", include_str!("../errors/dependency-offline.md")),
    ("dependency-unreachable", include_str!("../errors/dependency-unreachable.md")),
    ("edited-secrets", include_str!("../errors/edited-secrets.md")),
    ("editor-failed", include_str!("../errors/editor-failed.md")),
    ("empty-secret", include_str!("../errors/empty-secret.md")),
    ("file-replaced", include_str!("../errors/file-replaced.md")),
    ("forge-refused", include_str!("../errors/forge-refused.md")),
    ("forge-unknown", include_str!("../errors/forge-unknown.md")),
    ("git-missing", include_str!("../errors/git-missing.md")),
    ("guardian-failed", include_str!("../errors/guardian-failed.md")),
    ("host-given-up", include_str!("../errors/host-given-up.md")),
    ("host-key-changed", include_str!("../errors/host-key-changed.md")),
    ("host-key-unknown", include_str!("../errors/host-key-unknown.md")),
    ("host-too-slow", include_str!("../errors/host-too-slow.md")),
    ("host-unknown", include_str!("../errors/host-unknown.md")),
    ("host-unreachable", include_str!("../errors/host-unreachable.md")),
    ("invalid-dependency", include_str!("../errors/invalid-dependency.md")),
    ("invalid-facts", include_str!("../errors/invalid-facts.md")),
    ("invalid-key-path", include_str!("../errors/invalid-key-path.md")),
    ("invalid-recipient", include_str!("../errors/invalid-recipient.md")),
    ("inventory-failed", include_str!("../errors/inventory-failed.md")),
    ("journal-unreadable", include_str!("../errors/journal-unreadable.md")),
    ("lock-out-of-date", include_str!("../errors/lock-out-of-date.md")),
    ("lock-unreadable", include_str!("../errors/lock-unreadable.md")),
    ("no-inventory", include_str!("../errors/no-inventory.md")),
    ("no-recipients", include_str!("../errors/no-recipients.md")),
    ("no-repository", include_str!("../errors/no-repository.md")),
    ("no-stored-facts", include_str!("../errors/no-stored-facts.md")),
    ("no-such-path", include_str!("../errors/no-such-path.md")),
    ("no-such-revision", include_str!("../errors/no-such-revision.md")),
    ("no-such-rollout", include_str!("../errors/no-such-rollout.md")),
    ("no-sudo-password", include_str!("../errors/no-sudo-password.md")),
    ("no-targets", include_str!("../errors/no-targets.md")),
    ("not-a-data-file", include_str!("../errors/not-a-data-file.md")),
    ("not-a-project", include_str!("../errors/not-a-project.md")),
    ("not-accepted", include_str!("../errors/not-accepted.md")),
    ("not-an-attribute", include_str!("../errors/not-an-attribute.md")),
    ("not-approved", include_str!("../errors/not-approved.md")),
    ("not-confirmed", include_str!("../errors/not-confirmed.md")),
    ("not-reviewed", include_str!("../errors/not-reviewed.md")),
    ("not-signed", include_str!("../errors/not-signed.md")),
    ("nothing-to-confirm", include_str!("../errors/nothing-to-confirm.md")),
    ("only-here", include_str!("../errors/only-here.md")),
    ("other-architecture", include_str!("../errors/other-architecture.md")),
    ("output-failed", include_str!("../errors/output-failed.md")),
    ("plan-is-fixed", include_str!("../errors/plan-is-fixed.md")),
    ("project-exists", include_str!("../errors/project-exists.md")),
    ("record-malformed", include_str!("../errors/record-malformed.md")),
    ("revision-unreadable", include_str!("../errors/revision-unreadable.md")),
    ("secret-not-set", include_str!("../errors/secret-not-set.md")),
    ("signatures-missing", include_str!("../errors/signatures-missing.md")),
    ("ssh-failed", include_str!("../errors/ssh-failed.md")),
    ("ssh-keygen-missing", include_str!("../errors/ssh-keygen-missing.md")),
    ("ssh-missing", include_str!("../errors/ssh-missing.md")),
    ("ssh-refused", include_str!("../errors/ssh-refused.md")),
    ("sudo-missing", include_str!("../errors/sudo-missing.md")),
    ("sudo-password-needed", include_str!("../errors/sudo-password-needed.md")),
    ("sudo-password-wrong", include_str!("../errors/sudo-password-wrong.md")),
    ("sudo-refused", include_str!("../errors/sudo-refused.md")),
    ("unhealthy", include_str!("../errors/unhealthy.md")),
    ("unknown-code", include_str!("../errors/unknown-code.md")),
    ("unknown-dependency", include_str!("../errors/unknown-dependency.md")),
    ("unknown-resource", include_str!("../errors/unknown-resource.md")),
    ("unknown-revision", include_str!("../errors/unknown-revision.md")),
    ("unknown-selector", include_str!("../errors/unknown-selector.md")),
    ("unset-attribute", include_str!("../errors/unset-attribute.md")),
    ("unwritable-file", include_str!("../errors/unwritable-file.md")),
    ("worker-binary-unusable", include_str!("../errors/worker-binary-unusable.md")),
    ("worker-garbled", include_str!("../errors/worker-garbled.md")),
    ("worker-libc", include_str!("../errors/worker-libc.md")),
    ("worker-not-started", include_str!("../errors/worker-not-started.md")),
    ("worker-not-stored", include_str!("../errors/worker-not-stored.md")),
    ("worker-silent", include_str!("../errors/worker-silent.md")),
    ("worker-version", include_str!("../errors/worker-version.md")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_listed_and_titled() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/errors");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("cli/errors")
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".md")?.to_owned()))
            .collect();
        files.sort();
        let listed: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(listed, files);
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}\n\n")), "{code}");
        }
    }
}
