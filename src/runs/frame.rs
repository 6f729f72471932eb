//! The pieces of a run's log: who said it, when, and where in the whole it stands.
//!
//! ```text
//! length u32 │ source u8 │ 0 0 0 │ milliseconds since 1970 u64 │ offset u64 │ the bytes
//! ```
//!
//! All little endian. The offset counts the bytes of all pieces before, also of those that are gone: where
//! two pieces do not meet, something was dropped in between. Nothing that a connector writes can look like
//! the header of a piece, or like jail's own words.

const HEADER: usize = 24;
/// More than one piece ever has.
const MOST: usize = 64 << 10;

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The connector, on its stderr.
    Connector,
    /// jail itself, a line.
    Jail,
    /// How the run ended, as JSON of [`super::End`].
    End,
}

impl Source {
    const fn number(self) -> u8 {
        match self {
            Self::Connector => 1,
            Self::Jail => 2,
            Self::End => 3,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Connector, Self::Jail, Self::End].into_iter().find(|it| it.number() == number)
    }
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub source: Source,
    /// Milliseconds since 1970.
    pub time: u64,
    pub at: u64,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes.len() as u64)
    }
}

pub(super) fn write(source: Source, time: u64, at: u64, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    let mut frame = Vec::with_capacity(HEADER + bytes.len());
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    frame.extend_from_slice(&[source.number(), 0, 0, 0]);
    frame.extend_from_slice(&time.to_le_bytes());
    frame.extend_from_slice(&at.to_le_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// All whole pieces. What follows the last of them was cut off by a kill or a full disk, or is still being
/// written.
pub(super) fn read(mut text: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = text.split_first_chunk::<HEADER>() {
        let number = |range: std::ops::Range<usize>| {
            let part = header.get(range).unwrap_or_default();
            part.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let length = usize::try_from(number(0..4)).unwrap_or(usize::MAX);
        let (Some(source), true) = (Source::of(header[4]), length <= MOST) else { break };
        let Some((bytes, after)) = rest.split_at_checked(length) else { break };
        let (time, at) = (number(8..16), number(16..24));
        frames.push(Frame { source, time, at, bytes: bytes.to_vec() });
        text = after;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_piece_is_left_out_and_those_before_it_are_kept() {
        let mut text = write(Source::Connector, 7, 0, b"one\n");
        text.extend(write(Source::Jail, 8, 4, b"jail: two"));
        let whole = read(&text);
        assert_eq!(whole.len(), 2);
        assert_eq!((whole[1].source, whole[1].time, whole[1].at), (Source::Jail, 8, 4));
        for cut in 1..HEADER + 9 {
            assert_eq!(read(&text[..text.len() - cut]), whole[..1]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&text);
        }

        #[test]
        fn pieces_read_back(parts in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let (mut text, mut at) = (Vec::new(), 0);
            for bytes in &parts {
                text.extend(write(Source::Connector, 1, at, bytes));
                at += bytes.len() as u64;
            }
            let read: Vec<_> = read(&text).into_iter().map(|frame| frame.bytes).collect();
            prop_assert_eq!(read, parts);
        }
    }
}
