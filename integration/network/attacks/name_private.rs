//! A name that a rule allows leads into the private network.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_private",
    about: "an allowed name that is 10.0.0.1",
    jail_args: allow!["private.test:80", "private.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "private.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::PRIVATE)),
    ..BASE
};
