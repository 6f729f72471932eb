//! `xchunked`, which a lenient server reads as chunks and a proxy does not.
//!
//! Stopped by: an unknown coding is malformed.

use super::prelude::*;

const REQUEST: &str = "POST http://allowed.test/te-first HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: xchunked\r\n\
    Content-Length: 49\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "smuggle_te_in_disguise",
    about: "a Transfer-Encoding that not all can read",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("/smuggled")),
    ..BASE
};
