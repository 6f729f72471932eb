//! The workspace is a git worktree: .git is a file. Replaces it.
//!
//! Stopped by: a read-only bind over the file.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_worktree",
    about: "replace the .git file of a worktree",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git", "gitdir: /elsewhere\n");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let git = env.path("ws").join(".git");
        let removed = || fs::remove_file(&git).and_then(|()| fs::write(&git, "gitdir: evil\n"));
        judge(fs::write(&git, "gitdir: evil\n").or_else(|_| removed()))
    },
    effect: Some(|fixture, _| fixture.read("ws/.git").contains("evil").then(|| "it was replaced".into())),
    ..Attack::BASE
};
