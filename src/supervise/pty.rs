//! `--tty`: a pseudo-terminal of the jail's own, joined to the person's terminal.
//!
//! The connector never holds the person's terminal: no TIOCSTI, no change of its modes, no reading of
//! what is typed elsewhere.

use crate::failure::{Failure, Kind};
use crate::sys::terminal;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd;
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One read; POLLOUT on a pipe promises room for this much (pipe(7)).
const PIECE: usize = 4096;
/// End of input as a terminal says it (VEOF); a closed master would be a hang-up.
const END: u8 = 4;

/// Makes the pair; the slave goes into the jail.
pub fn open() -> Result<OpenptyResult, Failure> {
    let size = terminal::size(stdout().as_fd());
    openpty(size.as_ref(), None)
        .map_err(|e| Failure::new(Kind::Io, "cannot make a pseudo-terminal").because(e.desc()))
}

/// The person's side while the jail runs; the terminal gets its modes back at the end.
pub(super) struct Session {
    master: OwnedFd,
    before: Option<Termios>,
    /// What was typed and what was written: a side that does not take its bytes must not stop the other.
    typed: Flow,
    written: Flow,
}

/// One direction: bytes that were read and not yet taken.
struct Flow {
    waiting: Vec<u8>,
    open: bool,
    last: u8,
}

impl Session {
    pub(super) fn start(master: Option<OwnedFd>) -> Result<Option<Self>, Failure> {
        let Some(master) = master else { return Ok(None) };
        // Ours alone: the connector's side keeps blocking.
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))
            .map_err(modes_error)?;
        let mut before = None;
        if stdin().is_terminal() {
            let modes = tcgetattr(stdin()).map_err(modes_error)?;
            let mut raw = modes.clone();
            cfmakeraw(&mut raw);
            tcsetattr(stdin(), SetArg::TCSANOW, &raw).map_err(modes_error)?;
            before = Some(modes);
        }
        Ok(Some(Self { master, before, typed: Flow::new(), written: Flow::new() }))
    }

    /// What to wait for, in the direction that each flow goes next.
    pub(super) fn add<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.extend(self.written.poll_fd(self.master.as_fd(), output()));
        fds.extend(self.typed.poll_fd(input(), self.master.as_fd()));
    }

    /// Moves what is there, in both directions.
    pub(super) fn step(&mut self) {
        self.written.step(self.master.as_fd(), output());
        let open = self.typed.open;
        self.typed.step(input(), self.master.as_fd());
        if open && !self.typed.open {
            // Within a line the first one only ends the line.
            let twice = !matches!(self.typed.last, b'\n' | b'\r');
            self.typed.waiting.extend_from_slice(if twice { &[END, END] } else { &[END] });
        }
    }

    /// After the jail is gone: what it still wrote, with a second for each piece of it.
    pub(super) fn drain(&mut self) {
        while let Some(fd) = self.written.poll_fd(self.master.as_fd(), output()) {
            let patience = if self.written.waiting.is_empty() { 0u16 } else { 1000 };
            match nix::poll::poll(&mut [fd], nix::poll::PollTimeout::from(patience)) {
                Ok(ready) if ready > 0 => self.written.step(self.master.as_fd(), output()),
                Err(Errno::EINTR) => {}
                _ => return,
            }
        }
    }

    /// The window changed its size.
    pub(super) fn resize(&self) {
        if let Some(size) = terminal::size(output()) {
            terminal::set_size(self.master.as_fd(), &size);
        }
    }
}

impl Flow {
    fn new() -> Self {
        Self { waiting: Vec::new(), open: true, last: b'\n' }
    }

    fn poll_fd<'a>(&self, from: BorrowedFd<'a>, to: BorrowedFd<'a>) -> Option<PollFd<'a>> {
        if !self.waiting.is_empty() {
            return Some(PollFd::new(to, PollFlags::POLLOUT));
        }
        self.open.then(|| PollFd::new(from, PollFlags::POLLIN))
    }

    /// One write or one read, where it does not block. A pseudo-terminal whose other side closed
    /// reads as EIO.
    fn step(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
        if !self.poll_fd(from, to).is_some_and(ready) {
            return;
        }
        if !self.waiting.is_empty() {
            match unistd::write(to, &self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                // Nobody takes it any more; what follows is read all the same, so that nobody blocks.
                Err(_) => self.waiting.clear(),
            }
            return;
        }
        let mut buffer = [0u8; PIECE];
        match unistd::read(from, &mut buffer) {
            Ok(length) => {
                self.waiting.extend_from_slice(&buffer[..length]);
                self.open = length > 0;
                self.last = self.waiting.last().copied().unwrap_or(self.last);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.open = false,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that has gone has no modes to restore.
            drop(tcsetattr(stdin(), SetArg::TCSANOW, before));
        }
    }
}

fn ready(fd: PollFd<'_>) -> bool {
    nix::poll::poll(&mut [fd], nix::poll::PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn modes_error(errno: Errno) -> Failure {
    Failure::new(Kind::Io, "cannot set the terminal's modes").because(errno.desc())
}

fn input() -> BorrowedFd<'static> {
    static STDIN: std::sync::LazyLock<std::io::Stdin> = std::sync::LazyLock::new(stdin);
    STDIN.as_fd()
}

fn output() -> BorrowedFd<'static> {
    static STDOUT: std::sync::LazyLock<std::io::Stdout> = std::sync::LazyLock::new(stdout);
    STDOUT.as_fd()
}
