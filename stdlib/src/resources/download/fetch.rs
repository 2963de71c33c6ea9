//! Fetching, and taking up what broke off.

use std::sync::Arc;

use stead_engine::net::{self, Request};
use stead_engine::{Applied, ApplyError, FileWrite, Known, Machine, ObserveError, Stat, World};

use super::{Content, Download, missing_source};
use crate::checksum::{Sum, Wanted};
use crate::values::Mode;
use crate::web::{self, Origin};

/// A larger file is not compared with what the server has: `update` needs to hold it in memory.
const MAX_COMPARED: u64 = 256 << 20;

impl Download {
    /// Asks the server whether it has another file.
    pub(super) fn ask_server(&self, world: &dyn World, url: &str, found: &Stat) -> Result<Content, ObserveError> {
        let request = self.with_fetching(|fetching| fetching.request(url));
        let name = self.shown_origin();
        let failed = |why: &str| match web::failed(&name, why) {
            ApplyError::Observe(error) => error,
            other => ObserveError::Unavailable { service: "the web server", message: other.to_string() },
        };
        // What the server says of the size is enough where it is another one.
        let head = Request { method: "HEAD".into(), ..request.clone() };
        match world.fetch(&head, 0)? {
            Known::Unknown(because) => return Ok(Content::Later(because)),
            Known::Is(Err(why)) => return Err(failed(&why.to_string())),
            Known::Is(Ok(reply)) => {
                let length = reply.header("content-length").and_then(|length| length.parse::<u64>().ok());
                if reply.status == 200 && length.is_some_and(|length| length != found.size) {
                    return Ok(Content::Other(None, None));
                }
                if length.is_some_and(|length| length > MAX_COMPARED) {
                    return Err(failed("it is too large to be compared in every plan: give a `checksum`"));
                }
            }
        }
        match world.fetch(&request, MAX_COMPARED)? {
            Known::Unknown(because) => Ok(Content::Later(because)),
            Known::Is(Err(why)) => Err(failed(&why.to_string())),
            Known::Is(Ok(reply)) if !(200..=299).contains(&reply.status) => {
                Err(failed(&format!("the server answered {}", web::status_words(reply.status))))
            }
            Known::Is(Ok(reply)) => Ok(match world.holds(self.path.as_path(), &reply.body)? {
                Known::Is(true) => Content::Good,
                Known::Is(false) => Content::Other(None, None),
                Known::Unknown(because) => Content::Later(because),
            }),
        }
    }

    /// Brings the file beside its place, and lets it be put there when it is what was meant.
    pub(super) fn fetch(&self, machine: &Machine, mode: Mode, uid: Option<u32>, gid: Option<u32>) -> Result<Applied, ApplyError> {
        let write = FileWrite {
            path: self.path.as_path().to_owned(),
            content: Arc::default(),
            mode: mode.0,
            uid,
            gid,
            validate: self.validate.clone(),
            sensitive: false,
        };
        let wanted = self.wanted_checksum();
        let staged = machine.stage_stream(&write, &mut |file| {
            let mut sum = wanted.checksum().map(|checksum| Sum::new(checksum.algorithm));
            let mut size = 0_u64;
            let mut take = |piece: &[u8]| {
                size += piece.len() as u64;
                if size > self.max_size.0 {
                    return Err(web::failed(&self.shown_origin(), "it is larger than `max_size`"));
                }
                if let Some(sum) = &mut sum {
                    sum.update(piece);
                }
                file.write_all(piece).map_err(|error| ApplyError::io("write", self.path.as_path(), &error))
            };
            match self.origin() {
                Some(Origin::Url(url)) => self.pour_all(machine, url, &mut take)?,
                Some(Origin::Path(from)) => match machine.world().read(from)?.known()? {
                    Some(bytes) => take(&bytes)?,
                    None => return Err(missing_source(from).into()),
                },
                _ => return Err(web::failed(&self.shown_origin(), "it is not said where it comes from")),
            }
            match (&wanted, sum) {
                (Wanted::Is(wanted), Some(sum)) => {
                    let found = sum.finish();
                    if found == *wanted { Ok(()) } else { Err(self.wrong_checksum(&found.to_string(), &wanted.to_string())) }
                }
                _ => Ok(()),
            }
        })?;
        Ok(Applied::Staged(vec![staged]))
    }

    fn wrong_checksum(&self, found: &str, wanted: &str) -> ApplyError {
        ObserveError::Impossible {
            code: "wrong-checksum",
            message: format!(
                "what {} sent has the checksum {found}, expected {wanted}; {} is as it was",
                self.shown_origin(),
                self.path
            ),
            hint: "it is another file than was meant: look at where it comes from, or correct `checksum`".into(),
        }
        .into()
    }

    /// Hands out the whole body, over as many connections as it takes.
    fn pour_all(
        &self,
        machine: &Machine,
        url: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let name = self.shown_origin();
        let first = self.with_fetching(|fetching| fetching.request(url));
        let mut done = 0_u64;
        let mut version: Option<Arc<str>> = None;
        let mut left = self.resumes;
        loop {
            let mut request = first.clone();
            if done > 0 {
                request.headers.push(("Range".into(), format!("bytes={done}-").into()));
                request.headers.extend(version.clone().map(|version| (Arc::from("If-Range"), version)));
            }
            let outcome = net::send(&request).map_err(|error| web::failed(&name, &error.to_string())).and_then(|mut response| {
                web::accept(&response, &name)?;
                let mut skip = 0;
                if done == 0 {
                    // Only a strong tag, or a date, says that the rest belongs to the same file.
                    let tag = response.header("etag").filter(|tag| !tag.starts_with("W/"));
                    version = tag.or_else(|| response.header("last-modified")).map(Arc::from);
                } else if response.status == 206 {
                    let expected = format!("bytes {done}-");
                    if !response.header("content-range").is_some_and(|range| range.starts_with(&expected)) {
                        return Err(web::failed(&name, "the server sent another part than was asked for"));
                    }
                } else {
                    let now = response.header("etag").or_else(|| response.header("last-modified")).map(Arc::from);
                    if version.is_none() || now != version {
                        return Err(web::failed(&name, "the file on the server changed while it was fetched"));
                    }
                    skip = done;
                }
                web::pour(machine, &mut response, &name, &mut |piece| {
                    let fresh =
                        piece.get(usize::try_from(skip.min(piece.len() as u64)).unwrap_or(piece.len())..).unwrap_or_default();
                    skip -= (piece.len() - fresh.len()) as u64;
                    if fresh.is_empty() {
                        return Ok(());
                    }
                    take(fresh)?;
                    done += fresh.len() as u64;
                    Ok(())
                })
            });
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == "fetch-failed" && done > 0 && left > 0 && version.is_some() => {
                    left -= 1;
                    std::thread::sleep(std::time::Duration::from_millis(200));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
