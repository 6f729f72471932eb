//! The life of the egress process after its birth: last things from the host, confinement, service.

use super::{Config, Event};
use crate::failure::{Failure, Kind};
use crate::spawn::handover;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Serves until the supervisor shuts its end of `events` down.
pub fn run(config: Config, events: OwnedFd, sockets: &OwnedFd) -> Result<(), Failure> {
    let mut out = UnixStream::from(events);
    let result = prepared(config, &mut out, sockets);
    if let Err(failure) = &result {
        let why = failure.causes.join(": ");
        // A supervisor that is gone needs no word.
        drop(tell(&mut out, &Event::Failed { what: failure.what.clone(), why }));
    }
    result
}

fn prepared(config: Config, out: &mut UnixStream, sockets: &OwnedFd) -> Result<(), Failure> {
    all_descriptors()?;
    let Some(sockets) = handover::receive(sockets.as_fd())? else {
        // The jail could not be set up; what it reported says why.
        return Ok(());
    };
    tell(out, &Event::Ready).map_err(|error| unheard(&error))?;
    let mut byte = [0];
    std::io::Read::read(out, &mut byte).map_err(|error| unheard(&error))?;
    drop((config, sockets));
    Ok(())
}

fn unheard(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Io, "the supervisor does not hear").because(error)
}

/// The soft limit is often 1024; every connection needs two.
fn all_descriptors() -> Result<(), Failure> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .map_err(|errno| {
            Failure::new(Kind::Refused, "cannot raise the limit of open files").because(errno.desc())
        })
}

/// One event, one line.
pub(super) fn tell(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)
}
