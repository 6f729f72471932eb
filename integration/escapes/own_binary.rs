//! Changes the connector's own binary on the host through /proc/self/exe.
//!
//! Stopped by: a read-only bind of everything that is executed.

use super::prelude::*;
use std::os::unix::fs::PermissionsExt;

pub const ATTACK: Attack = Attack {
    name: "own_binary",
    about: "change the mode of, or replace, /proc/self/exe",
    setup: |fixture| {
        let copy = fixture.copy_of_me("payload");
        fixture.payload = Some(copy);
    },
    attack: |_| {
        let changed = fs::set_permissions("/proc/self/exe", fs::Permissions::from_mode(0o701));
        judge(changed.or_else(|_| fs::rename("/proc/self/exe", "/tmp/moved")))
    },
    effect: Some(|fixture, _| {
        let mode = fs::metadata(fixture.at("payload")).map_or(0, |meta| meta.permissions().mode());
        (mode & 0o777 == 0o701).then(|| "its mode is another".into())
    }),
    ..Attack::BASE
};
