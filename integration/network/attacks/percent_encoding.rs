//! Hides the name behind percent signs.
//!
//! Stopped by: one parser, which knows none.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "percent_encoding",
    about: "percent-encoded host names",
    attack: |env| client::every_authority(env.jailed, &["other%2etest:80", "%6fther.test:80", "other.test%2e:80"]),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
