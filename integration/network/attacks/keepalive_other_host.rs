//! The first request is decided, the second rides along on the connection.
//!
//! Stopped by: each request of a connection is decided.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\nGET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "keepalive_other_host",
    about: "a second request for another Host",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
