//! Asks a resolver of its own choice over TLS, where nobody can read along.
//!
//! Stopped by: nothing listens at port 853; the address has no allowed name.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "dns_over_tls",
    about: "DNS over TLS, port 853",
    attack: |_| judge_reply(client::dial(world::RESOLVER, 853).and_then(|s| client::exchange(s, &tls::hello(Some("dns.test"))))),
    effect: Some(|_, _| world::get().seen.packet_to(world::RESOLVER)),
    ..BASE
};
