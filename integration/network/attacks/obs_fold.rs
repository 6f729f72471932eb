//! An obsolete fold: one reads a continued field, one reads a new one.
//!
//! Stopped by: folds are malformed.

use super::prelude::*;

const REQUEST: &str = "GET http://allowed.test/ HTTP/1.1\r\nX: a\r\n Host: other.test\r\nHost: allowed.test\r\nConnection: close\r\n\r\n";

pub const ATTACK: Attack = Attack {
    name: "obs_fold",
    about: "a field that is folded over two lines",
    attack: |_| {
        drop(client::http_door_whole(REQUEST.as_bytes()));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
