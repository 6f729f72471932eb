//! Passes the connector's stderr on, byte for byte, and remembers its end; and says what the supervisor
//! has to say meanwhile, to a reader who may never read. The log of the run has it all as well.

use crate::runs::Log;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

/// What is remembered for the report.
const TAIL: usize = 4096;
/// What may wait for a slow reader. POLLOUT on a pipe promises room for this much (pipe(7)).
const BUFFER: usize = 4096;
/// Lines of ours that may wait; later ones are counted. The audit log has what they say.
const LINES: usize = 64 << 10;

/// The relay; without a pipe it does nothing (stderr is inherited).
pub(crate) struct Relay {
    from: Option<OwnedFd>,
    log: Option<Log>,
    waiting: Vec<u8>,
    tail: VecDeque<u8>,
    /// Lines of ours for which there was no room.
    unsaid: u64,
}

impl Relay {
    pub(crate) fn new(from: Option<OwnedFd>, log: Option<Log>) -> Self {
        Self { from, log, waiting: Vec::new(), tail: VecDeque::new(), unsaid: 0 }
    }

    /// Says a line when there is room for it. The connector can make us say many, and its client may not
    /// read: a write that waits would keep the supervisor from signals and deadlines.
    pub(crate) fn say(&mut self, line: &str) {
        if let Some(complaint) = self.log.as_ref().and_then(|log| log.jail(line)) {
            self.wait_for_room(&complaint);
        }
        self.wait_for_room(line);
    }

    fn wait_for_room(&mut self, line: &str) {
        if self.waiting.len() + line.len() > LINES {
            self.unsaid += 1;
            return;
        }
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
    }

    /// What to wait for next: something to read, or room to write. A slow reader of our stderr slows
    /// the connector down, as it would without us, and never the supervisor.
    pub(crate) fn poll_fd(&self) -> Option<PollFd<'_>> {
        if !self.waiting.is_empty() {
            return Some(PollFd::new(stderr(), PollFlags::POLLOUT));
        }
        self.from.as_ref().map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN))
    }

    /// One read or one write; only after poll said that it will not block.
    pub(crate) fn step(&mut self) {
        if self.waiting.is_empty() {
            self.read();
        } else {
            self.write();
        }
    }

    fn read(&mut self) {
        let Some(from) = &self.from else { return };
        let mut buffer = [0u8; BUFFER];
        match unistd::read(from, &mut buffer) {
            Ok(0) => self.from = None,
            Ok(length) => {
                self.waiting.extend_from_slice(&buffer[..length]);
                self.tail.extend(&buffer[..length]);
                let excess = self.tail.len().saturating_sub(TAIL);
                self.tail.drain(..excess);
                let log = self.log.as_ref();
                if let Some(complaint) = log.and_then(|log| log.connector(&buffer[..length])) {
                    self.wait_for_room(&complaint);
                }
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(_) => self.from = None,
        }
    }

    fn write(&mut self) {
        let piece = self.waiting.get(..BUFFER).unwrap_or(&self.waiting);
        match unistd::write(stderr(), piece) {
            Ok(length) => drop(self.waiting.drain(..length)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            // Nobody reads our stderr any more; the tail is still kept.
            Err(_) => self.waiting.clear(),
        }
        if self.waiting.is_empty() && self.unsaid > 0 {
            let lines = std::mem::take(&mut self.unsaid);
            self.say(&format!("jail: {lines} lines more, for which there was no room"));
        }
    }

    /// Gives a slow reader a second for each piece of what waits already.
    pub(crate) fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let mut fds = [PollFd::new(stderr(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::from(1000u16)) {
                Ok(ready) if ready > 0 => self.write(),
                Err(nix::errno::Errno::EINTR) => {}
                _ => return,
            }
        }
    }

    /// After the jail is gone: takes what is left, and gives a slow reader a second for each piece.
    pub(crate) fn drain(&mut self) {
        while let Some(fd) = self.poll_fd() {
            let patience = if self.waiting.is_empty() { 0u16 } else { 1000 };
            let mut fds = [fd];
            match poll(&mut fds, PollTimeout::from(patience)) {
                Ok(ready) if ready > 0 => self.step(),
                Err(nix::errno::Errno::EINTR) => {}
                _ => return,
            }
        }
    }

    pub(crate) fn tail(&self) -> Vec<u8> {
        self.tail.iter().copied().collect()
    }
}

/// Our stderr. Nothing closes it while the supervisor runs.
fn stderr() -> std::os::fd::BorrowedFd<'static> {
    static STDERR: std::sync::LazyLock<std::io::Stderr> = std::sync::LazyLock::new(std::io::stderr);
    STDERR.as_fd()
}
