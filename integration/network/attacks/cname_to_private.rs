//! A name that a rule allows is an alias of one in the private network.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "cname_to_private",
    about: "an allowed name, an alias of a private one",
    jail_args: allow!["cname-to-private.test:80", "cname-to-private.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "cname-to-private.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::PRIVATE)),
    ..BASE
};
