//! Leaves the workspace by `..`.
//!
//! CVE-2025-53109/53110 (server-filesystem). Stopped by: the mount namespace: nothing else is there.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "dotdot",
    about: "read ../../…/home/.ssh/id_rsa from the workspace",
    setup: |fixture| {
        fixture.workspace();
        fixture.set_path("file", "home/.ssh/id_rsa");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let by_root = env.path("ws").join("../".repeat(32) + &env.get("file")[1..]);
        let by_sibling = env.path("ws").join("../home/.ssh/id_rsa");
        let found = fs::read(by_root).or_else(|_| fs::read(by_sibling));
        judge_secret(found, env.get("marker"))
    },
    ..Attack::BASE
};
