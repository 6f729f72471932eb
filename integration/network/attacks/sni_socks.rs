//! Domain fronting: the tunnel is for an allowed name, TLS for another, by SOCKS5.
//!
//! Stopped by: the server name must be the name of the tunnel.

use super::prelude::*;


pub const ATTACK: Attack = Attack {
    name: "sni_socks",
    about: "TLS for another name, by SOCKS5",
    attack: |_| judge_reply(client::socks_name(b"allowed.test", 443).and_then(|s| tls::get(s, Some("other.test"), "other.test"))),
    effect: Some(|_, _| client::hello_for("other.test")),
    ..BASE
};
