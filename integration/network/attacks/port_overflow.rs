//! 65558 is 22, where a number is cut to 16 bits.
//!
//! Stopped by: one parser of ports.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "port_overflow",
    about: "ports of more than 16 bits",
    attack: |env| client::every_authority(env.jailed, &["allowed.test:65558", "allowed.test:131094"]),
    effect: Some(|_, _| world::get().seen.packet(ALLOWED, 6, 22).or_else(|| world::get().seen.packet(ALLOWED6, 6, 22))),
    ..BASE
};
