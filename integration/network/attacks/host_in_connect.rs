//! A tunnel to port 80 of an allowed host, and in it a request for another one, by CONNECT.
//!
//! Stopped by: Host is checked on each request, in tunnels too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_in_connect",
    about: "another Host at port 80, by CONNECT",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        judge_reply(client::tunnel("allowed.test:80").and_then(|s| client::exchange(s, &client::get("other.test"))))
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
