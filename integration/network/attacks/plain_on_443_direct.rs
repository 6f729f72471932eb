//! Speaks plain HTTP for another host where TLS belongs, by the transparent door.
//!
//! Stopped by: only TLS passes at a TLS port.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "plain_on_443_direct",
    about: "no TLS at port 443, by the transparent door",
    attack: |_| {
        let stream = super::sni_direct::dial();
        drop(stream.and_then(|s| client::exchange(s, &client::get("other.test"))));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && kit::contains(first, "other.test")))),
    ..BASE
};
