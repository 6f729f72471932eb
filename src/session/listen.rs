//! `jail run --listen unix:PATH`: one jailed connector per connection.

use super::Session;
use crate::audit::RunId;
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use crate::runs::STOP_NOW;
use crate::sys::clone::{Cloned, clone3, leave};
use crate::sys::fd::dup_onto;
use crate::sys::process::add_signal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// More connections than this at one time wait in the backlog.
const AT_ONCE: usize = 64;
/// At the end: asked, killed by their supervisors, which record it, and killed with them.
const ENDS: [i32; 3] = [libc::SIGTERM, STOP_NOW, libc::SIGKILL];
/// How long the connectors have after each of these.
const END_GRACE: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT; then the jails are ended and the socket is removed.
pub fn serve(path: &Path, session: impl Fn() -> Result<Session, Failure>) -> Result<u8, Failure> {
    // A policy that cannot be planned is refused now, not at the first connection.
    let first = session()?;
    let socket = Socket::bind(path)?;
    let mut waited = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        waited.add(signal);
    }
    let waited = add_signal(waited, STOP_NOW);
    let id = RunId::fresh().to_string();
    let entry = first.begin(&first.listener(&id, path));
    drop(first);
    let session = || {
        let mut session = session()?;
        session.belongs_to(&id);
        Ok(session)
    };
    let result = until_told(&socket, &waited, &session);
    match &result {
        Ok(code) => entry.end(*code, "told to end"),
        Err(failure) => entry.failed(failure),
    }
    result
}

fn until_told(
    socket: &Socket<'_>,
    waited: &SigSet,
    session: &impl Fn() -> Result<Session, Failure>,
) -> Result<u8, Failure> {
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(waited), Some(&mut before)).map_err(io)?;
    let signals =
        SignalFd::with_flags(waited, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(io)?;
    ui::line(&format!("jail: listening on unix:{}", socket.path.display()));
    let mut jails: BTreeMap<i32, OwnedFd> = BTreeMap::new();
    loop {
        let accept = if jails.len() < AT_ONCE { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(socket.listener.as_fd(), accept),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(io(errno)),
        }
        let connection = fds[1].any().unwrap_or(false);
        while let Ok(Some(info)) = signals.read_signal() {
            if info.ssi_signo != Signal::SIGCHLD as u32 {
                let told = info.ssi_signo.cast_signed() == STOP_NOW;
                end(jails, &signals, if told { &ENDS[1..] } else { &ENDS })?;
                return Ok(crate::exit::OK);
            }
            reap(&mut jails);
        }
        if connection {
            accept_one(socket, session, &before, &mut jails)?;
        }
    }
}

fn accept_one(
    socket: &Socket,
    session: &impl Fn() -> Result<Session, Failure>,
    mask: &SigSet,
    jails: &mut BTreeMap<i32, OwnedFd>,
) -> Result<(), Failure> {
    // The client may be gone again; the next one is not its fault.
    let Ok((stream, _)) = socket.listener.accept() else { return Ok(()) };
    if !same_user(&stream) {
        ui::line("jail: refused a connection of another user");
        return Ok(());
    }
    match clone3(0, None) {
        Ok(Cloned::Parent { pid, pidfd }) => {
            jails.insert(pid, pidfd);
            Ok(())
        }
        Ok(Cloned::Child) => leave(i32::from(one(&stream, session, mask))),
        Err(error) => {
            Err(Failure::new(Kind::Io, "cannot make a process for a connection").because(error))
        }
    }
}

/// The whole life of one connection, in a process of its own: a supervisor like any other.
fn one(stream: &UnixStream, session: &impl Fn() -> Result<Session, Failure>, mask: &SigSet) -> u8 {
    let connected = crate::sys::process::die_with_parent()
        .and_then(|()| dup_onto(stream.as_fd(), 0))
        .and_then(|()| dup_onto(stream.as_fd(), 1));
    let result = match connected {
        Ok(()) => sigprocmask(SigmaskHow::SIG_SETMASK, Some(mask), None)
            .map_err(io)
            .and_then(|()| session())
            .and_then(Session::run),
        Err(error) => Err(Failure::new(Kind::Io, "cannot serve a connection").because(error)),
    };
    result.unwrap_or_else(|failure| {
        ui::failure(&failure);
        failure.run_code()
    })
}

fn same_user(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials)
        .is_ok_and(|peer| peer.uid() == nix::unistd::geteuid().as_raw())
}

fn reap(jails: &mut BTreeMap<i32, OwnedFd>) {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        match status.pid() {
            Some(pid) if !matches!(status, WaitStatus::StillAlive) => {
                drop(jails.remove(&pid.as_raw()))
            }
            _ => return,
        }
    }
}

/// One signal after the other to every jail that is still there. Their supervisors are waited for: they
/// write the audit log, and take their cgroups away.
fn end(mut jails: BTreeMap<i32, OwnedFd>, signals: &SignalFd, ends: &[i32]) -> Result<(), Failure> {
    for signal in ends {
        for pidfd in jails.values() {
            // One that has ended already needs no signal; all others die with us (die_with_parent).
            if let Err(error) = crate::sys::process::send_signal(pidfd.as_fd(), *signal)
                && error.errno() != nix::errno::Errno::ESRCH
            {
                ui::line(&format!("jail: cannot end a connection's jail: {error}"));
            }
        }
        let until = Instant::now() + END_GRACE;
        reap(&mut jails);
        while !jails.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(io(errno)),
            }
            while let Ok(Some(_)) = signals.read_signal() {}
            reap(&mut jails);
        }
    }
    Ok(())
}

/// A bound socket file, mode 0600, removed at the end.
struct Socket<'a> {
    listener: UnixListener,
    path: &'a Path,
}

impl<'a> Socket<'a> {
    fn bind(path: &'a Path) -> Result<Self, Failure> {
        let fail = |why: String| {
            Failure::new(Kind::Refused, format!("cannot listen on unix:{}", path.display()))
                .because(why)
        };
        if let Ok(meta) = path.symlink_metadata() {
            if !meta.file_type().is_socket() {
                return Err(fail("a file that is no socket is in the way".into()));
            }
            if UnixStream::connect(path).is_ok() {
                return Err(fail("somebody is listening there already".into()));
            }
            std::fs::remove_file(path).map_err(|e| fail(e.to_string()))?;
        }
        // No moment in which others could connect: the mode is right when the file appears.
        let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        nix::sys::stat::umask(before);
        let listener = bound.map_err(|e| fail(e.to_string()))?;
        let mode = path.metadata().map_err(|e| fail(e.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(fail(format!("its mode is {:o}, not 0600", mode & 0o777)));
        }
        listener.set_nonblocking(true).map_err(|e| fail(e.to_string()))?;
        Ok(Self { listener, path })
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        // Somebody else may have removed it; it is gone either way.
        drop(std::fs::remove_file(self.path));
    }
}

fn io(errno: nix::errno::Errno) -> Failure {
    Failure::new(Kind::Io, "cannot serve connections").because(errno.desc())
}
