//! Asks for a name that no rule names, over each door.
//!
//! Stopped by: the rules.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "unlisted_name",
    about: "an unlisted name",
    attack: |env| client::every_name(env.jailed, &["other.test"], 80),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
