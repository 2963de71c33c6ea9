//! What a worker plans: the catalog it is sent, what has drifted from one, and the way back from a run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use stead_catalog::Catalog;

use super::{Held, Incoming, Worker};
use crate::drift::Drift;
use crate::frames::{
    self, Answer, FrameError, PlanRequest, Wanted, WireConflict, WireDrift, WirePlan, WireRun, WireUndo, not_undone,
};
use crate::journal::hex;
use crate::undo::{Undo, UndoOptions, UndoSelection};
use crate::{Journal, Observed, PlanOptions, Planned, RootSpec, SavedPlan, plan};

/// A failure in words: code, message, way out.
struct Refused(String, String, Option<String>);

/// Makes it out of an error that has a code and a way out.
macro_rules! refused {
    ($error:expr) => {{
        let error = $error;
        Refused(error.code().to_owned(), error.to_string(), error.hint())
    }};
}

impl Worker<'_> {
    /// Plans a catalog, and keeps the plan to be carried out.
    pub(super) fn plan(&mut self, request: PlanRequest) -> Result<(), FrameError> {
        self.held = None;
        let (fetch, remember) = (request.fetch, request.remember);
        let Some(catalog) = self.catalog(request)? else { return Ok(()) };
        let answer = self.planned(&catalog, fetch, false).and_then(|planned| {
            if remember && planned.plan.is_empty() {
                Journal::remember(&self.options.state, &catalog);
            }
            let saved = saved(&planned, None)?;
            Ok((Answer::Planned { plan: WirePlan::of(&planned.plan), saved }, planned))
        });
        match answer {
            Ok((answer, planned)) => {
                self.line.send(&answer);
                self.held = Some(Held { catalog, planned, undo: None });
            }
            Err(refused) => self.refuse(refused),
        }
        Ok(())
    }

    /// Tells what has changed since the last apply, of what a catalog declares.
    pub(super) fn drift(&mut self, request: PlanRequest) -> Result<(), FrameError> {
        self.held = None;
        let Some(catalog) = self.catalog(request)? else { return Ok(()) };
        let found = self.planned(&catalog, false, true).and_then(|planned| {
            let journal = Journal::look(&self.options.state).map_err(|error| refused!(error))?;
            Drift::of(&catalog, self.registry, &planned, journal.as_ref(), &RootSpec::Machine).map_err(|error| refused!(error))
        });
        match found {
            Ok(drift) => self.line.send(&Answer::Drifted(WireDrift::of(&drift))),
            Err(refused) => self.refuse(refused),
        }
        Ok(())
    }

    /// Plans the way back from a run, and keeps it to be carried out.
    pub(super) fn undo(&mut self, request: WireUndo) {
        self.held = None;
        match self.way_back(request) {
            Ok((answer, held)) => {
                self.line.send(&answer);
                self.held = Some(held);
            }
            Err(refused) => self.refuse(refused),
        }
    }

    fn way_back(&self, WireUndo { run, only, except, force }: WireUndo) -> Result<(Answer, Held), Refused> {
        let nothing = || {
            let hint = "`stead history` lists the runs that are kept".to_owned();
            Refused("no-such-run".into(), "nothing is in the journal".into(), Some(hint))
        };
        let journal = Journal::look(&self.options.state).map_err(|error| refused!(error))?.ok_or_else(nothing)?;
        let number = match run {
            Some(number) => number,
            None => journal.last_run().map_err(|error| refused!(error))?.ok_or_else(nothing)?.id,
        };
        let world = self.world(false)?;
        let selection = UndoSelection { only, except };
        // Another host may have what is selected: whoever asks all of them decides.
        let options = UndoOptions { force, allows_nothing: true, ..UndoOptions::default() };
        let undo = Undo::of(journal, number, self.registry, &world, &|id| selection.asked(id), &options);
        let undo = undo.map_err(|error| refused!(error))?;
        let planned = undo.plan(&world);
        let answer = Answer::WayBack {
            run: WireRun::of(&undo.run),
            plan: WirePlan::of(&planned.plan),
            saved: saved(&planned, Some((undo.run.id, force)))?,
            conflicts: undo.conflicts.iter().map(WireConflict::of).collect(),
            not_undone: undo.not_undone.iter().map(not_undone).collect(),
            unnamed: selection.unnamed(&undo.changed),
        };
        Ok((answer, Held { catalog: undo.catalog.clone(), planned, undo: Some(Box::new(undo)) }))
    }

    fn refuse(&self, Refused(code, message, hint): Refused) {
        self.fail(&code, message, hint);
    }

    fn world(&self, fetch: bool) -> Result<Observed, Refused> {
        let world = Observed::new(&RootSpec::Machine).map_err(|error| refused!(error))?;
        let world = world.cancelled_by(self.options.cancel.clone()).remembering(&self.options.state);
        Ok(match self.options.cache.as_deref().filter(|_| fetch) {
            Some(cache) => world.reading_ahead(cache),
            None => world,
        })
    }

    /// Plans; for drift, a reaction that is still due is nobody's change.
    fn planned(&self, catalog: &Catalog, fetch: bool, is_drift: bool) -> Result<Planned, Refused> {
        let (world, state) = (self.world(fetch)?, &self.options.state);
        if is_drift {
            return Ok(plan(catalog, self.registry, &world, &PlanOptions::default()));
        }
        // Reactions that cannot be known are told where the run begins: it opens the journal for itself.
        let owed = Journal::look(state).and_then(|journal| journal.map_or(Ok(Vec::new()), |journal| journal.pending()));
        Ok(plan(catalog, self.registry, &world, &PlanOptions::owing(owed.unwrap_or_default())))
    }

    /// The catalog that was sent, with its contents. `None` when it was told what is wrong with it.
    fn catalog(&mut self, request: PlanRequest) -> Result<Option<Catalog>, FrameError> {
        let found = self.fetch_contents(&request)?;
        match request.catalog.read(&|hash| found.get(hash).cloned()) {
            Ok(catalog) => Ok(Some(catalog)),
            Err(error) => {
                self.fail("worker-garbled", error.to_string(), None);
                Ok(None)
            }
        }
    }

    /// Returns the contents that a catalog names; asks for those that are not there.
    fn fetch_contents(&mut self, request: &PlanRequest) -> Result<HashMap<[u8; 32], Arc<[u8]>>, FrameError> {
        let mut found = HashMap::new();
        let mut missing: HashMap<[u8; 32], (u64, Vec<u8>)> = HashMap::new();
        for (hash, size) in request.catalog.contents()? {
            match self.contents.get(&hash) {
                Some(content) => {
                    found.insert(hash, content);
                }
                None if size > frames::MAX_BLOB => return Err(FrameError::TooLarge),
                None => {
                    let mut part = self.contents.part(&hash);
                    if part.len() as u64 > size {
                        part.clear();
                    }
                    missing.insert(hash, (size, part));
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let mut wanted: Vec<Wanted> =
            missing.iter().map(|(hash, (_, part))| Wanted { hash: hex(hash), offset: part.len() as u64 }).collect();
        wanted.sort_by(|a, b| a.hash.cmp(&b.hash));
        self.line.send(&Answer::Need { contents: wanted });
        while !missing.is_empty() {
            let (hash, offset, bytes) = match self.next()? {
                Incoming::Piece { hash, offset, bytes } => (hash, offset, bytes),
                Incoming::Broken(error) => return Err(error),
                Incoming::Request(_) => return Err(FrameError::malformed("a request where contents were waited for")),
            };
            let Some((size, content)) = missing.get_mut(&hash) else {
                return Err(FrameError::malformed("a content that nobody asked for"));
            };
            if offset != content.len() as u64 || offset + bytes.len() as u64 > *size {
                return Err(FrameError::malformed("a piece of a content that does not fit"));
            }
            self.contents.append(&hash, offset, &bytes);
            content.extend_from_slice(&bytes);
            if content.len() as u64 == *size
                && let Some((_, content)) = missing.remove(&hash)
            {
                self.contents.drop_part(&hash);
                if *blake3::hash(&content).as_bytes() != hash {
                    return Err(FrameError::malformed("a content that is not the one its hash names"));
                }
                self.contents.keep(&hash, &content);
                found.insert(hash, content.into());
            }
        }
        Ok(found)
    }
}

/// A plan as it would be saved, in hex.
fn saved(planned: &Planned, undoes: Option<(i64, bool)>) -> Result<String, Refused> {
    let saved = SavedPlan { undoes, ..SavedPlan::of(planned, "", Path::new("/"), Vec::new()) };
    let bytes = saved.encode().map_err(|error| Refused(error.code().into(), error.to_string(), None))?;
    Ok(hex(&bytes))
}
