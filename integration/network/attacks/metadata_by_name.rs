//! A name that a rule allows, whose owner gave it the address of the metadata service.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "metadata_by_name",
    about: "an allowed name that is 169.254.169.254",
    jail_args: allow!["metadata.test:80", "metadata.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "metadata.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::METADATA)),
    ..BASE
};
