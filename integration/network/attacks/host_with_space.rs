//! Some read `Host :` as Host, some do not.
//!
//! Stopped by: a malformed field name ends the connection.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nHost : other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "host_with_space",
    about: "a Host field with a space before its colon",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Request { head, .. } if head.contains("other.test")))),
    ..BASE
};
