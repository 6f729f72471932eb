//! Dials an unlisted address and says the Host of an allowed name.
//!
//! Stopped by: the transparent door: a name counts for the addresses it has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "direct_lying_host",
    about: "an unlisted address, with the Host of an allowed one",
    attack: |_| {
        // The answer for the allowed name is known, so that there is something to confuse.
        drop(client::resolve("allowed.test"));
        let request = client::get("allowed.test");
        judge_reply(client::dial(OTHER, 80).and_then(|s| client::exchange(s, &request)))
    },
    effect: Some(|_, _| world::get().seen.packet_to(OTHER)),
    ..BASE
};
