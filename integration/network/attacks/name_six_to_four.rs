//! A name that a rule allows is a 6to4 form of 127.0.0.1.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_six_to_four",
    about: "an allowed name that is 2002:7f00:1::",
    jail_args: allow!["six-to-four.test:80", "six-to-four.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "six-to-four.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::SIX_TO_FOUR)),
    ..BASE
};
