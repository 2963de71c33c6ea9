//! Projects that are brought up to date and compiled in the background, and their diagnostics.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use lsp_types::PublishDiagnosticsParams;

use super::{Event, Server};
use crate::workspace::{Compiled, Key, Loaded, State};
use crate::{diagnostics, uri};

/// Compiling that took longer is shown as it goes on.
const LONG: Duration = Duration::from_secs(1);

impl Server {
    /// Brings the projects of open documents and folders up to date and sends what is wrong; compiling goes on in the background.
    pub(super) fn look_again(&mut self) {
        for (key, state) in self.workspace.forget_unused() {
            for file in &state.published {
                if let Some(uri) = uri::of_path(&key.root.join(&**file)) {
                    self.notify("textDocument/publishDiagnostics", PublishDiagnosticsParams::new(uri, Vec::new(), None));
                }
            }
        }
        let mut keys: BTreeSet<Key> = self.workspace.keys().into_iter().collect();
        keys.extend(self.workspace.documents.iter().filter_map(|(path, _)| Some(self.workspace.locate(path)?.0)));
        let folders = self.workspace.folders.iter().filter(|folder| folder.join("stead.toml").is_file());
        keys.extend(folders.map(|folder| Key { root: folder.clone(), file: None }));
        for key in keys {
            let is_new = self.workspace.state(&key).is_none();
            let token = if is_new { self.begin_progress("Loading", false) } else { None };
            match catch_unwind(AssertUnwindSafe(|| self.workspace.refresh(&key))) {
                Ok(Ok(_)) => {
                    self.tell_news(&key);
                    self.load(&key);
                }
                Ok(Err(reason)) => self.log(&format!("{}: {reason}", key.root.display())),
                Err(_) => self.log(&format!("{}: internal error", key.root.display())),
            }
            self.end_progress(token);
        }
        self.wake();
    }

    /// Sends what is known of a version of a project that was not told of, and goes on with it.
    fn tell_news(&mut self, key: &Key) {
        self.tell_unread(key);
        if self.workspace.state_mut(key).is_some_and(State::is_news) {
            self.publish(key);
            self.compile(key);
        }
    }

    /// Starts to load the large files of a project that changed, unless that runs; then it is started again when it is done.
    fn load(&mut self, key: &Key) {
        let Some(load) = self.workspace.load(key) else { return };
        let token = self.begin_progress("Loading", false);
        self.loading.insert(key.clone(), token);
        let (events, log, key) = (self.events.clone(), self.log.clone(), key.clone());
        std::thread::spawn(move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| load.run()));
            if loaded.is_err() {
                log("loading: internal error");
            }
            let _ = events.send(Event::Loaded(key, loaded.ok().map(Box::new)));
        });
    }

    /// Takes over what was loaded; where more was typed meanwhile, it is loaded again.
    pub(super) fn loaded(&mut self, key: &Key, loaded: Option<Loaded>) {
        let token = self.loading.remove(key).flatten();
        self.end_progress(token);
        let has_failed = loaded.is_none();
        if self.workspace.loaded(key, loaded) {
            self.tell_news(key);
            self.refresh_client();
        } else if has_failed {
            self.give_up_waiting();
        }
        self.wake();
        self.stale();
    }

    /// Logs which inventories are not known, each once.
    fn tell_unread(&mut self, key: &Key) {
        let unread = self.workspace.state_mut(key).map(State::unread).unwrap_or_default();
        unread.iter().for_each(|reason| self.log(reason));
    }

    /// Starts to compile a project for the known nodes, unless that runs; then it is started again when it is done. What is out of date
    /// already will be looked at again first.
    fn compile(&mut self, key: &Key) {
        let is_done = self.workspace.state(key).is_none_or(|state| state.is_stale() || state.current().is_some());
        if is_done || self.compiling.contains_key(key) {
            return;
        }
        let is_slow = self.workspace.state(key).and_then(|state| state.compiled.as_ref()).is_some_and(|last| last.took >= LONG);
        let log = self.log.clone();
        let Some(work) = self.workspace.work(key, &*log) else { return };
        let token = if is_slow { self.begin_progress("Compiling", false) } else { None };
        self.compiling.insert(key.clone(), token);
        let (events, key) = (self.events.clone(), key.clone());
        std::thread::spawn(move || {
            if let Ok(compiled) = catch_unwind(AssertUnwindSafe(|| work.run())) {
                let _ = events.send(Event::Compiled(key, compiled));
            } else {
                log("compiling: internal error");
                // Tried again when the project is another.
                let _ = events.send(Event::Compiled(key, Some(work.failed())));
            }
        });
    }

    pub(super) fn compiled(&mut self, key: &Key, compiled: Option<Compiled>) {
        let token = self.compiling.remove(key).flatten();
        self.end_progress(token);
        let Some(state) = self.workspace.state_mut(key) else { return };
        let Some(compiled) = compiled else { return self.compile(key) };
        let is_current = compiled.generation == state.generation && !state.is_stale();
        let old = state.compiled.replace(Arc::new(compiled));
        // The catalogs of many nodes take a while to go.
        std::thread::spawn(move || drop(old));
        if is_current {
            self.publish(key);
            self.refresh_client();
        } else {
            self.compile(key);
        }
    }

    /// Sends the diagnostics of a project: all where it was compiled, else those that do not need it.
    fn publish(&mut self, key: &Key) {
        let Ok(snapshot) = self.workspace.whole(key) else { return };
        let Some(state) = self.workspace.state(key) else { return };
        let found = match state.current() {
            Some(compiled) => compiled.diagnostics.clone(),
            None => snapshot.project.diagnostics().to_vec(),
        };
        let mut sorted = diagnostics::by_file(&snapshot, &found);
        if self.pulls() {
            // The client asks for these itself.
            sorted.retain(|file, _| self.workspace.documents.get(&key.root.join(&**file)).is_none());
        }
        let Some(state) = self.workspace.state_mut(key) else { return };
        // What is told of a text that is another by now stays until that is loaded.
        let late = state.late().clone();
        sorted.retain(|file, _| !late.contains(file));
        let mut files: BTreeSet<Arc<str>> = sorted.keys().cloned().collect();
        files.extend(state.published.intersection(&late).cloned());
        let before = std::mem::replace(&mut state.published, files.clone());
        // Open documents are told that nothing is wrong as well.
        let open: Vec<Arc<str>> = match self.pulls() {
            true => Vec::new(),
            false => self
                .workspace
                .documents
                .iter()
                .filter_map(|(path, _)| self.workspace.locate(path).filter(|(own, _)| own == key).map(|(_, name)| name))
                .collect(),
        };
        for file in before.union(&files).cloned().chain(open).filter(|file| !late.contains(file)).collect::<BTreeSet<_>>() {
            let Some(uri) = snapshot.uri(&file) else { continue };
            let version = self.workspace.documents.get(&key.root.join(&*file)).map(|document| document.version);
            let diagnostics = sorted.remove(&file).unwrap_or_default();
            self.notify("textDocument/publishDiagnostics", PublishDiagnosticsParams { uri, diagnostics, version });
        }
    }
}
