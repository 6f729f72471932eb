//! A name that a rule allows is the host's loopback.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_loopback",
    about: "an allowed name that is 127.0.0.1",
    jail_args: allow!["loop.test:80", "loop.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "loop.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: loop.test")),
    ..BASE
};
