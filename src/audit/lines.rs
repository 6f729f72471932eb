//! Reading a log of any length line by line in bounded memory.

use super::tail::MAX_WINDOW;
use std::io::{self, BufRead, Read as _};

/// The longest line that is held, in bytes. A longer one is neither a record nor an honest tear:
/// the writer refuses to continue a log that ends so.
const MAX: u64 = MAX_WINDOW;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Without the newline; only the beginning where `cut`.
    pub(super) bytes: &'a [u8],
    /// It was longer than can be held.
    pub(super) cut: bool,
}

/// The lines of a reader.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    number: u64,
    grows: bool,
    /// `buffer` holds the beginning of a line whose end is not written yet.
    unfinished: bool,
}

impl<R: BufRead> Lines<R> {
    /// A last line without a newline is one too.
    pub(super) fn new(input: R) -> Self {
        let buffer = Vec::with_capacity(1024);
        Self { input, buffer, number: 0, grows: false, unfinished: false }
    }

    /// For a file that is being written: a line counts when its newline is there, and the end is
    /// only the end for now.
    pub(super) fn of_growing(input: R) -> Self {
        Self { grows: true, ..Self::new(input) }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if !std::mem::take(&mut self.unfinished) {
            self.buffer.clear();
        }
        let room = MAX - self.buffer.len() as u64;
        (&mut self.input).take(room).read_until(b'\n', &mut self.buffer)?;
        let closed = self.buffer.last() == Some(&b'\n');
        let cut = !closed && self.buffer.len() as u64 == MAX;
        self.unfinished = self.grows && !closed && !cut;
        if self.buffer.is_empty() || self.unfinished {
            return Ok(None);
        }
        if closed {
            self.buffer.pop();
        }
        if cut {
            self.input.skip_until(b'\n')?;
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes: &self.buffer, cut }))
    }
}
