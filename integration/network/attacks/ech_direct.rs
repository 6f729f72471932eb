//! The allowed name stands outside, the true one is encrypted, by the transparent door.
//!
//! Stopped by: ECH is refused.

use super::prelude::*;

/// encrypted_client_hello, outer; its content is of no use to anybody, as with GREASE.
const ECH: u16 = 0xfe0d;

pub const ATTACK: Attack = Attack {
    name: "ech_direct",
    about: "an Encrypted ClientHello, by the transparent door",
    attack: |_| {
        let hello = tls::hello_with(Some("allowed.test"), ECH, &[0, 0, 1, 0, 1, 7, 0, 0, 0, 4, 1, 2, 3, 4]);
        drop(super::sni_direct::dial().and_then(|s| client::exchange(s, &hello)));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && first.windows(2).any(|two| two == [0xfe, 0x0d])))),
    ..BASE
};
