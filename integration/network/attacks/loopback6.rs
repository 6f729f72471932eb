//! Dials a service on the host's loopback by ::1: development servers, databases.
//!
//! Stopped by: the network namespace, which has a loopback of its own.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "loopback6",
    about: "TCP to ::1 of the host",
    requires: requires![ipv6],
    attack: |_| {
        let stream = client::dial("::1".parse().expect("an address"), 8080);
        judge_reply(stream.and_then(|s| client::exchange(s, &client::get("loopback"))))
    },
    effect: Some(|_, _| world::get().seen.request_with("/loopback")),
    ..BASE
};
