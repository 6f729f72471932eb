//! The same from a raw socket, as ICMP tunnels do.
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "icmp_raw",
    about: "ICMP from a raw socket",
    setup: with_capabilities,
    attack: |_| judge(super::icmp_ping::ping(libc::SOCK_RAW)),
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
