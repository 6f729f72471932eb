//! One end of a connection: bytes that came and were not yet used, heads out of them, bodies through.

use super::body::{Decoder, Piece};
use super::head::{HeadError, end_of_head};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes of a read: few at first, since most connections carry little, and many once reads fill up.
const SMALL: usize = 8 << 10;
const LARGE: usize = 64 << 10;

/// What came and was not yet used.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    /// The last read took all the room that there was.
    filled: bool,
}

impl Inbox {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        let rest = self.unread().to_vec();
        *self = Self::default();
        rest
    }

    /// Reads more; 0 at the end of the connection. Cancelled, it has read nothing.
    pub(super) async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.reserve(if self.filled { LARGE } else { SMALL });
        let room = self.bytes.capacity() - self.bytes.len();
        let got = from.read_buf(&mut self.bytes).await?;
        self.filled = got == room;
        Ok(got)
    }
}

/// When something last moved on a connection.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Rc<Cell<Instant>>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(Instant::now())))
    }

    pub(super) fn beat(&self) {
        self.0.set(Instant::now());
    }

    /// Comes back when nothing has moved for so long.
    pub(super) async fn stopped(&self, idle: Duration) {
        loop {
            let end = self.0.get() + idle;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Head(#[from] HeadError),
    #[error("the head did not come in time")]
    Late,
    /// The connection ended where a head should have begun, or never came to be one.
    #[error("the connection was closed")]
    Closed { begun: bool },
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The bytes of one head, taken off the inbox. The first byte may be as late as it likes, the rest not.
pub(super) async fn read_head(
    inbox: &mut Inbox,
    from: &mut (impl AsyncRead + Unpin),
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, ReadError> {
    if inbox.unread().is_empty() && inbox.fill(from).await? == 0 {
        return Err(ReadError::Closed { begun: false });
    }
    let rest = async {
        let mut seen = 0;
        loop {
            if let Some(end) = end_of_head(inbox.unread(), seen, limit)? {
                let head = inbox.unread()[..end].to_vec();
                inbox.consume(end);
                return Ok(head);
            }
            seen = inbox.unread().len();
            if inbox.fill(from).await? == 0 {
                return Err(ReadError::Closed { begun: true });
            }
        }
    };
    timeout(time, rest).await.unwrap_or(Err(ReadError::Late))
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
    #[error("the connection ended inside a body")]
    Short,
    #[error("{0}")]
    Read(io::Error),
    #[error("{0}")]
    Write(io::Error),
}

/// Sends one body on, piece by piece as it comes, as chunks of its own or as it is. `moved` hears of
/// each piece's size when it has been written.
pub(super) async fn copy_body(
    decoder: &mut Decoder,
    (inbox, from): (&mut Inbox, &mut (impl AsyncRead + Unpin)),
    to: &mut (impl AsyncWrite + Unpin),
    chunked: bool,
    moved: impl AsyncFn(usize),
) -> Result<(), CopyError> {
    let mut content = Vec::new();
    loop {
        let piece = decoder.next(inbox.unread()).map_err(CopyError::Malformed)?;
        match piece {
            Piece::Content(count) => {
                content.extend_from_slice(&inbox.unread()[..count]);
                inbox.consume(count);
                continue;
            }
            Piece::Syntax(count) => {
                inbox.consume(count);
                continue;
            }
            Piece::More | Piece::Done => {}
        }
        if !content.is_empty() {
            write_piece(to, &content, chunked).await.map_err(CopyError::Write)?;
            moved(content.len()).await;
            content.clear();
        }
        if piece == Piece::Done {
            break;
        }
        // Nothing is held back while we wait for more.
        to.flush().await.map_err(CopyError::Write)?;
        if inbox.fill(from).await.map_err(CopyError::Read)? == 0 {
            if decoder.may_end() {
                break;
            }
            return Err(CopyError::Short);
        }
    }
    if chunked {
        to.write_all(b"0\r\n\r\n").await.map_err(CopyError::Write)?;
    }
    to.flush().await.map_err(CopyError::Write)
}

async fn write_piece(
    to: &mut (impl AsyncWrite + Unpin),
    content: &[u8],
    chunked: bool,
) -> io::Result<()> {
    if chunked {
        let mut chunk = format!("{:x}\r\n", content.len()).into_bytes();
        chunk.extend_from_slice(content);
        chunk.extend_from_slice(b"\r\n");
        to.write_all(&chunk).await
    } else {
        to.write_all(content).await
    }
}

/// Sends on whatever comes until the end, which it passes on as well.
pub(super) async fn copy_all(
    (inbox, from): (&mut Inbox, &mut (impl AsyncRead + Unpin)),
    to: &mut (impl AsyncWrite + Unpin),
    moved: impl AsyncFn(usize),
) -> Result<(), CopyError> {
    copy_body(&mut Decoder::new(None), (inbox, from), to, false, moved).await?;
    to.shutdown().await.map_err(CopyError::Write)
}
