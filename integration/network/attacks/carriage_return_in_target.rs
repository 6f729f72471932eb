//! A bare carriage return, which some take for the end of a line.
//!
//! Stopped by: a bare carriage return is malformed.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: a\rHost: other.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "carriage_return_in_target",
    about: "a bare carriage return in a field",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Request { head, .. } if head.contains("\rHost: other.test")))),
    ..BASE
};
