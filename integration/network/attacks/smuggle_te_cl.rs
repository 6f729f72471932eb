//! The other way round: the proxy goes by the chunks, the server by the length.
//!
//! Stopped by: both together are malformed.

use super::prelude::*;

const REQUEST: &str = "POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\
    Content-Length: 4\r\n\r\n2e\r\nGET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n\r\n0\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "smuggle_te_cl",
    about: "Transfer-Encoding and Content-Length, server by the second",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("/smuggled")),
    ..BASE
};
