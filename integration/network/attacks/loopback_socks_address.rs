//! The host's loopback as SOCKS5 addresses of both kinds.
//!
//! Stopped by: the rules: an address must be named by one.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "loopback_socks_address",
    about: "SOCKS5 addresses of the host's loopback",
    requires: requires![ipv6],
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for address in ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"] {
            let stream = client::socks_address(address.parse().expect("an address"), 8080);
            match judge_reply(stream.and_then(|s| client::exchange(s, &client::get("loopback")))) {
                Verdict::Refused(why) => closed.push(format!("{address}: {why}")),
                _ => opened.push(address.to_owned()),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| world::get().seen.request_with("/loopback")),
    ..BASE
};
