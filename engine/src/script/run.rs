//! Running a script on paper.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::parse::{Node, Redirect, Script, Simple, Word};
use super::words::{Field, matches};
use crate::{FileKind, Known, Owner, Predicted, Stat, World};

/// Commands that are run before a script counts as too long.
const MAX_STEPS: u32 = 20_000;

/// Functions called from functions.
const MAX_CALLS: u32 = 16;

/// Whether a command succeeds; `None`: not known.
pub(super) type Status = Option<bool>;

/// Where a script goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next(Status),
    Return(Status),
    Exit,
}

/// A script on its way.
pub(crate) struct Interpreter<'p, 'a> {
    pub(super) world: &'p mut Predicted<'a>,
    pub(super) because: Arc<str>,
    /// `None`: set, and not known to what.
    pub(super) variables: HashMap<String, Option<String>>,
    pub(super) arguments: Vec<Option<String>>,
    functions: HashMap<String, Arc<[Node]>>,
    documents: &'p [Option<String>],
    /// How many conditions that are not known lie around what is run.
    doubt: u32,
    steps: u32,
    calls: u32,
    spoken: Vec<Arc<str>>,
}

impl<'p, 'a> Interpreter<'p, 'a> {
    pub(super) fn new(
        world: &'p mut Predicted<'a>,
        because: &str,
        package: &str,
        arguments: &[Option<&str>],
        script: &'p Script,
    ) -> Self {
        let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let variables = [
            set("DPKG_MAINTSCRIPT_PACKAGE", package.split(':').next().unwrap_or(package)),
            set("DEBIAN_FRONTEND", "noninteractive"),
            set("PATH", crate::process::PATH),
        ];
        Self {
            world,
            because: because.into(),
            variables: variables.into(),
            arguments: arguments.iter().map(|argument| argument.map(str::to_owned)).collect(),
            functions: HashMap::new(),
            documents: &script.documents,
            doubt: 0,
            steps: 0,
            calls: 0,
            spoken: Vec::new(),
        }
    }

    pub(super) fn into_spoken(self) -> Vec<Arc<str>> {
        self.spoken
    }

    /// Says whether what is run now may as well not be run.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubt > 0
    }

    /// Runs a whole script.
    pub(super) fn run(&mut self, body: &[Node]) {
        self.list(body);
    }

    /// Remembers the words of something that is not understood.
    pub(super) fn speak(&mut self, fields: &[Field]) {
        let words: Vec<&str> = fields.iter().map(|field| field.literal.as_str()).filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            self.spoken.push(words.join(" ").into());
        }
    }

    fn list(&mut self, nodes: &[Node]) -> Flow {
        let mut status = Some(true);
        for node in nodes {
            match self.node(node) {
                Flow::Next(next) => status = next,
                other if self.doubt == 0 => return other,
                _ => {
                    // It may have ended here: the rest may not be run.
                    self.doubt += 1;
                    status = None;
                }
            }
        }
        Flow::Next(status)
    }

    /// Runs what may be run or not.
    fn doubtful(&mut self, nodes: &[Node]) {
        let before = self.doubt;
        self.doubt += 1;
        self.list(nodes);
        // An exit on the way leaves the rest in doubt.
        self.doubt -= 1;
        self.doubt = self.doubt.max(before);
    }

    /// Looks at commands whose output is used: they may do something as well.
    pub(super) fn look_at(&mut self, nodes: &[Node]) {
        let before = self.doubt;
        self.list(nodes);
        self.doubt = before;
    }

    fn status(&mut self, nodes: &[Node]) -> Result<Status, Flow> {
        match self.list(nodes) {
            Flow::Next(status) => Ok(status),
            other => Err(other),
        }
    }

    fn node(&mut self, node: &Node) -> Flow {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.spoken.push("/".into());
            return Flow::Exit;
        }
        match node {
            Node::Simple(simple) => self.simple(simple),
            Node::Pipeline(nodes) => {
                // Each runs in a shell of its own: an exit there ends nothing here.
                let mut status = None;
                for node in nodes {
                    let before = (self.variables.clone(), self.doubt);
                    status = match self.node(node) {
                        Flow::Next(status) => status,
                        _ => None,
                    };
                    (self.variables, self.doubt) = before;
                }
                // What the last one finds depends on what it reads.
                let _ = status;
                Flow::Next(None)
            }
            Node::Not(node) => match self.node(node) {
                Flow::Next(status) => Flow::Next(status.map(|status| !status)),
                other => other,
            },
            Node::Chain(first, rest) => self.chain(first, rest),
            Node::If(arms, otherwise) => self.conditional(arms, otherwise),
            Node::For(name, words, body) => self.repeat(name, words, body),
            Node::Loop(condition, body) => {
                self.forget_assigned(condition);
                match self.status(condition) {
                    Ok(Some(false)) => Flow::Next(Some(true)),
                    Ok(_) => {
                        self.forget_assigned(body);
                        self.doubtful(body);
                        Flow::Next(None)
                    }
                    Err(flow) => flow,
                }
            }
            Node::Case(subject, arms) => self.case(subject, arms),
            Node::Group(nodes, redirects) => {
                let flow = self.list(nodes);
                self.redirect(redirects, None);
                flow
            }
            Node::Function(name, body) => {
                self.functions.insert(name.clone(), body.clone());
                Flow::Next(Some(true))
            }
        }
    }

    fn chain(&mut self, first: &Node, rest: &[(bool, Node)]) -> Flow {
        let mut status = match self.node(first) {
            Flow::Next(status) => status,
            other => return other,
        };
        for (and, node) in rest {
            match status {
                Some(status) if status != *and => {}
                Some(_) => match self.node(node) {
                    Flow::Next(next) => status = next,
                    other => return other,
                },
                None => {
                    self.doubtful(std::slice::from_ref(node));
                    // `… || true` succeeds either way.
                    let succeeds = !and && matches!(node, Node::Simple(simple) if self.is_true(simple));
                    status = succeeds.then_some(true);
                }
            }
        }
        Flow::Next(status)
    }

    fn is_true(&mut self, simple: &Simple) -> bool {
        let fields = self.fields(&simple.words);
        matches!(fields.as_slice(), [only] if matches!(only.text.as_deref(), Some("true" | ":")))
    }

    fn conditional(&mut self, arms: &[(Vec<Node>, Vec<Node>)], otherwise: &[Node]) -> Flow {
        let mut uncertain = false;
        for (condition, body) in arms {
            let status = match self.status(condition) {
                Ok(status) => status,
                Err(flow) => return flow,
            };
            match status {
                Some(false) => {}
                Some(true) if uncertain => {
                    self.doubtful(body);
                    return Flow::Next(None);
                }
                Some(true) => return self.list(body),
                None => {
                    uncertain = true;
                    self.doubtful(body);
                }
            }
        }
        if uncertain {
            self.doubtful(otherwise);
            return Flow::Next(None);
        }
        self.list(otherwise)
    }

    fn repeat(&mut self, name: &str, words: &[Word], body: &[Node]) -> Flow {
        let mut status = Some(true);
        for field in self.fields(words) {
            let is_known = field.text.is_some();
            self.variables.insert(name.to_owned(), field.text);
            if !is_known {
                self.forget_assigned(body);
                self.doubtful(body);
                status = None;
                continue;
            }
            match self.list(body) {
                Flow::Next(next) => status = next,
                other => return other,
            }
        }
        Flow::Next(status)
    }

    fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, Vec<Node>)]) -> Flow {
        let subject = self.text(subject);
        let mut uncertain = false;
        for (patterns, body) in arms {
            let mut found = Some(false);
            for pattern in patterns {
                let one = match (&subject, self.text(pattern)) {
                    (_, Some(pattern)) if pattern == "*" => Some(true),
                    (Some(subject), Some(pattern)) => matches(&pattern, subject),
                    _ => None,
                };
                found = match (found, one) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
            }
            match found {
                Some(false) => {}
                Some(true) if !uncertain => return self.list(body),
                found => {
                    self.doubtful(body);
                    if found == Some(true) {
                        return Flow::Next(None);
                    }
                    uncertain = true;
                }
            }
        }
        Flow::Next(if uncertain { None } else { Some(true) })
    }

    fn assign(&mut self, name: &str, value: Option<String>) {
        let same = self.variables.get(name).is_some_and(|known| *known == value);
        let value = if self.is_doubtful() && !same { None } else { value };
        self.variables.insert(name.to_owned(), value);
    }

    /// What is assigned in commands that may run any number of times is not known.
    fn forget_assigned(&mut self, nodes: &[Node]) {
        for node in nodes {
            if let Node::Simple(simple) = node {
                for (name, _) in &simple.assignments {
                    self.variables.insert(name.clone(), None);
                }
                let fields = self.fields(&simple.words);
                if fields.first().is_some_and(|first| matches!(first.text.as_deref(), Some("read" | "getopts"))) {
                    self.forget_read(&fields[1..]);
                }
            }
        }
    }

    fn forget_read(&mut self, fields: &[Field]) {
        for name in fields.iter().filter_map(|field| field.text.clone()).filter(|name| !name.starts_with('-')) {
            self.variables.insert(name, None);
        }
    }

    fn simple(&mut self, simple: &Simple) -> Flow {
        let values: Vec<(String, Option<String>)> =
            simple.assignments.iter().map(|(name, word)| (name.clone(), self.text(word))).collect();
        let fields = self.fields(&simple.words);
        if fields.is_empty() {
            for (name, value) in values {
                self.assign(&name, value);
            }
            self.redirect(&simple.redirects, None);
            return Flow::Next(Some(true));
        }
        let Some(name) = fields[0].text.clone() else {
            self.speak(&fields);
            self.redirect(&simple.redirects, None);
            return Flow::Next(None);
        };
        if let Some(flow) = self.control(&name, &fields[1..]) {
            return flow;
        }
        if let Some(body) = self.functions.get(&name).cloned() {
            let flow = self.call(&body, &fields[1..]);
            self.redirect(&simple.redirects, None);
            return flow;
        }
        let input = simple.redirects.iter().find_map(|redirect| match redirect {
            Redirect::Document(position) => self.documents.get(*position).cloned(),
            _ => None,
        });
        let printed = printed(&name, &fields[1..], input.as_ref());
        let status = self.command(&name, &fields);
        self.redirect(&simple.redirects, printed);
        Flow::Next(status)
    }

    /// Commands that steer the script itself.
    fn control(&mut self, name: &str, arguments: &[Field]) -> Option<Flow> {
        let number = || match arguments.first() {
            None => Some(true),
            Some(field) => field.text.as_deref().map(|text| text == "0"),
        };
        Some(match name {
            "exit" => Flow::Exit,
            "return" => Flow::Return(number()),
            "exec" if arguments.is_empty() => Flow::Next(Some(true)),
            // What follows is not run.
            "exec" => {
                let name = arguments[0].text.clone().unwrap_or_default();
                self.command(&name, arguments);
                Flow::Exit
            }
            "break" | "continue" => {
                self.doubt += 1;
                Flow::Next(Some(true))
            }
            "set" => {
                if let Some(at) = arguments.iter().position(|field| field.text.as_deref() == Some("--")) {
                    self.arguments = arguments[at + 1..].iter().map(|field| field.text.clone()).collect();
                }
                Flow::Next(Some(true))
            }
            "shift" => {
                let count = arguments.first().map_or(Some(1), |field| field.text.as_deref().and_then(|text| text.parse().ok()));
                match count {
                    Some(count) => drop(self.arguments.drain(..usize::min(count, self.arguments.len()))),
                    None => self.arguments.iter_mut().for_each(|argument| *argument = None),
                }
                Flow::Next(Some(true))
            }
            "local" | "export" | "readonly" | "declare" => {
                for field in arguments {
                    if let Some((name, value)) = field.text.as_deref().and_then(|text| text.split_once('=')) {
                        self.assign(name, Some(value.to_owned()));
                    } else if let Some((name, _)) = field.literal.split_once('=') {
                        self.assign(name, None);
                    }
                }
                Flow::Next(Some(true))
            }
            "unset" => {
                for name in arguments.iter().filter_map(|field| field.text.as_deref()) {
                    if self.is_doubtful() {
                        self.variables.insert(name.to_owned(), None);
                    } else {
                        self.variables.remove(name);
                    }
                }
                Flow::Next(Some(true))
            }
            "read" | "getopts" => {
                self.forget_read(arguments);
                Flow::Next(None)
            }
            _ => return None,
        })
    }

    fn call(&mut self, body: &[Node], arguments: &[Field]) -> Flow {
        if self.calls >= MAX_CALLS {
            self.speak(arguments);
            return Flow::Next(None);
        }
        self.calls += 1;
        let arguments = arguments.iter().map(|field| field.text.clone()).collect();
        let outer = std::mem::replace(&mut self.arguments, arguments);
        let flow = self.list(body);
        self.arguments = outer;
        self.calls -= 1;
        match flow {
            Flow::Return(status) => Flow::Next(status),
            other => other,
        }
    }

    /// Files that output goes to; what is printed where that is known.
    fn redirect(&mut self, redirects: &[Redirect], printed: Option<String>) {
        for redirect in redirects {
            let (word, is_append, printed) = match redirect {
                Redirect::Out(word) => (word, false, printed.clone()),
                Redirect::Append(word) => (word, true, printed.clone()),
                Redirect::Other(word) => (word, false, None),
                Redirect::Document(_) | Redirect::Silent => continue,
            };
            let Some(path) = self.text(word) else {
                let fields = self.fields(std::slice::from_ref(word));
                self.speak(&fields);
                continue;
            };
            if !path.starts_with('/') || path.starts_with("/dev/") || path.starts_with("/proc/") {
                continue;
            }
            self.write(Path::new(&path), is_append, printed);
        }
    }

    fn write(&mut self, path: &Path, is_append: bool, printed: Option<String>) {
        let found = self.world.stat(path).ok().and_then(|look| look.value().cloned());
        let before = match (&found, is_append) {
            (Some(Some(stat)), true) if stat.kind == FileKind::File => {
                self.world.read(path).ok().and_then(|look| look.value().cloned().flatten()).map(|bytes| bytes.to_vec())
            }
            (Some(None), _) | (_, false) => Some(Vec::new()),
            _ => None,
        };
        let (Some(mut content), Some(printed), Some(stat), false) = (before, printed, found, self.is_doubtful()) else {
            self.world.obscure(path, &self.because);
            return;
        };
        content.extend_from_slice(printed.as_bytes());
        let mut stat = match stat {
            Some(stat) if stat.kind == FileKind::File => stat,
            Some(_) => return self.world.obscure(path, &self.because),
            None => made(FileKind::File, 0o644),
        };
        stat.size = content.len() as u64;
        self.world.put(path, stat, Some(content.into()));
    }

    /// The text of a file that is known.
    pub(super) fn world_text(&self, path: &str) -> Option<String> {
        let bytes = self.world.read(Path::new(path)).ok()?.value().cloned()??;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// Says whether it is known that nothing is at a path.
    pub(super) fn is_absent(&self, path: &Path) -> bool {
        matches!(self.world.stat(path), Ok(Known::Is(None)))
    }

    /// Says whether something is at a path; `None` when that is not known.
    pub(super) fn exists(&self, path: &str) -> Option<bool> {
        self.world.exists(Path::new(path)).ok()?.value().copied()
    }

    /// Says whether a program is there.
    pub(super) fn program(&self, name: &str) -> Option<bool> {
        let places = if name.contains('/') {
            vec![name.to_owned()]
        } else {
            crate::process::PATH.split(':').map(|directory| format!("{directory}/{name}")).collect()
        };
        let mut is_known = true;
        for place in places {
            match self.exists(&place) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => is_known = false,
            }
        }
        is_known.then_some(false)
    }
}

/// Something that root makes.
pub(super) fn made(kind: FileKind, mode: u32) -> Stat {
    Stat { kind, mode, uid: Owner::Id(0), gid: Owner::Id(0), size: 0, target: None }
}

/// What a command prints, where that is as plain as can be.
fn printed(name: &str, arguments: &[Field], input: Option<&Option<String>>) -> Option<String> {
    let words: Vec<&str> = arguments.iter().map(|field| field.text.as_deref()).collect::<Option<_>>()?;
    let is_plain = |text: &str| !text.contains(['\\', '%']);
    match (name, words.as_slice()) {
        ("echo", ["-n", rest @ ..]) if rest.iter().all(|word| is_plain(word)) => Some(rest.join(" ")),
        ("echo", words)
            if words.first().is_none_or(|first| !first.starts_with('-')) && words.iter().all(|word| !word.contains('\\')) =>
        {
            Some(format!("{}\n", words.join(" ")))
        }
        ("printf", [text]) if is_plain(&text.replace("\\n", "")) => Some(text.replace("\\n", "\n")),
        ("printf", ["%s\\n", text]) => Some(format!("{text}\n")),
        ("cat", []) => input.cloned().flatten(),
        (":" | "true", []) => Some(String::new()),
        _ => None,
    }
}
