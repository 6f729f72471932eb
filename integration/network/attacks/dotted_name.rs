//! The same name in other clothes: a final dot, capitals, both.
//!
//! Stopped by: one parser, before the rules.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "dotted_name",
    about: "an unlisted name with a final dot",
    attack: |env| client::every_name(env.jailed, &["other.test.", "OTHER.test", "OtHeR.TEST."], 80),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
