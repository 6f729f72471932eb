//! A name that a rule allows is a NAT64 form of 127.0.0.1.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_nat64",
    about: "an allowed name that is 64:ff9b::7f00:1",
    jail_args: allow!["nat64.test:80", "nat64.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "nat64.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::NAT64)),
    ..BASE
};
