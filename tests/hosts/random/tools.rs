//! Families that others work for: git, Python's environments with packages from a directory of wheels, and a web server's files.

use sha2::{Digest as _, Sha256};

use super::catalog::{Maker, WEB, quoted, word};
use crate::tools::WHEELS;

impl Maker {
    /// A working tree or a bare repository, which may be there at an earlier commit.
    pub(super) fn repository(&mut self) {
        let name = self.name("git");
        let (from, top) = (format!("/opt/{name}.git"), format!("/srv/{name}"));
        let is_bare = self.random.chance(25);
        let clone = match (self.random.chance(60), is_bare) {
            (false, _) => String::new(),
            (true, true) => format!("git clone -q --mirror {from} {top}\n"),
            (true, false) => format!("git clone -q {from} {top}\n"),
        };
        let (one, two) = (self.random.text(), self.random.text() + "two\n");
        let setup = format!(
            "(export HOME=/root; git init -q --bare -b main {from}; git init -q -b main /tmp/{name}; cd /tmp/{name}\n\
             git config user.email t@example.com; git config user.name t; mkdir bin; printf '#!/bin/sh\\n' > bin/run; chmod 755 bin/run\n\
             printf %s {} > app.conf; git add .; git commit -q -m one; git tag v1; git push -q {from} main v1\n{clone}\
             printf %s {} > app.conf; git commit -q -a -m two; git tag v2; git branch side; git push -q {from} main v2 side\n\
             cd /; rm -r /tmp/{name})\n",
            word(&one),
            word(&two)
        );
        let rev = if is_bare { "main" } else { self.random.pick(&["main", "side", "v1", "v2"]) };
        let more = match (is_bare, self.random.chance(70)) {
            (true, _) => ", bare = true, update = true",
            (false, true) => ", update = true",
            (false, false) => "",
        };
        let source = format!("git {} {{ url = {}, rev = {}{more} }}\n", quoted(&top), quoted(&from), quoted(rev));
        let at = self.add(setup, source, &[]);
        self.about(at, format!("git[\"{top}\"]"), &[format!("{top}/")]);
    }

    /// A file from a web server, which may be there as it is wanted or otherwise.
    pub(super) fn download(&mut self) {
        let name = self.name("w");
        let (path, content) = (format!("/srv/{name}"), self.random.text());
        let setup = self.before(&path, &content);
        if self.random.chance(15) {
            let at = self.add(setup, format!("download {} {{ state = absent }}\n", quoted(&path)), &[]);
            return self.about(at, format!("download[\"{path}\"]"), &[path]);
        }
        let digits = hex::encode(Sha256::digest(&content));
        let checksum = match self.random.below(3) {
            0 => "checksum = \"none\"".to_owned(),
            1 => format!("checksum = {}", quoted(&format!("sha256:{digits}"))),
            // Looked up in a file, by the name that it has at the server.
            _ => format!("checksum = {}", quoted(&format!("sha256:/srv/{name}.sums"))),
        };
        let setup = format!("{setup}printf '%s  %s\\n' {digits} {name} > /srv/{name}.sums\n");
        let update = if checksum.ends_with("\"none\"") && self.random.chance(50) { ", update = true" } else { "" };
        let mode = if self.random.chance(60) { format!(", mode = {}", self.random.mode()) } else { String::new() };
        let source =
            format!("download {} {{ from = {}, {checksum}{update}{mode} }}\n", quoted(&path), quoted(&format!("{WEB}/{name}")));
        let at = self.add(setup, source, &[]);
        self.serve(at, format!("/{name}"), content);
        self.about(at, format!("download[\"{path}\"]"), std::slice::from_ref(&path));
        if self.random.chance(40) {
            let link = format!("/srv/{}", self.name("l"));
            self.add("", format!("symlink {} {{ target = {} }}\n", quoted(&link), quoted(&path)), &[at]);
        }
    }

    /// An environment with a package, which may be there with another version of it.
    pub(super) fn environment(&mut self) {
        if !self.once("pip demo") {
            return;
        }
        let name = self.name("py");
        let (wheels, top) = (format!("/opt/{name}.wheels"), format!("/srv/{name}"));
        // Compiled files hold times, which an undo does not bring back.
        let from = format!("--no-index --no-compile --find-links {wheels}");
        let mut setup = format!("python3 -c {} {wheels}\n", word(WHEELS));
        let is_there = self.random.chance(50);
        if is_there {
            setup += &format!("python3 -m venv {top}\n");
            if self.random.chance(70) {
                let version = self.random.pick(&["1.0", "2.0"]);
                setup += &format!("{top}/bin/pip install -q --disable-pip-version-check {from} demo=={version}\n");
            }
        }
        let venv = self.add(setup, format!("virtualenv {} {{}}\n", quoted(&top)), &[]);
        self.about(venv, format!("virtualenv[\"{top}\"]"), &[format!("{top}/")]);
        let state = match self.random.below(3) {
            0 => "version = \"1.0\"",
            1 => "version = \">=2,<3\"",
            _ if is_there => "state = absent",
            _ => "version = \"2.0\"",
        };
        let source = format!(
            "pip \"demo\" {{ venv = {}, {state}, find_links = {}, no_index = true, options = [\"--no-compile\"] }}\n",
            quoted(&top),
            quoted(&wheels)
        );
        let at = self.add("", source, &[venv]);
        self.about(at, "pip[\"demo\"]".to_owned(), &[format!("{top}/")]);
    }
}

/// What git keeps besides what is checked out, and what a fetch brings; an undo leaves it. References are compared by [`REFERENCES`]: the same
/// one may stand in a file of its own or among others.
pub(super) fn is_gits(line: &str) -> bool {
    const KEPT: [&str; 7] = ["/objects", "/logs", "/FETCH_HEAD", "/ORIG_HEAD", "/index", "/refs/", "/packed-refs"];
    let Some((_, inside)) = line.split_once("/srv/git") else { return false };
    let inside = inside.split(": ").next().unwrap_or_default();
    let below = inside.split_once('/').map_or("", |(_, below)| below);
    let below = below.strip_prefix(".git").map_or_else(|| format!("/{below}"), str::to_owned);
    KEPT.iter().any(|kept| below.starts_with(kept))
}

/// Branches and tags of all repositories.
pub(super) const REFERENCES: &str =
    "for tree in /srv/git*; do test ! -d $tree || git -C $tree for-each-ref refs/heads refs/tags; done";
