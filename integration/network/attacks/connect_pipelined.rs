//! Sends data before the answer to CONNECT: a plain request for another host, where TLS belongs.
//!
//! Stopped by: what goes through a tunnel is looked at from its first byte.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "connect_pipelined",
    about: "data in one packet with CONNECT",
    attack: |_| {
        let request = "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n\
            GET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n";
        let answer = client::http_door_whole(request.as_bytes());
        let text = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Verdict::Tried(format!("sent; the answer: {text:?}"))
    },
    effect: Some(|_, _| world::get().seen.bytes_to(ALLOWED, 443, b"/smuggled").or_else(|| world::get().seen.bytes_to(ALLOWED6, 443, b"/smuggled"))),
    ..BASE
};
