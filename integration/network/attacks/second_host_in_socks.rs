//! The first request of a tunnel is for the allowed host, the second for another, by SOCKS5.
//!
//! Stopped by: Host is checked on each request, in tunnels too.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "second_host_in_socks",
    about: "a second request for another Host at port 80, by SOCKS5",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        let first = b"GET /first HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
        let both = [first, &client::get("other.test")[..]].concat();
        drop(client::socks_name(b"allowed.test", 80).and_then(|s| client::exchange_whole(s, &both)));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.request_with("host: other.test")),
    ..BASE
};
