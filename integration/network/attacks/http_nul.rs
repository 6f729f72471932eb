//! The same over HTTP: raw, and as %00.
//!
//! Stopped by: one parser, which knows neither.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "http_nul",
    about: "a NUL in the target of HTTP",
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for name in ["other.test\0.allowed.test", "other.test%00.allowed.test"] {
            let authority = format!("{name}:80");
            let by_tunnel = client::tunnel(&authority);
            let replies = [
                by_tunnel.and_then(|s| client::exchange(s, &client::get("x"))),
                client::http_door(&client::get_absolute(&authority)),
            ];
            for reply in replies {
                match judge_reply(reply) {
                    Verdict::Refused(why) => closed.push(format!("{name:?}: {why}")),
                    _ => opened.push(format!("{name:?}")),
                }
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
