//! Methods of paths. They work on the text; nothing looks at a file system.

use super::arguments::{invalid, string, strings, text};
use super::{BuiltinError, Entry, plain};
use stead_catalog::{Type, Value};

pub(super) const ENTRIES: &[Entry] = &[
    plain(
        "Path.parent() -> Path",
        "Returns the directory that holds it; of `/`, `/` itself.",
        &[("\"/etc/nginx/a.conf\".parent()", "\"/etc/nginx\"")],
        |a| {
            let path = path(a, 0)?;
            string(match path.rfind('/') {
                Some(0) | None => "/",
                Some(at) => &path[..at],
            })
        },
    ),
    plain("Path.file_name() -> String", "Returns the last part.", &[("\"/etc/nginx/a.conf\".file_name()", "\"a.conf\"")], |a| {
        let path = path(a, 0)?;
        string(name_of(&path))
    }),
    plain(
        "Path.stem() -> String",
        "Returns the last part without its extension.",
        &[("\"/srv/a.tar.gz\".stem()", "\"a.tar\"")],
        |a| {
            let path = path(a, 0)?;
            string(split_name(name_of(&path)).0)
        },
    ),
    plain(
        "Path.extension() -> String?",
        "Returns what follows the last dot of the last part; `none` when there is no dot after its first character.",
        &[("\"/srv/a.tar.gz\".extension()", "\"gz\""), ("\"/root/.bashrc\".extension()", "none")],
        |a| {
            let path = path(a, 0)?;
            split_name(name_of(&path)).1.map_or(Ok(Value::None), string)
        },
    ),
    plain(
        "Path.with_extension(extension: String) -> Path",
        "Replaces the extension, or adds one; an empty one is taken off.",
        &[("\"/srv/a.txt\".with_extension(\"bak\")", "\"/srv/a.bak\"")],
        |a| {
            let (path, extension) = (path(a, 0)?, text(a, 1)?.trim_start_matches('.'));
            let stem = split_name(name_of(&path)).0;
            let base = &path[..path.len() - name_of(&path).len()];
            one_part(extension, 1)?;
            string(if extension.is_empty() { format!("{base}{stem}") } else { format!("{base}{stem}.{extension}") })
        },
    ),
    plain(
        "Path.with_file_name(name: String) -> Path",
        "Replaces the last part.",
        &[("\"/srv/a.txt\".with_file_name(\"b\")", "\"/srv/b\"")],
        |a| {
            let (path, name) = (path(a, 0)?, text(a, 1)?);
            one_part(name, 1)?;
            string(format!("{}{name}", &path[..path.len() - name_of(&path).len()]))
        },
    ),
    plain(
        "Path.join(part: String) -> Path",
        "Goes down to `part`, which may have several steps but neither `..` nor a slash at its start.",
        &[("\"/etc\".join(\"nginx/nginx.conf\")", "\"/etc/nginx/nginx.conf\"")],
        |a| {
            let (path, part) = (path(a, 0)?, text(a, 1)?);
            if part.starts_with('/') {
                return Err(BuiltinError {
                    hint: Some("write it without the leading `/`".into()),
                    ..invalid(1, format!("`{part}` does not lie below `{path}`"))
                });
            }
            string(normal(&format!("{path}/{part}"), 1)?)
        },
    ),
    plain(
        "Path.is_under(directory: Path) -> Bool",
        "Says whether the path lies below the directory.",
        &[("\"/etc/nginx\".is_under(\"/etc\")", "true"), ("\"/etcetera\".is_under(\"/etc\")", "false")],
        |a| {
            let (path, directory) = (path(a, 0)?, path(a, 1)?);
            Ok(Value::Bool(path != directory && below(&path, &directory).is_some()))
        },
    ),
    plain(
        "Path.relative_to(directory: Path) -> String?",
        "Returns the way down from the directory; `none` when the path does not lie below it.",
        &[("\"/etc/nginx/a\".relative_to(\"/etc\")", "\"nginx/a\""), ("\"/srv\".relative_to(\"/etc\")", "none")],
        |a| {
            let (path, directory) = (path(a, 0)?, path(a, 1)?);
            below(&path, &directory).map_or(Ok(Value::None), |rest| string(if rest.is_empty() { "." } else { rest }))
        },
    ),
    plain(
        "Path.parts() -> List<String>",
        "Returns the steps from the root.",
        &[("\"/etc/nginx\".parts()", "[\"etc\", \"nginx\"]")],
        |a| {
            let path = path(a, 0)?;
            strings(path.split('/').filter(|part| !part.is_empty()))
        },
    ),
    plain(
        "Path.ancestors() -> List<Path>",
        "Returns the directories above it, the nearest first, without `/`.",
        &[("\"/a/b/c\".ancestors()", "[\"/a/b\", \"/a\"]")],
        |a| {
            let path = path(a, 0)?;
            let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).collect();
            strings(ends.iter().rev().map(|end| &path[..*end]))
        },
    ),
    plain("Path.depth() -> Int", "Counts the steps from the root.", &[("\"/etc/nginx\".depth()", "2")], |a| {
        Ok(super::arguments::length(path(a, 0)?.split('/').filter(|part| !part.is_empty()).count()))
    }),
    plain(
        "String.to_path() -> Path",
        "Checks that the text is an absolute path and writes it in its normal form.",
        &[("\"/srv//www/\".to_path()", "\"/srv/www\"")],
        |a| string(path(a, 0)?),
    ),
];

fn path(args: &[Value], at: usize) -> Result<String, BuiltinError> {
    normal(text(args, at)?, at)
}

fn normal(text: &str, at: usize) -> Result<String, BuiltinError> {
    match Type::Path.admit(&Value::string(text), false) {
        Ok(path) => Ok(path.as_str().unwrap_or_default().to_owned()),
        Err(mismatch) => Err(BuiltinError {
            hint: mismatch.hint,
            ..invalid(at, format!("found {}, expected {}", mismatch.found, mismatch.expected))
        }),
    }
}

fn one_part(text: &str, at: usize) -> Result<(), BuiltinError> {
    if text.contains(['/', '\0']) || text == ".." {
        Err(invalid(at, format!("`{text}` is not one part of a path")))
    } else {
        Ok(())
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.rfind('.') {
        Some(0) | None => (name, None),
        Some(dot) => (&name[..dot], Some(&name[dot + 1..])),
    }
}

fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}
