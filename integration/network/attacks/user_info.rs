//! Says the allowed name where the user stands: the host comes after the @.
//!
//! Stopped by: user info is malformed in a proxy's target.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "user_info",
    about: "an allowed name as user info",
    attack: |env| client::every_authority(env.jailed, &["allowed.test@other.test:80", "allowed.test:80@other.test:80", "a:b@allowed.test@other.test:80"]),
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
