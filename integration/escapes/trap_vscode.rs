//! Leaves a .vscode/tasks.json that runs when the folder is opened.
//!
//! Memory MCP (oddguan.com part 1). Stopped by: the folder is put aside when the run ends.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "trap_vscode",
    about: "create .vscode/tasks.json in the workspace",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let folder = env.path("ws").join(".vscode");
        let made = fs::create_dir(&folder).and_then(|()| fs::write(folder.join("tasks.json"), "{}"));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| fixture.at("ws/.vscode").exists().then(|| "it is there".into())),
    ..Attack::BASE
};
