//! Rewrites the configuration of a submodule, which `git status` at the top runs programs from.
//!
//! Stopped by: a read-only bind over .git/modules.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_submodule",
    about: "write .git/modules/NAME/config",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git/config", "[core]\n");
        fixture.write("ws/.git/modules/lib/config", "[core]\n");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        judge(fs::write(env.path("ws").join(".git/modules/lib/config"), "[core]\n\tfsmonitor = evil\n"))
    },
    effect: Some(|fixture, _| {
        fixture.read("ws/.git/modules/lib/config").contains("evil").then(|| "it was written".into())
    }),
    ..Attack::BASE
};
