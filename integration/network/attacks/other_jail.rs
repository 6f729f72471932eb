//! Another jail may reach other.test at the same time; asks for it, as that one could.
//!
//! Stopped by: each jail has doors and rules of its own.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "other_jail",
    about: "what another jail may reach",
    setup: |fixture| {
        if fixture.jailed {
            let me = std::env::current_exe().expect("my path").display().to_string();
            let mut other = fixture.jail(&["--read", &me, "--allow", "other.test:80", "--allow", "other.test:443"]);
            fixture.neighbour(other.args(["--", &me, "--sleep"]));
        }
    },
    attack: |env| client::every_door(env.jailed, "other.test", 80, &[]),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
