//! `--tty`: a pseudo-terminal of the jail's own, joined to the person's terminal.
//!
//! The connector never holds the person's terminal: no TIOCSTI, no change of its modes, no reading of
//! what is typed elsewhere.

use crate::failure::{Failure, Kind};
use crate::sys::terminal;
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
        Ok(Some(Self { master, before, input_open: true, output_open: true }))
    }

    /// What to wait for: always as many as [`Session::step`] expects.
    pub(super) fn add<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let wanted = |open| if open { PollFlags::POLLIN } else { PollFlags::empty() };
        if self.output_open {
            fds.push(PollFd::new(self.master.as_fd(), PollFlags::POLLIN));
        }
        if self.input_open {
            fds.push(PollFd::new(input(), wanted(self.input_open)));
        }
    }

    /// Moves what is there, in both directions.
    pub(super) fn step(&mut self) {
        if self.output_open && readable(self.master.as_fd()) {
            self.output_open = pump(self.master.as_fd(), output());
        }
        if self.input_open && readable(input()) {
            self.input_open = pump(input(), self.master.as_fd());
            if !self.input_open {
                // End of input, as a terminal says it (VEOF); a closed master would be a hang-up.
                self.output_open &= unistd::write(&self.master, &[4]).is_ok();
            }
        }
    }

    /// After the jail is gone: what it still wrote.
    pub(super) fn drain(&mut self) {
        while self.output_open && readable(self.master.as_fd()) {
            self.output_open = pump(self.master.as_fd(), output());
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
        if let Some(before) = &self.before
            && let Err(errno) = tcsetattr(stdin(), SetArg::TCSANOW, before)
        {
            crate::cli::ui::line(&format!("jail: cannot restore the terminal: {}", errno.desc()));
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

fn readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
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
