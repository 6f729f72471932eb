//! DNS rebinding: the first answer is public, each later one is the host's loopback.
//!
//! Stopped by: the name is resolved once for a connection, and that address is dialled.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "rebinding",
    about: "a name that becomes 127.0.0.1 after it was checked",
    jail_args: allow!["rebind.test:80"],
    attack: |_| {
        // Each door, again and again: whoever looks a name up twice is lost.
        for _ in 0..3 {
            drop(client::by_every_door("rebind.test", 80));
        }
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| {
        let loopback = [IpAddr::from([127, 0, 0, 1])];
        world::get().seen.find(|seen| {
            matches!(seen, Seen::Request { to, head, .. } if head.contains("rebind.test") && loopback.contains(&to.ip()))
        })
    }),
    ..BASE
};
