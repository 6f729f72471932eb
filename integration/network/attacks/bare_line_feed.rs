//! A head that ends at a bare line feed for one, and goes on for the other.
//!
//! Stopped by: a bare line feed is malformed.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: a\n\nGET /smuggled HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "bare_line_feed",
    about: "lines that end in a bare line feed",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("/smuggled")),
    ..BASE
};
