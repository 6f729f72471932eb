//! allowed.test.evil.test: a rule that is compared from the left.
//!
//! Stopped by: names are compared whole.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "suffix_name",
    about: "a name that begins like an allowed one",
    attack: |env| client::every_name(env.jailed, &["allowed.test.evil.test"], 80),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
