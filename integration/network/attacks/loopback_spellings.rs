//! The host's loopback in all its spellings, over each door that takes a name.
//!
//! Stopped by: the hostname parser (what a C library reads as an address is one), the rules.

use super::prelude::*;

/// What getaddrinfo(3) takes for this machine.
const SPELLINGS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "127.0.0.0x1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "::1",
    "::",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
];

/// Each spelling by this door; `open` makes the stream.
pub(super) fn each(env: &Env, ask: fn(&str) -> io::Result<Vec<u8>>) -> Verdict {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for host in SPELLINGS {
        match judge_reply(ask(host)) {
            Verdict::Refused(why) => closed.push(format!("{host}: {why}")),
            _ => opened.push((*host).to_owned()),
        }
    }
    client::settle(env.jailed, opened, closed)
}

pub(super) fn authority(host: &str) -> String {
    if host.contains(':') { format!("[{host}]:8080") } else { format!("{host}:8080") }
}

pub const ATTACK: Attack = Attack {
    name: "loopback_spellings",
    about: "CONNECT to the host's loopback",
    requires: requires![ipv6],
    attack: |env| {
        each(env, |host| {
            client::tunnel(&authority(host)).and_then(|s| client::exchange(s, &client::get("loopback")))
        })
    },
    effect: Some(|_, _| world::get().seen.request_with("/loopback")),
    ..BASE
};
