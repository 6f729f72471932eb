//! A run's log as lines that can be shown: nothing that a connector wrote acts on a terminal, or passes for
//! jail's own words.

use super::frame::{Frame, Source};
use crate::audit::hides;

/// A line that does not end is shown in pieces of this size.
const LONGEST: usize = 8 << 10;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since 1970.
    pub time: u64,
    pub source: Source,
    pub bytes: Vec<u8>,
}

/// Makes lines of pieces. What the connector has not ended yet waits; lines of jail's own pass by it.
#[derive(Debug, Default)]
pub struct Lines {
    part: Vec<u8>,
    time: u64,
}

impl Lines {
    pub fn take(&mut self, frame: &Frame) -> Vec<Line> {
        let (time, source) = (frame.time, frame.source);
        if source != Source::Connector {
            let bytes = frame.bytes.split(|byte| *byte == b'\n');
            return bytes.map(|bytes| Line { time, source, bytes: bytes.to_vec() }).collect();
        }
        let mut lines = Vec::new();
        for byte in &frame.bytes {
            if self.part.is_empty() {
                self.time = time;
            }
            if *byte != b'\n' {
                self.part.push(*byte);
            }
            if *byte == b'\n' || self.part.len() >= LONGEST {
                lines.push(self.line());
            }
        }
        lines
    }

    /// What was never ended.
    pub fn rest(&mut self) -> Option<Line> {
        (!self.part.is_empty()).then(|| self.line())
    }

    fn line(&mut self) -> Line {
        let mut bytes = std::mem::take(&mut self.part);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Line { time: self.time, source: Source::Connector, bytes }
    }
}

/// As text that stays on its line and moves nothing: what would is kept as `\u{1b}` or `\x{ff}`. Tabs stay.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if hides(c) && c != '\t' {
                text.extend(c.escape_unicode());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text += &format!("\\x{{{byte:02x}}}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(source: Source, text: &[u8]) -> Frame {
        Frame { source, time: 1, at: 0, bytes: text.to_vec() }
    }

    #[test]
    fn lines_are_joined_over_pieces_and_jails_own_pass_by() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(&frame(Source::Connector, b"one\r\ntw"))[0].bytes, b"one");
        let own = lines.take(&frame(Source::Jail, b"jail: said"));
        assert_eq!(
            (own[0].source, own[0].bytes.as_slice()),
            (Source::Jail, b"jail: said".as_slice())
        );
        let rest = lines.take(&frame(Source::Connector, b"o\n\nthree"));
        let texts: Vec<_> = rest.iter().map(|line| line.bytes.as_slice()).collect();
        assert_eq!(texts, [b"two".as_slice(), b""]);
        assert_eq!(lines.rest().unwrap().bytes, b"three");
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_line_without_end_is_not_kept_for_ever() {
        let mut lines = Lines::default();
        let out = lines.take(&frame(Source::Connector, &vec![b'x'; 3 * LONGEST + 1]));
        assert_eq!(out.len(), 3);
        assert_eq!(lines.rest().unwrap().bytes, b"x");
    }

    #[test]
    fn sequences_are_shown_and_not_acted_on() {
        assert_eq!(shown(b"\x1b]0;owned\x07\tok\xff"), "\\u{1b}]0;owned\\u{7}\tok\\x{ff}");
        assert_eq!(shown("\u{9b}31m\u{202e}".as_bytes()), "\\u{9b}31m\\u{202e}");
    }

    proptest! {
        #[test]
        fn nothing_that_hides_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(!shown(&bytes).chars().any(|c| hides(c) && c != '\t'));
        }
    }
}
