//! Rewrites .git/config, which names programs that git runs.
//!
//! Stopped by: a read-only bind over it; the mount keeps it from being renamed or replaced.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_config",
    about: "write, replace or remove .git/config",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git/hooks/README", "");
        fixture.write("ws/.git/config", "[core]\n");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let git = env.path("ws").join(".git");
        let evil = "[core]\n\tfsmonitor = evil\n";
        let replaced = || {
            fs::write(git.join("new"), evil)?;
            fs::rename(git.join("new"), git.join("config"))
        };
        judge(fs::write(git.join("config"), evil).or_else(|_| replaced()))
    },
    effect: Some(|fixture, _| {
        (fixture.read("ws/.git/config") != "[core]\n").then(|| "the configuration is another".into())
    }),
    ..Attack::BASE
};
