//! The allowed name stands outside, the true one is encrypted, by SOCKS5.
//!
//! Stopped by: ECH is refused.

use super::prelude::*;

/// encrypted_client_hello, outer; its content is of no use to anybody, as with GREASE.
const ECH: u16 = 0xfe0d;

pub const ATTACK: Attack = Attack {
    name: "ech_socks",
    about: "an Encrypted ClientHello, by SOCKS5",
    attack: |_| {
        let hello = tls::hello_with(Some("allowed.test"), ECH, &[0, 0, 1, 0, 1, 7, 0, 0, 0, 4, 1, 2, 3, 4]);
        drop(client::socks_name(b"allowed.test", 443).and_then(|s| client::exchange(s, &hello)));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && first.windows(2).any(|two| two == [0xfe, 0x0d])))),
    ..BASE
};
