//! The same over IPv6, which many firewalls forget.
//!
//! Stopped by: the transparent door, which serves both families.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "direct_tcp6",
    about: "TCP to an unlisted IPv6 address",
    requires: requires![ipv6],
    attack: |_| judge_reply(client::dial(OTHER6, 80).and_then(|s| client::exchange(s, &client::get("x")))),
    effect: Some(|_, _| world::get().seen.packet_to(OTHER6)),
    ..BASE
};
