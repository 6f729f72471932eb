//! `/etc/ld.so.cache`, the loader's index of libraries, in glibc's "new" format.
//!
//! Layout: magic (20 bytes), count, length of strings, flags, …, 48 bytes in all; then entries of
//! 24 bytes (flags, name, path, OS version, hardware); then the strings. Names and paths are
//! offsets from the start of the header. Older systems put a header of the "old" format before.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// A cache of 20,000 libraries has about 1.5 MiB.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// ELF for glibc 2, and the word size and machine that `ldconfig` notes beside it.
const FLAGS: u32 = if cfg!(target_arch = "aarch64") {
    0x0a03
} else if cfg!(target_arch = "riscv64") {
    0x1003
} else {
    0x0303
};

/// A cache file in memory; nothing of it is believed until it is looked at.
#[derive(Debug, Default)]
pub(super) struct Cache {
    bytes: Vec<u8>,
    /// Where the new header starts.
    base: usize,
    count: usize,
}

impl Cache {
    /// The cache of this machine; empty where there is none that can be read (musl, NixOS).
    pub(super) fn load(path: &Path) -> Self {
        let usable =
            std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_SIZE);
        let bytes = if usable { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
        Self::parse(bytes)
    }

    pub(super) fn parse(bytes: Vec<u8>) -> Self {
        let Some(base) = new_header(&bytes) else { return Self::default() };
        let Some(count) = u32_at(&bytes, base + MAGIC.len()) else { return Self::default() };
        // No more entries than fit, whatever the count says.
        let room = bytes.len().saturating_sub(base + HEADER) / ENTRY;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(room);
        Self { bytes, base, count }
    }

    /// Where the loader finds the library `name`. Entries for special processors are passed over:
    /// the plain one is always beside them.
    pub(super) fn find(&self, name: &OsStr) -> Option<PathBuf> {
        (0..self.count).find_map(|index| {
            let entry = self.base + HEADER + index * ENTRY;
            let flags = u32_at(&self.bytes, entry)?;
            let special = self.bytes.get(entry + 16..entry + 24)? != [0; 8];
            if flags != FLAGS || special || !self.is_string(entry + 4, name.as_bytes()) {
                return None;
            }
            let path = self.string(u32_at(&self.bytes, entry + 8)?)?;
            path.starts_with(b"/").then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
        })
    }

    /// Does the offset stored at `field` lead to exactly this string?
    fn is_string(&self, field: usize, wanted: &[u8]) -> bool {
        let found = || {
            let start = self.start(u32_at(&self.bytes, field)?)?;
            let end = start.checked_add(wanted.len())?;
            Some(self.bytes.get(start..end)? == wanted && *self.bytes.get(end)? == 0)
        };
        found().unwrap_or(false)
    }

    fn string(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(self.start(offset)?..)?;
        let rest = rest.get(..rest.len().min(4096))?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest.get(..end)
    }

    fn start(&self, offset: u32) -> Option<usize> {
        self.base.checked_add(usize::try_from(offset).ok()?)
    }
}

fn new_header(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(MAGIC) {
        return Some(0);
    }
    let rest = bytes.strip_prefix(OLD_MAGIC)?;
    let count = usize::try_from(u32_at(rest, 0)?).ok()?;
    // 16 bytes of old header, 12 an entry, then aligned to 8.
    let end = count.checked_mul(12)?.checked_add(16)?.checked_next_multiple_of(8)?;
    bytes.get(end..)?.starts_with(MAGIC).then_some(end)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}
