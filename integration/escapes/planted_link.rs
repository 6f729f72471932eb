//! Plants a symbolic link in the workspace and reads through it.
//!
//! CVE-2025-53110. Stopped by: the link resolves in the jail's own root.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "planted_link",
    about: "read a secret through a link in the workspace",
    setup: |fixture| {
        fixture.workspace();
        fixture.set_path("file", "home/.ssh/id_rsa");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let link = env.path("ws").join("link");
        let made = std::os::unix::fs::symlink(env.get("file"), &link);
        judge_secret(made.and_then(|()| fs::read(link)), env.get("marker"))
    },
    ..Attack::BASE
};
