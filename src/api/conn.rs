//! What is known of a connection while it is served, and how long it may keep an answer waiting.

use axum::body::{Body, HttpBody};
use hyper::body::{Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// How long an answer may wait to be taken. A live view waits for as long as its client likes.
const TAKEN: Duration = Duration::from_secs(30);

/// What one connection does.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<Facts>>);

#[derive(Debug)]
struct Facts {
    /// Requests that are under way.
    busy: usize,
    since: Instant,
    /// It was found out who asks.
    known: bool,
    /// What is under way is a live view.
    watches: bool,
}

impl Activity {
    pub(super) fn new(known: bool) -> Self {
        let facts = Facts { busy: 0, since: Instant::now(), known, watches: false };
        Self(Arc::new(Mutex::new(facts)))
    }

    pub(super) fn begin(&self) -> Busy {
        self.facts().busy += 1;
        Busy(self.clone())
    }

    pub(super) fn known(&self) {
        self.facts().known = true;
    }

    pub(super) fn watches(&self, watches: bool) {
        self.facts().watches = watches;
    }

    pub(super) fn is_known(&self) -> bool {
        self.facts().known
    }

    /// Since when nothing is under way.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let facts = self.facts();
        (facts.busy == 0).then_some(facts.since)
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Each change is one step: what is in it is right whatever happened to who had it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request is under way, until the last byte of its answer was taken.
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut facts = self.0.facts();
        facts.busy -= 1;
        facts.since = Instant::now();
    }
}

/// The body of an answer; its connection is at work as long as it is there.
pub(super) struct Held {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl HttpBody for Held {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose other end has to take what it asked for.
pub(super) struct Patient<S> {
    stream: S,
    activity: Activity,
    /// Since nothing more could be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity, stuck: None }
    }

    /// What came of a write; too late where nothing did for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if result.is_ready() || self.activity.facts().watches {
            self.stuck = None;
            return result;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(TAKEN)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Read + Unpin> Read for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: Write + Unpin> Write for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        all: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, all);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
