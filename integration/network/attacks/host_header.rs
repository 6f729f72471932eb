//! The rules see the target, the server sees Host: domain fronting without TLS.
//!
//! Stopped by: Host must be the target.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "host_header",
    about: "an absolute target, and another Host",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
