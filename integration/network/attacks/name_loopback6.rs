//! A name that a rule allows is the host's loopback in IPv6.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_loopback6",
    about: "an allowed name that is ::1",
    jail_args: allow!["loop6.test:80", "loop6.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "loop6.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: loop6.test")),
    ..BASE
};
