//! Notices that the client has gone, without touching a byte of the session.
//!
//! poll(2) reports a hang-up of a pipe or socket even when no event is asked for. A connector that
//! ignores the end of its input would otherwise live for ever (three of 26 measured ones do).

use super::EndedBy;
use crate::sys::fd::{hung_up, sends_no_more};
use nix::poll::{PollFd, PollFlags};
use std::io::{stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The other end will send no more; nix has no name for it. man: poll(2)
const RDHUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// Both ends gone means that nobody can ever talk to the connector again.
const BOTH_GONE: Duration = Duration::from_secs(2);
/// How often unread input is looked at.
const RECHECK: Duration = Duration::from_millis(200);

/// The watch over stdin and stdout.
pub(super) struct Streams {
    grace: Option<Duration>,
    input_gone: bool,
    output_gone: bool,
    /// Since when the input has ended and all of it has been read.
    ended: Option<Instant>,
    output_since: Option<Instant>,
}

impl Streams {
    pub(super) fn watch(grace: Option<Duration>) -> Self {
        Self { grace, input_gone: false, output_gone: false, ended: None, output_since: None }
    }

    /// Adds what is still open; a hang-up stays, so that one that was seen is not polled again.
    pub(super) fn add(&self, fds: &mut Vec<PollFd<'_>>) {
        if !self.input_gone {
            fds.push(PollFd::new(input(), RDHUP));
        }
        if !self.output_gone {
            fds.push(PollFd::new(output(), PollFlags::empty()));
        }
    }

    /// Called after each poll; `hangup` where one of the descriptors of `add` had something to say.
    pub(super) fn look(&mut self, hangup: bool) {
        if hangup {
            self.input_gone |= sends_no_more(input());
            self.output_gone |= hung_up(output());
        }
        if self.input_gone && self.ended.is_none() {
            // What is still in the pipe is the connector's to read first.
            let unread = crate::sys::fd::unread(input()).unwrap_or(0);
            self.ended = (unread == 0).then(Instant::now);
        }
        if self.output_gone && self.output_since.is_none() {
            self.output_since = Some(Instant::now());
        }
    }

    /// When to look again, or when a grace ends.
    pub(super) fn next_look(&self) -> Option<Instant> {
        if self.input_gone && self.ended.is_none() {
            return Some(Instant::now() + RECHECK);
        }
        self.limit()
    }

    /// The end, if it has come.
    pub(super) fn over(&self, now: Instant) -> Option<EndedBy> {
        self.limit().filter(|limit| now >= *limit).map(|_| EndedBy::Hangup)
    }

    fn limit(&self) -> Option<Instant> {
        let ended = self.ended?;
        let by_grace = self.grace.map(|grace| ended + grace);
        let by_both = self.output_since.map(|since| since.max(ended) + BOTH_GONE);
        by_grace.into_iter().chain(by_both).min()
    }
}

fn input() -> BorrowedFd<'static> {
    static STDIN: std::sync::LazyLock<std::io::Stdin> = std::sync::LazyLock::new(stdin);
    STDIN.as_fd()
}

fn output() -> BorrowedFd<'static> {
    static STDOUT: std::sync::LazyLock<std::io::Stdout> = std::sync::LazyLock::new(stdout);
    STDOUT.as_fd()
}
