//! System calls that the supervisor relies on.

use super::super::host::Check;
use super::{Attempt, Primitive, Probes};
use crate::sys::probe::{Fail, Outcome, calls, open};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::os::fd::AsFd;

const ATTEMPTS: [Attempt; 4] = [
    Attempt {
        what: Primitive {
            id: "calls.close-range",
            title: "close_range",
            cost: "descriptors that jail was started with could leak into the connector",
        },
        flags: 0,
        body: try_close_range,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "calls.openat2",
            title: "openat2",
            cost: "paths of the policy could not be opened without following links that others made",
        },
        flags: 0,
        body: try_openat2,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "calls.pidfd",
            title: "pidfd",
            cost: "a connector could not be signalled without a race",
        },
        flags: 0,
        body: try_pidfd,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "calls.no-new-privs",
            title: "no_new_privs",
            cost: "set-uid programs would keep their rights; no filter could be loaded",
        },
        flags: 0,
        body: try_no_new_privs,
        needed: true,
    },
];

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    ATTEMPTS.iter().map(|attempt| attempt.plain(probes)).collect()
}

fn try_close_range() -> Outcome {
    calls::close_range_is_there().map_err(fail("close_range"))?;
    Ok("works".into())
}

fn fail(call: &'static str) -> impl Fn(Errno) -> Fail {
    move |errno| Fail::errno(call, errno)
}

/// A way out must be refused, a way in must not.
fn try_openat2() -> Outcome {
    let root = open("/")?;
    let at = |path: &str| {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH);
        openat2(root.as_fd(), path, how)
    };
    at(".").map_err(fail("openat2"))?;
    match at("..") {
        Err(Errno::EXDEV) => Ok("RESOLVE_BENEATH holds".into()),
        Err(errno) => Err(Fail::errno("openat2(..)", errno)),
        Ok(_) => Err(Fail::note("openat2(..)", "RESOLVE_BENEATH let a path out")),
    }
}

fn try_pidfd() -> Outcome {
    let pidfd = calls::pidfd_open(nix::unistd::getpid()).map_err(fail("pidfd_open"))?;
    calls::pidfd_check(pidfd.as_fd()).map_err(fail("pidfd_send_signal"))?;
    Ok("open and signal work".into())
}

fn try_no_new_privs() -> Outcome {
    nix::sys::prctl::set_no_new_privs().map_err(fail("prctl(NO_NEW_PRIVS)"))?;
    match nix::sys::prctl::get_no_new_privs() {
        Ok(true) => Ok("set, and read back".into()),
        Ok(false) => Err(Fail::note("prctl(NO_NEW_PRIVS)", "set, but not read back")),
        Err(errno) => Err(Fail::errno("prctl(GET_NO_NEW_PRIVS)", errno)),
    }
}
