//! A name with two addresses: a client that tries both in turn comes to the loopback.
//!
//! Stopped by: each address is checked, and no other is dialled.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_mixed",
    about: "an allowed name with a public address and 127.0.0.1",
    jail_args: allow!["mixed.test:80", "mixed.test:8080"],
    attack: |_| {
        for _ in 0..3 {
            drop(client::by_every_door("mixed.test", 80));
            drop(client::by_every_door("mixed.test", 8080));
        }
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| {
            matches!(seen, Seen::Request { to, head, .. } if head.contains("mixed.test") && to.ip().is_loopback())
        })
    }),
    ..BASE
};
