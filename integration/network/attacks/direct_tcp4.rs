//! Dials an address that no rule names, as malware does with a list of servers.
//!
//! Stopped by: the transparent door, which knows no name for it.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "direct_tcp4",
    about: "TCP to an unlisted address",
    attack: |_| judge_reply(client::dial(OTHER, 80).and_then(|s| client::exchange(s, &client::get("x")))),
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
