//! HTTP/2 where HTTP/1 belongs: its names are in compressed binary frames, which nobody looks at.
//!
//! Stopped by: what is no HTTP/1 is malformed at an HTTP port.

use super::prelude::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub const ATTACK: Attack = Attack {
    name: "http2_prior_knowledge",
    about: "HTTP/2 in plain text at port 80",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        for stream in [client::tunnel("allowed.test:80"), client::dial(ALLOWED, 80)] {
            drop(stream.and_then(|s| client::exchange_whole(s, PREFACE)));
        }
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { first, .. } if first.starts_with(b"PRI *")))),
    ..BASE
};
