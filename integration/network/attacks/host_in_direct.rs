//! A tunnel to port 80 of an allowed host, and in it a request for another one, by the transparent door.
//!
//! Stopped by: Host is checked on each request, in tunnels too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_in_direct",
    about: "another Host at port 80, by the transparent door",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        judge_reply(client::dial(ALLOWED, 80).and_then(|s| client::exchange(s, &client::get("other.test"))))
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
