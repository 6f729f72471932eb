//! Bodies: where one ends, and which of its bytes are content. Pure.

use super::head::Framing;

/// Longer than any chunk size with extensions that somebody means.
const SIZE_LINE: usize = 1024;
/// Bytes of trailers, which are dropped.
const TRAILERS: usize = 16 << 10;

/// Reads one body out of a stream of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoder(State);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// This many bytes of content are left.
    Length(u64),
    UntilClose,
    /// A line with the size of a chunk comes.
    Size,
    /// In a chunk with so many bytes left, never none.
    Chunk(u64),
    /// The line end after a chunk comes.
    ChunkEnd,
    /// Trailers, of which so many bytes came.
    Trailers(usize),
    Done,
}

/// What the first bytes of the input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes of content, never none.
    Content(usize),
    /// So many bytes that are none, never none.
    Syntax(usize),
    /// The piece is not complete, or there is no input.
    More,
    /// The body is over; what follows belongs to the next message.
    Done,
}

impl Decoder {
    /// `None`: the end of the connection is the end of the body.
    pub fn new(framing: Option<Framing>) -> Self {
        Self(match framing {
            None => State::UntilClose,
            Some(Framing::Absent) => State::Done,
            Some(Framing::Length(length)) => State::Length(length),
            Some(Framing::Chunked) => State::Size,
        })
    }

    /// True where the connection's end now is no error.
    pub fn may_end(&self) -> bool {
        matches!(self.0, State::UntilClose | State::Done)
    }

    /// The next piece; the caller takes its bytes off the input before it calls again.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, &'static str> {
        match self.0 {
            State::Length(0) => self.0 = State::Done,
            State::Done => {}
            State::UntilClose if input.is_empty() => return Ok(Piece::More),
            State::UntilClose => return Ok(Piece::Content(input.len())),
            State::Length(left) | State::Chunk(left) => return Ok(self.content(left, input)),
            State::Size => return self.size(input),
            State::ChunkEnd => {
                return match input {
                    [b'\r', b'\n', ..] => {
                        self.0 = State::Size;
                        Ok(Piece::Syntax(2))
                    }
                    [] | [b'\r'] => Ok(Piece::More),
                    _ => Err("a chunk is longer than its size"),
                };
            }
            State::Trailers(so_far) => return self.trailer(so_far, input),
        }
        Ok(Piece::Done)
    }

    fn content(&mut self, left: u64, input: &[u8]) -> Piece {
        if input.is_empty() {
            return Piece::More;
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let rest = left - here as u64;
        self.0 = match self.0 {
            State::Chunk(_) if rest == 0 => State::ChunkEnd,
            State::Chunk(_) => State::Chunk(rest),
            _ => State::Length(rest),
        };
        Piece::Content(here)
    }

    fn size(&mut self, input: &[u8]) -> Result<Piece, &'static str> {
        let Some(line) = line(input, SIZE_LINE)? else { return Ok(Piece::More) };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let hex = (1..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let size = u64::from_str_radix(text, 16).ok().filter(|_| hex);
        self.0 = match size.ok_or("a chunk size that is no number")? {
            0 => State::Trailers(0),
            size => State::Chunk(size),
        };
        Ok(Piece::Syntax(line.len() + 2))
    }

    fn trailer(&mut self, so_far: usize, input: &[u8]) -> Result<Piece, &'static str> {
        let Some(line) = line(input, TRAILERS)? else { return Ok(Piece::More) };
        let so_far = so_far + line.len() + 2;
        if so_far > TRAILERS {
            return Err("the trailers are too long");
        }
        self.0 = if line.is_empty() { State::Done } else { State::Trailers(so_far) };
        Ok(Piece::Syntax(line.len() + 2))
    }
}

/// The first line without its end, `None` if that has not come.
fn line(input: &[u8], limit: usize) -> Result<Option<&[u8]>, &'static str> {
    for (at, byte) in input.iter().enumerate().take(limit) {
        match (byte, input.get(at + 1)) {
            (b'\r', Some(b'\n')) => return Ok(Some(&input[..at])),
            (b'\r', None) | (b'\t', _) => {}
            (0..=31 | 127, _) => return Err("a control character between chunks"),
            _ => {}
        }
    }
    if input.len() >= limit { Err("a line between chunks is too long") } else { Ok(None) }
}
