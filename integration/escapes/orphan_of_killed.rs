//! The same, and the supervisor is killed with SIGKILL, as many clients do.
//!
//! Stopped by: init's parent-death signal, which the connector cannot clear.

use super::prelude::*;
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "orphan_of_killed",
    about: "a daemon that outlives a killed supervisor",
    cut_short: true,
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        super::orphan::daemon(env);
        std::thread::sleep(Duration::from_secs(3));
        Verdict::Tried("slept".into())
    },
    during: Some(|fixture, pid| {
        let until = Instant::now() + crate::run::patience(5000);
        while fixture.read("ws/beat").is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!fixture.read("ws/beat").is_empty(), "the daemon never started");
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        std::thread::sleep(Duration::from_millis(50));
    }),
    effect: Some(|fixture, _| super::orphan::alive(fixture)),
    ..Attack::BASE
};
