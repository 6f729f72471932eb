//! Where there is no .git: makes a link of that name to a repository of its own.
//!
//! Stopped by: what a connector makes as .git is put aside after the run, as a link.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_link",
    about: "create .git as a link to a folder with hooks",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let made = fs::create_dir_all(ws.join("evil/hooks"))
            .and_then(|()| fs::write(ws.join("evil/config"), "[core]\n"))
            .and_then(|()| std::os::unix::fs::symlink("evil", ws.join(".git")));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| {
        fixture.at("ws/.git").symlink_metadata().is_ok().then(|| ".git is there".into())
    }),
    ..Attack::BASE
};
