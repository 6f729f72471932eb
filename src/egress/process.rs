//! The life of the egress process after its birth: last things from the host, confinement, service.

use super::{Config, Event, Start, serve};
use crate::failure::{Failure, Kind};
use crate::firewall::Rules;
use crate::spawn::handover;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

/// Serves until the other end of `stop` is closed. What fails is told through `events` as well.
pub fn run(
    config: Config,
    events: OwnedFd,
    stop: OwnedFd,
    sockets: OwnedFd,
) -> Result<(), Failure> {
    let mut out = File::from(events);
    let result = prepared(config, &mut out, stop, sockets);
    if let Err(failure) = &result {
        let why = failure.causes.join(": ");
        tell(&mut out, &Event::Failed { what: failure.what.clone(), why });
    }
    result
}

fn prepared(
    config: Config,
    out: &mut File,
    stop: OwnedFd,
    sockets: OwnedFd,
) -> Result<(), Failure> {
    all_descriptors()?;
    let Some(made) = handover::receive(sockets.as_fd())? else {
        // The jail could not be set up; what it reported says why.
        return Ok(());
    };
    drop(sockets);
    let start = Start { config, overlay: Rules::default(), sockets: made, stop };
    serve::run(start, |event| tell(out, event), |_| {})
}

/// The soft limit is often 1024; every connection needs two.
fn all_descriptors() -> Result<(), Failure> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .map_err(|errno| {
            Failure::new(Kind::Refused, "cannot raise the limit of open files")
                .because(errno.desc())
        })
}

/// One event, one line. A supervisor that is gone needs no word: its end is ours as well.
fn tell(out: &mut impl Write, event: &Event) {
    if let Ok(mut line) = serde_json::to_vec(event) {
        line.push(b'\n');
        drop(out.write_all(&line));
    }
}
