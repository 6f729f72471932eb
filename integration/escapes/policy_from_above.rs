//! The folder *above* the workspace root is granted for writing: .cloned lies deeper in it.
//!
//! Stopped by: the policy refuses to grant what holds jail's own folder.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "policy_from_above",
    about: "write PROJECT/.cloned where the folder above PROJECT is granted",
    setup: |fixture| {
        fixture.write("up/project/.cloned/connectors/x.yaml", "command: [x]\n");
        fixture.set_path("up", "up");
        let project = fixture.at("up/project");
        fixture.hook(move |command| _ = command.current_dir(&project));
    },
    jail_args: &["--write", "{up}"],
    attack: |env| judge(fs::write(env.path("up").join("project/.cloned/connectors/x.yaml"), "evil")),
    effect: Some(|fixture, _| {
        fixture.read("up/project/.cloned/connectors/x.yaml").contains("evil").then(|| "it was written".into())
    }),
    run_refused: Some("policy"),
    ..Attack::BASE
};
