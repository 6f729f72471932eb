//! Two names at one address (a CDN): the listed one is looked up, the other is asked for.
//!
//! Stopped by: SNI and Host must be the listed name.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "shared_address",
    about: "an unlisted name that shares an address with a listed one",
    jail_args: allow!["shared-a.test:80", "shared-a.test:443"],
    attack: |env| {
        drop(client::resolve("shared-a.test"));
        let request = client::get("shared-b.test");
        let to = world::SHARED;
        let over_tls = |s| tls::get(s, Some("shared-b.test"), "shared-b.test");
        let tries = [
            ("direct", client::dial(to, 80).and_then(|s| client::exchange(s, &request))),
            ("direct TLS", client::dial(to, 443).and_then(over_tls)),
            ("connect", client::tunnel("shared-a.test:80").and_then(|s| client::exchange(s, &request))),
            ("connect TLS", client::tunnel("shared-a.test:443").and_then(over_tls)),
            ("socks", client::socks_name(b"shared-a.test", 80).and_then(|s| client::exchange(s, &request))),
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
    effect: Some(|_, _| {
        world::get().seen.request_with("host: shared-b.test").or_else(|| client::hello_for("shared-b.test"))
    }),
    ..BASE
};
