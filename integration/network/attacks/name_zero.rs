//! A name that a rule allows is 0.0.0.0, which is the host itself.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_zero",
    about: "an allowed name that is 0.0.0.0",
    jail_args: allow!["zero.test:80", "zero.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "zero.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: zero.test")),
    ..BASE
};
