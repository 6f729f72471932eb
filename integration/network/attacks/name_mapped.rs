//! A name that a rule allows is the host's loopback in IPv6 clothes.
//!
//! Stopped by: the check of each address that a name has.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "name_mapped",
    about: "an allowed name that is ::ffff:127.0.0.1",
    jail_args: allow!["mapped.test:80", "mapped.test:8080"],
    requires: requires![ipv6],
    attack: |env| client::every_door(env.jailed, "mapped.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: mapped.test")),
    ..BASE
};
