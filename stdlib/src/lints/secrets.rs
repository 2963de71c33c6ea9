//! Secrets that end where everybody on the machine can read them: in a file that is for all, or among the arguments of a command.

use stead_catalog::{Attributes, Problem, Value};

use super::problem;

/// A type that writes some of its attributes into a file that everybody may read.
struct Public {
    type_name: &'static str,
    /// The attributes; one that has to be given as well for the file to be such a one.
    attributes: &'static [&'static str],
    only_with: Option<&'static str>,
    file: &'static str,
    hint: &'static str,
}

const PUBLIC: [Public; 7] = [
    Public {
        type_name: "cron",
        attributes: &["command", "environment"],
        only_with: Some("file"),
        file: "a file of /etc/cron.d",
        hint: "let the command read it from a file that only its user may read, or use the user's own crontab",
    },
    Public {
        type_name: "environment",
        attributes: &["value"],
        only_with: None,
        file: "the environment of every session",
        hint: "put it into a file that only those may read who need it",
    },
    Public {
        type_name: "kernel_module",
        attributes: &["options"],
        only_with: None,
        file: "a file of /etc/modprobe.d",
        hint: "an option of a module can be read by everybody",
    },
    Public {
        type_name: "mount",
        attributes: &["device", "options"],
        only_with: None,
        file: "/etc/fstab",
        hint: "name a file with mode 0600 by the option `credentials=`, or as the file system's manual says",
    },
    Public {
        type_name: "repository",
        attributes: &["uris", "options", "key_url"],
        only_with: None,
        file: "a source of apt",
        hint: "put it into a `file` of /etc/apt/auth.conf.d with `mode = 0600`, as apt_auth.conf(5) says",
    },
    Public {
        type_name: "sysctl",
        attributes: &["value", "comment"],
        only_with: None,
        file: "a file of /etc/sysctl.d",
        hint: "a setting of the kernel can be read by everybody",
    },
    Public {
        type_name: "tmpfiles",
        attributes: &["lines", "path", "argument"],
        only_with: None,
        file: "a file of /etc/tmpfiles.d",
        hint: "write a `file` with `mode = 0600`",
    },
];

/// The attributes whose value ends up in the file that `mode` is about. What stands in a `sudoers` rule is there as well, but sudo's files are for root.
const CONTENTS: [&str; 11] = [
    "content",
    "directives",
    "firstaction",
    "lastaction",
    "line",
    "postrotate",
    "prerotate",
    "sections",
    "settings",
    "setting",
    "value",
];

/// The attributes that are commands, by type, with what to do instead. A `validate` is one in every type.
const COMMANDS: [(&str, &str, &str); 4] = [
    ("cron", "command", "let the command read it from a file that only its user may read"),
    ("exec", "command", "give it by `env` or `stdin`, or let the command read it from a file"),
    ("service", "restart_command", "let the command read it from a file that only root may read"),
    ("timer", "command", "let it be read from a file: `LoadCredential` or `EnvironmentFile` among `service_settings`"),
];

/// Says whether an attribute that the `mode` is about holds a secret.
pub(super) fn are_in_content(attributes: &Attributes) -> bool {
    CONTENTS.iter().any(|name| is_secret(attributes, name))
}

/// What there is to say about the secrets of a resource of this type.
pub(super) fn of(type_name: &str, attributes: &Attributes) -> Vec<Problem> {
    let mut found = Vec::new();
    if attributes.str("state") == Some("absent") {
        return found;
    }
    for public in PUBLIC.iter().filter(|public| public.type_name == type_name) {
        if public.only_with.is_some_and(|name| attributes.get(name).is_none()) {
            continue;
        }
        for name in public.attributes.iter().filter(|name| is_secret(attributes, name)) {
            let message = format!("`{name}` holds a secret, and everybody may read {}", public.file);
            found.push(problem("readable-secret", Some(name), message, public.hint));
        }
    }
    let validate = ("", "validate", "let the command read it from a file that only root may read");
    let commands = COMMANDS.iter().filter(|(name, ..)| *name == type_name).chain([&validate]);
    for (_, name, hint) in commands.filter(|(_, name, _)| is_secret(attributes, name)) {
        let message = format!("`{name}` holds a secret, and every user of the machine can read the arguments of a command");
        found.push(problem("secret-argument", Some(name), message, *hint));
    }
    found
}

fn is_secret(attributes: &Attributes, name: &str) -> bool {
    attributes.get(name).is_some_and(Value::is_sensitive)
}

#[cfg(test)]
mod tests {
    use stead_catalog::Type;
    use stead_engine::Registry;

    use super::*;

    fn codes(type_name: &str, values: &[(&str, Value)]) -> Vec<(&'static str, Option<String>)> {
        let attributes: Attributes = values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        of(type_name, &attributes).into_iter().map(|problem| (problem.code, problem.attribute)).collect()
    }

    fn secret() -> Value {
        Value::string("hunter2").secret()
    }

    #[test]
    fn what_everybody_can_read_is_told() {
        let readable = |name: &str| ("readable-secret", Some(name.to_owned()));
        assert_eq!(codes("environment", &[("value", secret())]), [readable("value")]);
        assert_eq!(codes("environment", &[("value", Value::string("plain"))]), []);
        assert_eq!(codes("mount", &[("options", Value::list([Value::string("rw"), secret()]))]), [readable("options")]);
        assert_eq!(codes("repository", &[("uris", secret()), ("state", Value::Member("absent".into()))]), []);
        let of_user = codes("cron", &[("environment", Value::map([("A".into(), secret())]))]);
        assert_eq!(of_user, []);
        let of_file = codes("cron", &[("environment", Value::map([("A".into(), secret())])), ("file", Value::string("x"))]);
        assert_eq!(of_file, [readable("environment")]);
    }

    #[test]
    fn what_is_an_argument_is_told() {
        let argument = |name: &str| ("secret-argument", Some(name.to_owned()));
        assert_eq!(codes("exec", &[("command", Value::list([Value::string("x"), secret()]))]), [argument("command")]);
        assert_eq!(codes("exec", &[("env", Value::map([("A".into(), secret())])), ("stdin", secret())]), []);
        assert_eq!(codes("service", &[("restart_command", secret())]), [argument("restart_command")]);
        assert_eq!(codes("ini", &[("validate", secret()), ("value", secret())]), [argument("validate")]);
    }

    #[test]
    fn every_name_is_one_of_the_library() {
        let registry: Registry = crate::registry();
        let has = |type_name: &str, name: &str| {
            let schema = registry.schema(type_name).unwrap_or_else(|| panic!("no type {type_name}"));
            assert!(schema.attribute(name).is_some(), "{type_name}.{name}");
        };
        for public in &PUBLIC {
            public.attributes.iter().chain(&public.only_with).for_each(|name| has(public.type_name, name));
        }
        COMMANDS.iter().for_each(|(type_name, name, _)| has(type_name, name));
        let all = registry.schemas();
        for name in CONTENTS {
            assert!(all.iter().any(|schema| schema.attribute(name).is_some()), "{name}");
        }
        // Every attribute that is a command is looked at.
        for schema in &all {
            for attribute in &schema.attributes {
                let is_command = match &attribute.ty {
                    Type::Optional(inner) => **inner == Type::Command,
                    ty => *ty == Type::Command,
                };
                let known = &*attribute.name == "validate"
                    || COMMANDS.iter().any(|(type_name, name, _)| *type_name == &*schema.name && *name == &*attribute.name);
                assert!(!is_command || known, "{}.{}", schema.name, attribute.name);
            }
        }
    }
}
