//! Leaves a daemon behind: double fork, a session of its own, no parent-death signal.
//!
//! Stopped by: the pid namespace ends with its init, which ends with the connector.

use super::prelude::*;
use std::time::{Duration, Instant};

/// Touches a file again and again; used by the next attack too.
pub(super) fn daemon(env: &Env) {
    let beat = env.path("ws").join("beat");
    if unsafe { libc::fork() } != 0 {
        return;
    }
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        if libc::fork() == 0 {
            // Until the fixture's folder is gone, or for six seconds where the machine is not slow.
            let until = Instant::now() + crate::run::patience(6000);
            let mut number = 0;
            while Instant::now() < until && fs::write(&beat, format!("{number}")).is_ok() {
                number += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        libc::_exit(0);
    }
}

/// Does the file still change?
pub(super) fn alive(fixture: &Fixture) -> Option<String> {
    let before = fixture.read("ws/beat");
    std::thread::sleep(Duration::from_millis(200));
    (fixture.read("ws/beat") != before).then(|| "the orphan lives".into())
}

pub const ATTACK: Attack = Attack {
    name: "orphan",
    about: "a daemon that outlives the run",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        daemon(env);
        std::thread::sleep(Duration::from_millis(60));
        Verdict::Tried("forked".into())
    },
    effect: Some(|fixture, _| alive(fixture)),
    ..Attack::BASE
};
