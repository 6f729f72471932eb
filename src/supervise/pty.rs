//! `--tty`: a pseudo-terminal of the jail's own, joined to the person's terminal.
//!
//! The connector never holds the person's terminal: no TIOCSTI, no change of its modes, no reading of
//! what is typed elsewhere.

use crate::failure::{Failure, Kind};
use crate::sys::terminal;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd;
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
    input_open: bool,
    output_open: bool,
    /// What the connector has not taken yet; while there is some, no more is read.
    typed: Vec<u8>,
}

impl Session {
    pub(super) fn start(master: Option<OwnedFd>) -> Result<Option<Self>, Failure> {
        let Some(master) = master else { return Ok(None) };
        let mut before = None;
        if stdin().is_terminal() {
            let modes = tcgetattr(stdin()).map_err(modes_error)?;
            let mut raw = modes.clone();
            cfmakeraw(&mut raw);
            tcsetattr(stdin(), SetArg::TCSANOW, &raw).map_err(modes_error)?;
            before = Some(modes);
        }
        // Neither a connector that does not read nor a client that does not may stop the supervisor.
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(modes_error)?;
        Ok(Some(Self { master, before, input_open: true, output_open: true, typed: Vec::new() }))
    }

    /// What to wait for next, in each direction: something to read, or room to write it.
    pub(super) fn add<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        if self.output_open {
            fds.push(if ready(output(), PollFlags::POLLOUT, 0) {
                PollFd::new(self.master.as_fd(), PollFlags::POLLIN)
            } else {
                PollFd::new(output(), PollFlags::POLLOUT)
            });
        }
        if !self.typed.is_empty() {
            fds.push(PollFd::new(self.master.as_fd(), PollFlags::POLLOUT));
        } else if self.input_open {
            fds.push(PollFd::new(input(), PollFlags::POLLIN));
        }
    }

    /// Moves what is there, in both directions, as far as there is room.
    pub(super) fn step(&mut self) {
        if ready(output(), PollFlags::POLLOUT, 0) {
            self.show();
        }
        if self.typed.is_empty() && self.input_open && ready(input(), PollFlags::POLLIN, 0) {
            let mut buffer = [0u8; 4096];
            let length = unistd::read(input(), &mut buffer).unwrap_or(0);
            self.typed.extend_from_slice(&buffer[..length]);
            self.input_open = length > 0;
            if length == 0 {
                // End of input, as a terminal says it (VEOF); a closed master would be a hang-up.
                self.typed.push(4);
            }
        }
        if !self.typed.is_empty() {
            match unistd::write(&self.master, &self.typed) {
                Ok(written) => drop(self.typed.drain(..written)),
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
                Err(_) => self.typed.clear(),
            }
        }
    }

    /// At most as much as POLLOUT promises room for (pipe(7)).
    fn show(&mut self) {
        if self.output_open && ready(self.master.as_fd(), PollFlags::POLLIN, 0) {
            self.output_open = pump(self.master.as_fd(), output());
        }
    }

    /// After the jail is gone: what it still wrote; a slow reader gets a second for each piece.
    pub(super) fn drain(&mut self) {
        while self.output_open
            && ready(self.master.as_fd(), PollFlags::POLLIN, 0)
            && ready(output(), PollFlags::POLLOUT, 1000)
        {
            self.show();
        }
    }

    /// The window changed its size.
    pub(super) fn resize(&self) {
        if let Some(size) = terminal::size(output()) {
            terminal::set_size(self.master.as_fd(), &size);
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

/// One read and its writes; false at the end. A pseudo-terminal whose other side closed gives EIO.
fn pump(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0u8; 4096];
    let Ok(length) = unistd::read(from, &mut buffer) else { return false };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match unistd::write(to, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(_) => return false,
        }
    }
    length > 0
}

fn ready(fd: BorrowedFd<'_>, what: PollFlags, patience: u16) -> bool {
    let mut fds = [PollFd::new(fd, what)];
    nix::poll::poll(&mut fds, patience).is_ok_and(|ready| ready > 0)
}

fn modes_error(errno: nix::errno::Errno) -> Failure {
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
