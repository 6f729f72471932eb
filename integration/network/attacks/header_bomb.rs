//! A head twice as long as allowed, which a proxy keeps in memory.
//!
//! Stopped by: the limit of a head.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "header_bomb",
    about: "a head of 128 KiB",
    attack: |_| {
        let fill = "x".repeat(128 << 10);
        let request = format!(
            "GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nX: {fill}\r\nConnection: close\r\n\r\n"
        );
        judge_reply(client::http_door(request.as_bytes()))
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Request { head, .. } if head.len() > 128 << 10))),
    ..BASE
};
