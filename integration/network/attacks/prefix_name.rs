//! evilallowed.test: a rule that is compared from the right, without the dot.
//!
//! Stopped by: names are compared whole.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "prefix_name",
    about: "a name that ends like an allowed one",
    attack: |env| client::every_name(env.jailed, &["evilallowed.test"], 80),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
