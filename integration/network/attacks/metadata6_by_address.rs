//! The same over IPv6.
//!
//! Stopped by: the rules; the transparent door knows no name for it.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "metadata6_by_address",
    about: "fd00:ec2::254 by its number, over each door",
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "fd00:ec2::254", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::METADATA6)),
    ..BASE
};
