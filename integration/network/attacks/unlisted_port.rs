//! Asks the doors for ports of an allowed host that no rule names.
//!
//! Stopped by: the rules name ports.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "unlisted_port",
    about: "unlisted ports of an allowed host",
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for port in [22, 25, 5432, 8080, 8443] {
            let doors = [
                ("connect", client::tunnel(&format!("allowed.test:{port}"))),
                ("socks", client::socks_name(b"allowed.test", port)),
            ];
            for (door, stream) in doors {
                match stream {
                    Err(why) => closed.push(format!("{door} {port}: {why}")),
                    Ok(_) => opened.push(format!("{door} {port}")),
                }
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| {
            matches!(seen, Seen::Packet { to, protocol: 6, port }
                if [ALLOWED, ALLOWED6].contains(to) && ![80, 443].contains(port))
        })
    }),
    ..BASE
};
