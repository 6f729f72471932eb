//! A name that a rule allows leads into the provider's network, where a cloud has its metadata.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_cgnat",
    about: "an allowed name that is 100.100.100.200",
    jail_args: allow!["cgnat.test:80", "cgnat.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "cgnat.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::SHARED_SPACE)),
    ..BASE
};
