//! Asks a door for the address of an allowed host, instead of its name: no name, no check of it.
//!
//! Stopped by: the rules: an address must be named by one.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "address_of_allowed",
    about: "the address of an allowed name, by its number",
    attack: |env| {
        let request = client::get("other.test");
        let tries = [
            ("connect", client::tunnel("93.184.215.14:80").and_then(|s| client::exchange(s, &request))),
            ("socks", client::socks_address(ALLOWED, 80).and_then(|s| client::exchange(s, &request))),
            ("http", client::http_door(&client::get_absolute("93.184.215.14:80"))),
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
        let seen = &world::get().seen;
        seen.request_with("host: other.test").or_else(|| seen.request_with("host: 93.184.215.14"))
    }),
    ..BASE
};
