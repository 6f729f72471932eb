//! A name with a NUL: the rules see its end, a C library its beginning (Claude Code, srt).
//!
//! Stopped by: one parser, which knows no NUL.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "socks_nul",
    about: "SOCKS5 names with a NUL in them",
    attack: |env| {
        let (mut opened, mut closed) = (Vec::new(), Vec::new());
        for name in ["other.test\0.allowed.test", "other.test\0allowed.test", "other.test\0"] {
            let stream = client::socks_name(name.as_bytes(), 80);
            match judge_reply(stream.and_then(|s| client::exchange(s, &client::get("x")))) {
                Verdict::Refused(why) => closed.push(format!("{name:?}: {why}")),
                _ => opened.push(format!("{name:?}")),
            }
        }
        client::settle(env.jailed, opened, closed)
    },
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
