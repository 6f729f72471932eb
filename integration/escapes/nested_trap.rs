//! Leaves a trap deeper in the workspace than its top: SUB/.vscode/tasks.json.
//!
//! Not stopped: only the top of each writable folder is looked at; a search of every folder would take
//! as long as the folder is large.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "nested_trap",
    about: "create sub/.vscode/tasks.json",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let folder = env.path("ws").join("sub/.vscode");
        let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("tasks.json"), "{}"));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| fixture.at("ws/sub/.vscode/tasks.json").exists().then(|| "it is there".into())),
    by_design: Some("only the top of a writable folder is protected"),
    ..Attack::BASE
};
