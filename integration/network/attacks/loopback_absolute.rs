//! The same spellings in requests to the HTTP proxy.
//!
//! Stopped by: the hostname parser, the rules.

use super::prelude::*;

use super::loopback_spellings::{authority, each};

pub const ATTACK: Attack = Attack {
    name: "loopback_absolute",
    about: "absolute-form requests to the host's loopback",
    requires: requires![ipv6],
    attack: |env| each(env, |host| client::http_door(&client::get_absolute(&authority(host)))),
    effect: Some(|_, _| {
        world::get().seen.find(|seen| matches!(seen, Seen::Request { to, .. } if to.port() == 8080))
    }),
    ..BASE
};
