//! Two requests in one packet: the second goes where the first went.
//!
//! Stopped by: each request of a connection is decided.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\nGET http://other.test/ HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "pipelined_other_host",
    about: "requests for two hosts in one packet",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("http://other.test/")),
    ..BASE
};
