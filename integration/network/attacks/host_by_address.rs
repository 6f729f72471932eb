//! Asks for the host by its addresses in its networks, where its services listen as well.
//!
//! Stopped by: the rules; an address must be named by one.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_by_address",
    about: "the host's own addresses, over each door",
    requires: requires![ipv6],
    attack: |env| client::every_name(env.jailed, &["192.168.1.2", "93.184.216.34", "2a01:4f8:1::2"], 8080),
    effect: Some(|_, _| world::get().seen.request_with(":8080")),
    ..BASE
};
