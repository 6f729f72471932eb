//! A tunnel to port 80 of an allowed host, and in it a request for another one, by SOCKS5.
//!
//! Stopped by: Host is checked on each request, in tunnels too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_in_socks",
    about: "another Host at port 80, by SOCKS5",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        judge_reply(client::socks_name(b"allowed.test", 80).and_then(|s| client::exchange(s, &client::get("other.test"))))
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
