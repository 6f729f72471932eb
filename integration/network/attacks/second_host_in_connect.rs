//! The first request of a tunnel is for the allowed host, the second for another, by CONNECT.
//!
//! Stopped by: Host is checked on each request, in tunnels too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "second_host_in_connect",
    about: "a second request for another Host at port 80, by CONNECT",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        let first = b"GET /first HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
        let both = [first, &client::get("other.test")[..]].concat();
        drop(client::tunnel("allowed.test:80").and_then(|s| client::exchange_whole(s, &both)));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
