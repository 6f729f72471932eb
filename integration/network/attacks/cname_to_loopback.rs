//! A name that a rule allows is an alias of one that is the host's loopback.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "cname_to_loopback",
    about: "an allowed name, an alias of the loopback",
    jail_args: allow!["cname-to-loop.test:80", "cname-to-loop.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "cname-to-loop.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: cname-to-loop.test")),
    ..BASE
};
