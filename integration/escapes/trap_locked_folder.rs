//! Leaves an .envrc, and takes from the folder's owner the right to rename in it.
//!
//! Stopped by: the quarantine gives the owner that right back first.

use super::prelude::*;
use std::os::unix::fs::PermissionsExt;

pub const ATTACK: Attack = Attack {
    name: "trap_locked_folder",
    about: "create .envrc and make the workspace read-only",
    requires: requires![not_root],
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let made = fs::write(ws.join(".envrc"), "evil")
            .and_then(|()| fs::set_permissions(&ws, fs::Permissions::from_mode(0o555)));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| {
        let there = fixture.at("ws/.envrc").exists();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(fixture.at("ws"), open).expect("the owner's right");
        there.then(|| ".envrc is there".into())
    }),
    ..Attack::BASE
};
