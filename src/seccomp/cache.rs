//! Remembers which profiles of the user's libseccomp has agreed with.
//!
//! Comparing with libseccomp is the expensive part of a profile; reading it and making the program
//! is not. So nothing is ever *loaded* from the cache: the program is made anew in each run, and the
//! cache only says that this very program was proven before. Whoever can write there can make jail
//! skip a proof of its own compiler, and no more: the cache cannot weaken a filter.

use super::arch::Arch;
use super::compile;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The note about one profile.
pub(super) struct Seal {
    folder: PathBuf,
    /// The digest of everything that the proof depended on.
    key: String,
}

impl Seal {
    pub(super) fn new(folder: &Path, json: &[u8]) -> Self {
        let libseccomp = compile::version();
        let parts: [&[u8]; 4] = [
            env!("CARGO_PKG_VERSION").as_bytes(),
            libseccomp.as_bytes(),
            Arch::NATIVE.name().as_bytes(),
            json,
        ];
        Self { folder: folder.to_owned(), key: digest(&parts) }
    }

    /// True where the note is there, is ours and names this program.
    pub(super) fn vouches_for(&self, bpf: &[u8]) -> bool {
        self.read().is_ok_and(|text| text == self.text(bpf))
    }

    /// Writes the note, all of it or nothing.
    pub(super) fn write(&self, bpf: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // 0600 is how tempfile makes files.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(self.text(bpf).as_bytes())?;
        file.persist(self.path()).map_err(|e| e.error)?;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.proven", self.key))
    }

    fn text(&self, bpf: &[u8]) -> String {
        format!("{}\n", digest(&[self.key.as_bytes(), bpf]))
    }

    fn read(&self) -> io::Result<String> {
        let open = |path: &Path, flags| {
            OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | flags).open(path)
        };
        ours_alone(&open(&self.folder, libc::O_DIRECTORY)?)?;
        let file = open(&self.path(), 0)?;
        ours_alone(&file)?;
        let mut text = String::new();
        file.take(256).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Refuses what others own or may write.
fn ours_alone(file: &File) -> io::Result<()> {
    let meta = file.metadata()?;
    if meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// SHA-256 over the parts, each with its length before it, so that no two lists of parts look alike.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
