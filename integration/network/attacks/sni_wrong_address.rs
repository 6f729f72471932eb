//! Says the allowed name to a server of its own.
//!
//! Stopped by: a name counts for the addresses that it has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "sni_wrong_address",
    about: "TLS for the allowed name, at another address",
    attack: |_| {
        drop(client::resolve("allowed.test"));
        judge_reply(client::dial(OTHER, 443).and_then(|s| tls::get(s, Some("allowed.test"), "x")))
    },
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
