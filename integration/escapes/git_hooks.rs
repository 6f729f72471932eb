//! Plants a git hook in the workspace.
//!
//! CVE-2025-68143 and its kin; pmg PR #444. Stopped by: a read-only bind over .git/hooks.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_hooks",
    about: "create .git/hooks/post-checkout",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git/hooks/README", "");
        fixture.write("ws/.git/config", "[core]\n");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| judge(fs::write(env.path("ws").join(".git/hooks/post-checkout"), "#!/bin/sh\n")),
    effect: Some(|fixture, _| {
        fixture.at("ws/.git/hooks/post-checkout").exists().then(|| "the hook is there".into())
    }),
    ..Attack::BASE
};
