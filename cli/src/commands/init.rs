//! `stead init`: a new project.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::args::InitArguments;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The files of a new project. Those of the second kind may be there already, and stay as they are.
const FILES: [(&str, &str, bool); 7] = [
    ("stead.toml", include_str!("../../project/stead.toml"), true),
    ("site.stead", include_str!("../../project/site.stead"), true),
    ("data/common.yaml", include_str!("../../project/common.yaml"), true),
    ("templates/motd.j2", include_str!("../../project/motd.j2"), true),
    ("files/README.md", include_str!("../../project/files.md"), true),
    ("README.md", include_str!("../../project/README.md"), false),
    (".gitignore", include_str!("../../project/gitignore"), false),
];

pub(crate) fn run(arguments: &InitArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let root = &*arguments.directory;
    if let Some((name, ..)) = FILES.iter().find(|(name, _, is_ours)| *is_ours && is_there(&root.join(name))) {
        return Err(Failure::ProjectExists(root.join(name)));
    }
    let mut written = Vec::new();
    for (name, text, _) in FILES {
        let path = root.join(name);
        if !is_there(&path) {
            write(&path, text)?;
            written.push(name);
        }
    }
    let place = if root == Path::new(".") { String::new() } else { format!(" {}", root.display()) };
    terminal.print(&format!(
        "wrote {}\n\nstead check{place}    finds mistakes\nstead plan{place}     shows what would change on this machine\n",
        written.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Also of a symlink that leads nowhere: writing would follow it.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let unwritable = |source| Failure::Unwritable { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(unwritable)?;
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(unwritable)
}
