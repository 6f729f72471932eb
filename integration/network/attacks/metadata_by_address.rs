//! Asks the cloud's metadata service for credentials, by address.
//!
//! Stopped by: the rules; the transparent door knows no name for it.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "metadata_by_address",
    about: "169.254.169.254 by its number, over each door",
    attack: |env| client::every_door(env.jailed, "169.254.169.254", 80, &[]),
    effect: Some(|_, _| world::get().seen.packet_to(world::METADATA)),
    ..BASE
};
