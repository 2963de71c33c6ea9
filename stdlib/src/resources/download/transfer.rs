//! The transfer itself, over as many connections as it takes.

use std::io;
use std::time::Duration;

use stead_engine::net::{self, Request};
use stead_engine::{ApplyError, DownloadPart, Machine, WebVersion};

use super::Download;
use crate::web;

/// The pause before what broke off is taken up.
const PAUSE: Duration = Duration::from_millis(200);

/// Where what comes goes.
pub(super) struct Sink<'s> {
    to: To<'s>,
    is_full: bool,
    is_too_large: bool,
}

enum To<'s> {
    /// A file that the next run finds.
    Part(&'s mut DownloadPart),
    /// A file that cannot be begun anew.
    Direct { done: u64, version: WebVersion, take: &'s mut dyn FnMut(&[u8]) -> Result<(), ApplyError> },
}

impl<'s> Sink<'s> {
    pub(super) fn part(part: &'s mut DownloadPart) -> Self {
        Self { to: To::Part(part), is_full: false, is_too_large: false }
    }

    pub(super) fn direct(take: &'s mut dyn FnMut(&[u8]) -> Result<(), ApplyError>) -> Self {
        Self { to: To::Direct { done: 0, version: WebVersion::default(), take }, is_full: false, is_too_large: false }
    }

    /// There was no room for a part.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// More came than may.
    pub(super) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    fn done(&self) -> u64 {
        match &self.to {
            To::Part(part) => part.done(),
            To::Direct { done, .. } => *done,
        }
    }

    fn version(&self) -> &WebVersion {
        match &self.to {
            To::Part(part) => part.version(),
            To::Direct { version, .. } => version,
        }
    }

    /// Begins with this version; what is there of another is dropped.
    fn begin(&mut self, new: Option<WebVersion>, name: &str) -> Result<(), ApplyError> {
        match &mut self.to {
            To::Part(part) => {
                let outcome = part.begin(new);
                self.written(outcome)
            }
            To::Direct { done: 0, version, .. } => {
                *version = new.unwrap_or_default();
                Ok(())
            }
            To::Direct { .. } => Err(web::failed(name, "the file on the server changed while it was fetched")),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ApplyError> {
        match &mut self.to {
            To::Part(part) => {
                let outcome = part.add(bytes);
                self.written(outcome)
            }
            To::Direct { done, take, .. } => {
                take(bytes)?;
                *done += bytes.len() as u64;
                Ok(())
            }
        }
    }

    fn written(&mut self, outcome: io::Result<()>) -> Result<(), ApplyError> {
        let Err(error) = outcome else { return Ok(()) };
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        self.is_full |= matches!(error.kind(), FileTooLarge | QuotaExceeded | ReadOnlyFilesystem | StorageFull);
        let To::Part(part) = &self.to else { return Err(ApplyError::io("write", "", &error)) };
        Err(ApplyError::io("write", part.path(), &error))
    }
}

/// How a connection ended.
enum Ended {
    /// All of it is there.
    Whole,
    /// What was there is of no use; all of it has to come.
    Anew,
}

impl Download {
    /// Lets all of it come, or the rest of what is there.
    pub(super) fn transfer(&self, machine: &Machine, url: &str, sink: &mut Sink<'_>) -> Result<(), ApplyError> {
        let first = self.fetching().request(url);
        let mut left = self.resumes;
        let mut may_begin_anew = true;
        loop {
            let before = sink.done();
            let mut request = first.clone();
            if before > 0 {
                request.conditions.push(("Range".into(), format!("bytes={before}-").into()));
                request.conditions.extend(sink.version().for_rest().map(|version| ("If-Range".into(), version.clone())));
            }
            match self.connect(machine, &request, sink) {
                Ok(Ended::Whole) => return Ok(()),
                Ok(Ended::Anew) if may_begin_anew => may_begin_anew = false,
                Ok(Ended::Anew) => {
                    return Err(web::failed(&self.shown_origin(), "the file on the server changed while it was fetched"));
                }
                Err(error) => {
                    let can_go_on = sink.done() > 0 && sink.version().for_rest().is_some();
                    if error.code() != "fetch-failed" || !can_go_on || left == 0 || sink.is_too_large {
                        return Err(error);
                    }
                    left -= 1;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    pub(super) fn too_large(&self) -> ApplyError {
        web::failed(&self.shown_origin(), "it is larger than `max_size`")
    }

    /// One connection.
    fn connect(&self, machine: &Machine, request: &Request, sink: &mut Sink<'_>) -> Result<Ended, ApplyError> {
        let name = self.shown_origin();
        let done = sink.done();
        let mut response = net::send(request).map_err(|error| web::failed(&name, &error.to_string()))?;
        let version = WebVersion::of(|header| response.header(header));
        if done > 0 && response.status == 416 {
            let total = response.header("content-range").and_then(|range| range.strip_prefix("bytes */")?.parse().ok());
            if total == Some(done) {
                return Ok(Ended::Whole);
            }
            sink.begin(None, &name)?;
            return Ok(Ended::Anew);
        }
        web::accept(&response, &name)?;
        let mut skip = 0;
        let is_same = version.as_ref().and_then(WebVersion::for_rest).is_some_and(|now| sink.version().for_rest() == Some(now));
        if done == 0 {
            sink.begin(version, &name)?;
        } else if response.status == 206 {
            let expected = format!("bytes {done}-");
            if !response.header("content-range").is_some_and(|range| range.starts_with(&expected)) {
                return Err(web::failed(&name, "the server sent another part than was asked for"));
            }
            // Some servers send a rest whatever it is of.
            if !is_same && version.as_ref().is_some_and(|version| version.for_rest().is_some()) {
                sink.begin(None, &name)?;
                return Ok(Ended::Anew);
            }
        } else if is_same {
            skip = done;
        } else {
            sink.begin(version, &name)?;
        }
        web::pour(machine, &mut response, &name, &mut |piece| {
            let known = usize::try_from(skip.min(piece.len() as u64)).unwrap_or(piece.len());
            let fresh = piece.get(known..).unwrap_or_default();
            skip -= (piece.len() - fresh.len()) as u64;
            if fresh.is_empty() {
                return Ok(());
            }
            if sink.done().saturating_add(fresh.len() as u64) > self.max_size.0 {
                sink.is_too_large = true;
                return Err(self.too_large());
            }
            sink.take(fresh)
        })?;
        Ok(Ended::Whole)
    }
}
