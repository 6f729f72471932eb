//! TLS that says no name: whom it is for is not known, by SOCKS5.
//!
//! Stopped by: TLS without a name is refused.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "sni_none_socks",
    about: "TLS without a server name, by SOCKS5",
    attack: |_| judge_reply(client::socks_name(b"allowed.test", 443).and_then(|s| tls::get(s, None, "x"))),
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && first.first() == Some(&22)))),
    ..BASE
};
