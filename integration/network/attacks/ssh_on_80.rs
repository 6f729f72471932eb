//! Speaks ssh to port 80 of an allowed host.
//!
//! Stopped by: what is no HTTP is malformed at an HTTP port.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "ssh_on_80",
    about: "another protocol at port 80",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        for stream in [client::tunnel("allowed.test:80"), client::dial(ALLOWED, 80)] {
            drop(stream.and_then(|s| client::exchange_whole(s, b"SSH-2.0-attack\r\n\r\n")));
        }
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { first, .. } if first.starts_with(b"SSH-")))),
    ..BASE
};
