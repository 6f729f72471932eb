//! Asks a resolver of its own choice over HTTPS, at its well-known address.
//!
//! Stopped by: the address has no allowed name.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "dns_over_https",
    about: "DNS over HTTPS, by address",
    attack: |env| {
        let one = IpAddr::from([1, 1, 1, 1]);
        let over = |s| tls::get(s, Some("one.one.one.one"), "one.one.one.one");
        let tries = [
            ("direct", client::dial(one, 443).and_then(over)),
            ("connect", client::tunnel("1.1.1.1:443").and_then(over)),
            ("socks", client::socks_address(one, 443).and_then(over)),
        ];
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for (door, reply) in tries {
            match judge_reply(reply) {
                Verdict::Refused(why) => closed.push(format!("{door}: {why}")),
                _ => opened.push(door.to_owned()),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| world::get().seen.packet_to(IpAddr::from([1, 1, 1, 1]))),
    ..BASE
};
