//! QUIC: HTTP/3 goes past proxies that look at TCP.
//!
//! Stopped by: the proxy namespace, where no UDP socket listens but that of DNS.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "quic",
    about: "UDP to port 443, also of an allowed host",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        super::udp_sink::send(&[(ALLOWED, 443), (ALLOWED6, 443), (OTHER, 443)])
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| matches!(seen, Seen::Packet { protocol: 17, port: 443, .. }))
    }),
    ..BASE
};
