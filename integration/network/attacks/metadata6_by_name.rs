//! A name that a rule allows, whose owner gave it the IPv6 address of the metadata service.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "metadata6_by_name",
    about: "an allowed name that is fd00:ec2::254",
    jail_args: allow!["metadata6.test:80", "metadata6.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "metadata6.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::METADATA6)),
    ..BASE
};
