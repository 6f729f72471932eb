//! Speaks plain HTTP for another host where TLS belongs, by SOCKS5.
//!
//! Stopped by: only TLS passes at a TLS port.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "plain_on_443_socks",
    about: "no TLS at port 443, by SOCKS5",
    attack: |_| {
        let stream = client::socks_name(b"allowed.test", 443);
        drop(stream.and_then(|s| client::exchange(s, &client::get("other.test"))));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && kit::contains(first, "other.test")))),
    ..BASE
};
