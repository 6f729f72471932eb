//! A name that a rule allows has the host's own address, which looks as public as any.
//!
//! Stopped by: the check of each address that a name has: those of this machine are not public.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_by_name",
    about: "an allowed name that is this machine",
    jail_args: allow!["host.test:80", "host.test:8080"],
    attack: |env| client::every_door(env.jailed, "host.test", 80, &[]),
    effect: Some(|_, _| world::get().seen.request_with("host: host.test")),
    ..BASE
};
