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
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::with_capacity(1024), number: 0 }
    }

    /// The next line; `None` at the end. A last line without a newline is one too.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        if (&mut self.input).take(MAX).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let closed = self.buffer.pop_if(|byte| *byte == b'\n').is_some();
        let cut = !closed && self.buffer.len() as u64 == MAX;
        if cut {
            self.input.skip_until(b'\n')?;
        }
        Ok(Some(Line { number: self.number, bytes: &self.buffer, cut }))
    }
}
