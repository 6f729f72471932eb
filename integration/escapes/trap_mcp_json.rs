//! Leaves a .mcp.json, which makes the person's next agent start the connector's programs.
//!
//! CBSE class (Cymulate, April 2026). Stopped by: it is put aside when the run ends.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "trap_mcp_json",
    about: "create .mcp.json in the workspace",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| Verdict::Tried(format!("{:?}", fs::write(env.path("ws").join(".mcp.json"), "{}"))),
    effect: Some(|fixture, _| fixture.at("ws/.mcp.json").exists().then(|| "it is there".into())),
    ..Attack::BASE
};
