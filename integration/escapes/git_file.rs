//! Where there is no .git: makes a *file* of that name, which sends git to a folder with any config.
//!
//! Stopped by: what a connector makes as .git is put aside after the run.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_file",
    about: "create a .git file that names another folder",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let made = fs::write(env.path("ws").join(".git"), "gitdir: evil\n");
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| fixture.at("ws/.git").exists().then(|| ".git is there".into())),
    ..Attack::BASE
};
