//! A name that no rule names, which is only an alias.
//!
//! Stopped by: the rules: a name is not what it leads to.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "alias_name",
    about: "an alias of an unlisted name",
    attack: |env| client::every_name(env.jailed, &["cname-to-other.test"], 80),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
