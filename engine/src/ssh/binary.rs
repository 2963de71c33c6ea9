//! The worker as a file: this very program, or one that was built for another architecture.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::journal::hex;

/// The largest worker.
const MAX_SIZE: u64 = 1 << 30;

/// A worker that can be put on machines of one architecture.
#[derive(Debug)]
pub struct WorkerBinary {
    path: PathBuf,
    arch: &'static str,
    sha256: String,
    plain: OnceLock<Vec<u8>>,
    packed: OnceLock<Vec<u8>>,
}

/// Workers, one an architecture.
#[derive(Debug)]
pub struct WorkerBinaries(Vec<WorkerBinary>);

impl WorkerBinary {
    /// Opens a program. Its SHA-256 is computed, where it is not known from before.
    ///
    /// # Errors
    /// When it cannot be read, or is no program for Linux on an architecture that is known.
    pub fn open(path: &Path, known: Option<String>) -> io::Result<Self> {
        let mut head = [0; 20];
        File::open(path)?.read_exact(&mut head).map_err(|_| not_a_program())?;
        let arch = architecture(&head).ok_or_else(not_a_program)?;
        let binary = Self { path: path.to_owned(), arch, sha256: String::new(), plain: OnceLock::new(), packed: OnceLock::new() };
        let sha256 = match known {
            Some(known) => known,
            None => hex(&Sha256::digest(binary.plain()?)),
        };
        Ok(Self { sha256, ..binary })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `uname -m` says on the machines that it is for.
    pub fn arch(&self) -> &'static str {
        self.arch
    }

    /// Its SHA-256 in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn plain(&self) -> io::Result<&[u8]> {
        if let Some(content) = self.plain.get() {
            return Ok(content);
        }
        let mut content = Vec::new();
        File::open(&self.path)?.take(MAX_SIZE).read_to_end(&mut content)?;
        Ok(self.plain.get_or_init(|| content))
    }

    /// The content, as it is sent. Packed once, for however many machines.
    ///
    /// # Errors
    /// When the file cannot be read, or is another one by now.
    pub(super) fn content(&self, gzip: bool) -> io::Result<&[u8]> {
        let plain = self.plain()?;
        if !gzip {
            return Ok(plain);
        }
        let pack = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            // Writing to memory does not fail.
            let _ = encoder.write_all(plain);
            encoder.finish().unwrap_or_default()
        };
        Ok(self.packed.get_or_init(pack))
    }
}

impl WorkerBinaries {
    /// Takes workers; the first of an architecture counts.
    pub fn new(binaries: Vec<WorkerBinary>) -> Self {
        Self(binaries)
    }

    pub(super) fn of(&self, arch: &str) -> Option<&WorkerBinary> {
        self.0.iter().find(|binary| binary.arch == arch)
    }

    pub(super) fn all(&self) -> &[WorkerBinary] {
        &self.0
    }

    /// The architectures that there is a worker for.
    pub fn architectures(&self) -> Vec<&'static str> {
        self.0.iter().map(WorkerBinary::arch).collect()
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        let binary = |arch| WorkerBinary {
            path: PathBuf::from("/nowhere"),
            arch,
            sha256: "00".repeat(32),
            plain: OnceLock::new(),
            packed: OnceLock::new(),
        };
        Self(vec![binary("x86_64"), binary("aarch64")])
    }
}

fn not_a_program() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no program for Linux that is known here")
}

/// The machine that an ELF file is for, in the words of uname(1).
fn architecture(head: &[u8; 20]) -> Option<&'static str> {
    let is_64_little = head.starts_with(b"\x7fELF\x02\x01");
    let machine = u16::from_le_bytes([head[18], head[19]]);
    match machine {
        62 if is_64_little => Some("x86_64"),
        183 if is_64_little => Some("aarch64"),
        243 if is_64_little => Some("riscv64"),
        21 if is_64_little => Some("ppc64le"),
        258 if is_64_little => Some("loongarch64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_for_this_machine() {
        let own = std::env::current_exe().expect("a program");
        let binary = WorkerBinary::open(&own, Some("00".into())).expect("a binary");
        assert_eq!(binary.arch(), std::env::consts::ARCH);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("script");
        std::fs::write(&path, "#!/bin/sh\necho hello, I am no worker\n").expect("write");
        assert_eq!(WorkerBinary::open(&path, None).expect_err("a script").kind(), io::ErrorKind::InvalidData);
    }
}
