//! Dials the allowed host at ports that no rule names: ssh, mail, a database.
//!
//! Stopped by: the proxy namespace, where nothing listens there.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "direct_unlisted_port",
    about: "TCP to ports that are not listed, of an allowed host",
    attack: |env| {
        drop(client::resolve("allowed.test"));
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for port in [22, 25, 5432, 8080] {
            let reply = client::dial(ALLOWED, port).and_then(|s| client::exchange(s, &client::get("x")));
            match judge_reply(reply) {
                Verdict::Refused(why) => closed.push(format!("{port}: {why}")),
                _ => opened.push(port.to_string()),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| {
            matches!(seen, Seen::Packet { to, protocol: 6, port } if *to == ALLOWED && ![80, 443].contains(port))
        })
    }),
    ..BASE
};
