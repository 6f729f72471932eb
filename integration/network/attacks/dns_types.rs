//! Asks for types that carry data: TXT, NULL, HTTPS, MX, ANY.
//!
//! Stopped by: the resolver asks for addresses alone.

use super::prelude::*;

use hickory_proto::rr::RecordType::{ANY, CAA, HTTPS, MX, NS, NULL, SRV, SVCB, TXT};

pub const ATTACK: Attack = Attack {
    name: "dns_types",
    about: "questions that are not for addresses",
    attack: |_| {
        for kind in [TXT, NULL, HTTPS, SVCB, MX, SRV, NS, CAA, ANY] {
            drop(client::ask(client::nameserver(), "allowed.test", kind));
        }
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| matches!(seen, Seen::Question { kind, .. } if kind != "A" && kind != "AAAA"))
    }),
    ..BASE
};
