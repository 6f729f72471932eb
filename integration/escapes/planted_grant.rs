//! A folder that is granted, below one that the connector may write, was replaced by a link in an
//! earlier run: the next run must not show what the link points to.
//!
//! Stopped by: the plan refuses links below writable folders.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "planted_grant",
    about: "a link planted where the next run grants a folder",
    setup: |fixture| {
        let ws = fixture.workspace();
        std::os::unix::fs::symlink(fixture.at("home/.ssh"), ws.join("data")).expect("a link");
        fixture.set_path("granted", "ws/data");
    },
    jail_args: &["--workspace", "host:{host_ws}", "--read", "{granted}"],
    attack: |env| judge_secret(fs::read(env.path("granted").join("id_rsa")), env.get("marker")),
    run_refused: Some("symbolic link"),
    ..Attack::BASE
};
