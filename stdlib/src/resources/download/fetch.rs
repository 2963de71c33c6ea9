//! Asking for a file, and putting in place what came.

use std::io;
use std::sync::Arc;

use stead_engine::{
    Applied, ApplyError, DownloadPart, Downloads, FileWrite, Known, Machine, ObserveError, Staged, Stat, WebVersion, World,
};

use super::transfer::Sink;
use super::{Content, Download, missing_source};
use crate::checksum::{Checksum, Sum};
use crate::values::Mode;
use crate::web::{self, Origin};

/// A larger file is not compared with what the server has: `update` needs to hold it in memory.
const MAX_COMPARED: u64 = 256 << 20;

/// What came, as it goes to its place.
struct Seen {
    sum: Option<Sum>,
    hasher: blake3::Hasher,
}

impl Download {
    /// Asks the server whether it has another file: by the name that it gave to the version that is there and, where it says
    /// nothing of versions, by its bytes.
    pub(super) fn ask_server(&self, world: &dyn World, url: &str, found: &Stat) -> Result<Content, ObserveError> {
        let name = self.shown_origin();
        let failed = |why: &str| match web::failed(&name, why) {
            ApplyError::Observe(error) => error,
            other => ObserveError::Unavailable { service: "the web server", message: other.to_string() },
        };
        let path = self.path.as_path();
        let mut request = self.fetching().request(url);
        let mut known = None;
        if let Some(fetched) = world.fetched(path) {
            match world.digest(path)? {
                Known::Is(Some((content, _))) if fetched.is(url, &content) => known = Some(fetched.version),
                Known::Is(_) => {}
                Known::Unknown(because) => return Ok(Content::Later(because)),
            }
        }
        request.conditions = known.as_ref().map(WebVersion::conditions).unwrap_or_default();
        // What the server says of version and size is enough where it says so.
        let head = stead_engine::net::Request { method: "HEAD".into(), ..request.clone() };
        match world.fetch(&head, 0)? {
            Known::Unknown(because) => return Ok(Content::Later(because)),
            Known::Is(Err(why)) => return Err(failed(&why.to_string())),
            Known::Is(Ok(reply)) if reply.status == 304 => return Ok(Content::Good),
            Known::Is(Ok(reply)) if reply.status == 200 => {
                let length = reply.header("content-length").and_then(|length| length.parse::<u64>().ok());
                let now = WebVersion::of(|name| reply.header(name));
                // A server that does not go by conditions names its version all the same.
                if known.is_some() && known == now && length.is_none_or(|length| length == found.size) {
                    return Ok(Content::Good);
                }
                if length.is_some_and(|length| length != found.size) {
                    return Ok(Content::Other(None, None));
                }
                if length.is_some_and(|length| length > MAX_COMPARED) {
                    if known.is_some() && now.is_some() {
                        return Ok(Content::Other(None, None));
                    }
                    return Err(failed("it is too large to be compared in every plan: give a `checksum`"));
                }
            }
            // Some servers refuse to be asked like that.
            Known::Is(Ok(_)) => {}
        }
        match world.fetch(&request, MAX_COMPARED)? {
            Known::Unknown(because) => Ok(Content::Later(because)),
            Known::Is(Err(why)) => Err(failed(&why.to_string())),
            Known::Is(Ok(reply)) if reply.status == 304 => Ok(Content::Good),
            Known::Is(Ok(reply)) if !(200..=299).contains(&reply.status) => {
                Err(failed(&format!("the server answered {}", web::status_words(reply.status))))
            }
            Known::Is(Ok(reply)) => {
                let length = reply.header("content-length").and_then(|length| length.parse::<u64>().ok());
                if length.is_some_and(|length| length != reply.body.len() as u64) {
                    return Err(failed("it broke off"));
                }
                Ok(match world.holds(path, &reply.body)? {
                    Known::Is(true) => Content::Good,
                    Known::Is(false) => Content::Other(None, None),
                    Known::Unknown(because) => Content::Later(because),
                })
            }
        }
    }

    /// Brings the file beside its place, and lets it be put there when it is what was meant.
    pub(super) fn fetch(
        &self,
        machine: &Machine,
        wanted: Option<&Checksum>,
        mode: Mode,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<Applied, ApplyError> {
        let write = FileWrite {
            path: self.path.as_path().to_owned(),
            content: Arc::default(),
            mode: mode.0,
            uid,
            gid,
            validate: self.validate.clone(),
            sensitive: false,
            keeps: false,
        };
        let staged = match self.origin() {
            Some(Origin::Url(url)) => {
                let kept = machine.downloads().and_then(|downloads| Some((downloads, downloads.part(&write.path, url).ok()?)));
                let staged = match kept {
                    Some((downloads, part)) => self.by_part(machine, url, &write, wanted, downloads, part)?,
                    None => None,
                };
                match staged {
                    Some(staged) => staged,
                    None => self.directly(machine, url, &write, wanted)?,
                }
            }
            Some(Origin::Path(from)) => {
                let bytes = machine.world().read(from)?.known()?.ok_or_else(|| missing_source(from))?;
                if bytes.len() as u64 > self.max_size.0 {
                    return Err(self.too_large());
                }
                self.stage(machine, &write, wanted, &mut |take| take(&bytes))?.0
            }
            _ => return Err(web::failed(&self.shown_origin(), "it is not said where it comes from")),
        };
        Ok(Applied::Staged(vec![staged]))
    }

    /// Writes what `give` hands out beside the destination, and refuses it when it has another checksum.
    #[expect(clippy::type_complexity, reason = "a function that is handed a function")]
    fn stage(
        &self,
        machine: &Machine,
        write: &FileWrite,
        wanted: Option<&Checksum>,
        give: &mut dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<(), ApplyError>) -> Result<(), ApplyError>,
    ) -> Result<(Staged, [u8; 32]), ApplyError> {
        let mut digest = [0; 32];
        let staged = machine.stage_stream(write, &mut |file| {
            let mut seen = Seen { sum: wanted.map(|wanted| Sum::new(wanted.algorithm)), hasher: blake3::Hasher::new() };
            give(&mut |piece| {
                if let Some(sum) = &mut seen.sum {
                    sum.update(piece);
                }
                seen.hasher.update(piece);
                file.write_all(piece).map_err(|error| ApplyError::io("write", &write.path, &error))
            })?;
            digest = *seen.hasher.finalize().as_bytes();
            match (wanted, seen.sum.map(Sum::finish)) {
                (Some(wanted), Some(found)) if found != *wanted => {
                    Err(self.wrong_checksum(&found.to_string(), &wanted.to_string()))
                }
                _ => Ok(()),
            }
        })?;
        Ok((staged, digest))
    }

    /// Fetches it to where the next run finds what has come, and takes it from there. `None`: there is no room for that.
    fn by_part(
        &self,
        machine: &Machine,
        url: &str,
        write: &FileWrite,
        wanted: Option<&Checksum>,
        downloads: &Downloads,
        mut part: DownloadPart,
    ) -> Result<Option<Staged>, ApplyError> {
        loop {
            let taken_up = part.done() > 0;
            let mut sink = Sink::part(&mut part);
            let outcome = self.transfer(machine, url, &mut sink);
            let is_too_large = sink.is_too_large();
            if sink.is_full() {
                // Whatever can be freed is; what comes goes to its place directly.
                let _ = part.discard();
                return Ok(None);
            }
            if let Err(error) = outcome {
                return Err(if is_too_large { dropped(error, part) } else { kept(error, part) });
            }
            match self.stage(machine, write, wanted, &mut |take| part.read(take)) {
                Ok((staged, content)) => {
                    let version = part.version().clone();
                    let version = Some(version).filter(|version| *version != WebVersion::default());
                    // What cannot be noted is asked for again in full.
                    let _ = downloads.note_fetched(&write.path, url, version.as_ref(), &content);
                    let _ = part.discard();
                    return Ok(Some(staged));
                }
                // The beginning is an earlier run's: before the server is blamed, all of it comes from there.
                Err(error) if error.code() == "wrong-checksum" && taken_up => {
                    let refused = |error: &io::Error| ApplyError::io("write", &write.path, error);
                    part.begin(None).map_err(|error| refused(&error))?;
                }
                Err(error) if matches!(error.code(), "wrong-checksum" | "validation-failed") => {
                    return Err(dropped(error, part));
                }
                Err(error) => return Err(kept(error, part)),
            }
        }
    }

    /// Fetches it beside its place. What breaks off is taken up in this run only.
    fn directly(&self, machine: &Machine, url: &str, write: &FileWrite, wanted: Option<&Checksum>) -> Result<Staged, ApplyError> {
        let (staged, _) = self.stage(machine, write, wanted, &mut |take| self.transfer(machine, url, &mut Sink::direct(take)))?;
        Ok(staged)
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
}

/// Drops what came: it is of no use to the next run.
fn dropped(error: ApplyError, part: DownloadPart) -> ApplyError {
    let _ = part.discard();
    error
}

/// Keeps what came for the next run, and says so.
fn kept(error: ApplyError, part: DownloadPart) -> ApplyError {
    match (part.keep(), error) {
        (Ok(bytes), ApplyError::Observe(ObserveError::Impossible { code, message, hint })) if bytes > 0 => {
            let message = format!("{message}; {bytes} bytes of it are kept, and the next run goes on from there");
            ObserveError::Impossible { code, message, hint }.into()
        }
        (_, error) => error,
    }
}
