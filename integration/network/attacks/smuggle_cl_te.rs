//! A body that hides a request: the proxy goes by its length, the server by its chunks.
//!
//! Stopped by: both together are malformed.

use super::prelude::*;

const REQUEST: &str = "POST http://allowed.test/te-first HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 60\r\n\
    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.test\r\nX: 0123456789\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "smuggle_cl_te",
    about: "Content-Length and Transfer-Encoding, server by the second",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("/smuggled")),
    ..BASE
};
