//! Rewrites jail's own policy and audit log in the workspace.
//!
//! Stopped by: a read-only bind over .cloned.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "policy_rewrite",
    about: "write .cloned/connectors/x.yaml and .cloned/audit.log",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.cloned/connectors/x.yaml", "command: [x]\n");
        fixture.write("ws/.cloned/policy/all.yaml", "");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let own = env.path("ws").join(".cloned");
        let tries = [
            fs::write(own.join("connectors/x.yaml"), "evil"),
            fs::write(own.join("policy/new.yaml"), "evil"),
            fs::rename(&own, env.path("ws").join("old")),
        ];
        judge(tries.into_iter().find(Result::is_ok).unwrap_or_else(|| fs::write(own.join("audit.log"), "")))
    },
    effect: Some(|fixture, _| {
        let kept = fixture.read("ws/.cloned/connectors/x.yaml") == "command: [x]\n";
        let new = fixture.at("ws/.cloned/policy/new.yaml").exists();
        (!kept || new).then(|| "the policy is another".into())
    }),
    ..Attack::BASE
};
