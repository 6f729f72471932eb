//! The only place that prints. Data goes to stdout, everything else to stderr.

use crate::failure::Failure;
use crate::runs::Log;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

/// Where lines for the person are kept as well, while a run goes on.
static KEPT: Mutex<Option<Log>> = Mutex::new(None);

/// Keeps what is said from now on in the log of a run too, or no more.
pub fn keep(log: Option<Log>) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = log;
}

/// Writes data to stdout. A reader that went away (`| head`) is no error.
pub fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Shows a failure on stderr; colour only on a terminal.
pub fn failure(failure: &Failure) {
    let mut text = failure.to_string();
    if colour() {
        text = text
            .replacen("error:", "\x1b[1;31merror:\x1b[0m", 1)
            .replace("\ncaused by:", "\n\x1b[1mcaused by:\x1b[0m")
            .replace("\nhint:", "\n\x1b[1;36mhint:\x1b[0m");
    }
    line(&text);
}

/// One line for the person, on stderr. With stderr closed there is nobody left to tell.
pub fn line(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(complaint) = kept.and_then(|log| log.jail(text)) {
        drop(writeln!(io::stderr().lock(), "{complaint}"));
    }
}

/// One line for the person that is not ours: it is kept in no log as if it were.
pub fn others_line(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// True where stderr is a terminal and NO_COLOR (<https://no-color.org>) is not set.
pub fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// True where stdout is a terminal and NO_COLOR is not set.
pub fn data_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Waits, but not for longer than the reader of stdout is there. True where it has left, so that
/// nothing more need be printed.
pub fn wait_while_read(wait: PollTimeout) -> bool {
    let out = io::stdout();
    let mut fds = [PollFd::new(out.as_fd(), PollFlags::empty())];
    match poll(&mut fds, wait) {
        Ok(0) | Err(_) => false,
        Ok(_) => fds[0].any().unwrap_or(true),
    }
}
