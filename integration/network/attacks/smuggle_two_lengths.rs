//! Two lengths: the proxy takes one, the server the other.
//!
//! Stopped by: two of them are malformed.

use super::prelude::*;

const REQUEST: &str = "POST http://allowed.test/first HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 44\r\n\
    Content-Length: 0\r\nX: last-length\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "smuggle_two_lengths",
    about: "two different Content-Length",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("/smuggled")),
    ..BASE
};
