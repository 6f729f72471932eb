//! A link that is granted for writing leads to the folder *above* the workspace root, which nothing in
//! its own path says.
//!
//! Stopped by: the policy looks again at what is granted for writing, behind links.

use super::prelude::*;
use std::path::PathBuf;

pub const ATTACK: Attack = Attack {
    name: "policy_by_link",
    about: "write PROJECT/.cloned where a link to the folder above PROJECT is granted",
    setup: |fixture| {
        fixture.write("up/project/.cloned/connectors/x.yaml", "command: [x]\n");
        std::os::unix::fs::symlink(fixture.at("up"), fixture.at("door")).expect("a link");
        fixture.set_path("up", "up");
        fixture.set_path("door", "door");
        let project = fixture.at("up/project");
        fixture.hook(move |command| _ = command.current_dir(&project));
    },
    jail_args: &["--write", "{door}"],
    attack: |env| {
        // Where the folder itself cannot be written, another takes its place.
        let replaced = |above: PathBuf| {
            let own = above.join("project/.cloned/connectors");
            fs::write(own.join("x.yaml"), "evil").or_else(|_| {
                fs::rename(above.join("project"), above.join("old"))?;
                fs::create_dir_all(&own)?;
                fs::write(own.join("x.yaml"), "evil")
            })
        };
        judge(replaced(env.path("door")).or_else(|_| replaced(env.path("up"))))
    },
    effect: Some(|fixture, _| {
        fixture.read("up/project/.cloned/connectors/x.yaml").contains("evil").then(|| "it was written".into())
    }),
    run_refused: Some("policy"),
    ..Attack::BASE
};
