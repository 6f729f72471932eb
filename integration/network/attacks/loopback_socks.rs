//! The same spellings as SOCKS5 names.
//!
//! Stopped by: the hostname parser, the rules.

use super::prelude::*;

use super::loopback_spellings::each;

pub const ATTACK: Attack = Attack {
    name: "loopback_socks",
    about: "SOCKS5 to the host's loopback",
    requires: requires![ipv6],
    attack: |env| {
        each(env, |host| {
            let stream = client::socks_name(host.as_bytes(), 8080)?;
            client::exchange(stream, &client::get("loopback"))
        })
    },
    effect: Some(|_, _| world::get().seen.request_with("/loopback")),
    ..BASE
};
