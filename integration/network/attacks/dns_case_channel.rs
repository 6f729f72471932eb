//! Carries a bit in each letter's case of an allowed name.
//!
//! Stopped by: the resolver asks for the name as the rules have it.

use super::prelude::*;

use hickory_proto::rr::RecordType;

pub const ATTACK: Attack = Attack {
    name: "dns_case_channel",
    about: "data in the capitals of an allowed name",
    attack: |_| {
        drop(client::ask(client::nameserver(), "aLLoWeD.tEsT", RecordType::A));
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| {
        world::get().seen.find(|seen| matches!(seen, Seen::Question { spelled, .. } if spelled.contains("aLLoWeD.tEsT")))
    }),
    ..BASE
};
