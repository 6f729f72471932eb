//! The end of the log: its last good record, and what lies after it.

use super::record::{self, Link, Torn};
use super::text::Digest;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How much of the end is read at first, in bytes; a record is about 600.
const WINDOW: u64 = 4096;
/// How far back a good record is looked for.
pub(super) const MAX_WINDOW: u64 = 4 * 1024 * 1024;

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The last good record; [`Link::START`] where there is none.
    pub(super) last: Link,
    /// The link that the last good record follows.
    pub(super) before: Link,
    /// What lies after it.
    pub(super) torn: Option<Torn>,
    /// False where the file ends in the middle of a line.
    pub(super) closed: bool,
    /// Of the file, in bytes.
    pub(super) len: u64,
}

/// Finds the end. `None` where the last [`MAX_WINDOW`] bytes hold no record.
pub(super) fn find(file: &File) -> io::Result<Option<End>> {
    let len = file.metadata()?.len();
    let mut window = WINDOW;
    loop {
        let from = len.saturating_sub(window);
        let mut bytes = vec![0; usize::try_from(len - from).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, from)?;
        if let Some(end) = last_record(&bytes, from == 0, len) {
            return Ok(Some(end));
        }
        if window >= MAX_WINDOW {
            return Ok(None);
        }
        window = (window * 8).min(MAX_WINDOW);
    }
}

/// The last record in `bytes`, which end where the file ends. A record that lacks nothing but its
/// newline counts.
fn last_record(bytes: &[u8], whole: bool, len: u64) -> Option<End> {
    let newline_before = |stop: usize| bytes[..stop].iter().rposition(|byte| *byte == b'\n');
    let closed = bytes.last().is_none_or(|byte| *byte == b'\n');
    let mut stop = if closed { bytes.len().saturating_sub(1) } else { bytes.len() };
    loop {
        let newline = newline_before(stop);
        // Only a line whose start is in the window can be judged.
        let start = match newline {
            Some(newline) => newline + 1,
            None if whole => 0,
            None => return None,
        };
        if let Ok(record) = record::read(&bytes[start..stop]) {
            let before = Link { seq: record.seq.saturating_sub(1), hash: record.prev };
            let torn = torn(bytes.get(stop + 1..).unwrap_or_default());
            return Some(End { last: record.link(), before, torn, closed, len });
        }
        match newline {
            Some(newline) => stop = newline,
            None => break,
        }
    }
    Some(End { last: Link::START, before: Link::START, torn: torn(bytes), closed, len })
}

/// The newline that closes torn bytes, there already or yet to be written, is not counted.
fn torn(rest: &[u8]) -> Option<Torn> {
    if rest.is_empty() {
        return None;
    }
    let bytes = rest.strip_suffix(b"\n").unwrap_or(rest);
    Some(Torn { bytes: bytes.len() as u64, sha256: Digest::of(bytes) })
}
