//! Moves .git away from its protections and makes a new one.
//!
//! Stopped by: .git itself is a mount, which cannot be renamed.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_moved_away",
    about: "rename .git and put another in its place",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git/hooks/README", "");
        fixture.write("ws/.git/config", "[core]\n");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let moved = fs::rename(ws.join(".git"), ws.join("old"))
            .and_then(|()| fs::create_dir_all(ws.join(".git/hooks")))
            .and_then(|()| fs::write(ws.join(".git/hooks/pre-commit"), "evil"));
        judge(moved)
    },
    effect: Some(|fixture, _| {
        fixture.at("ws/.git/hooks/pre-commit").exists().then(|| "there is another .git".into())
    }),
    ..Attack::BASE
};
