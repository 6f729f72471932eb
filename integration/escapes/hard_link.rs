//! Links a read-only file into a writable folder, to write it there.
//!
//! Stopped by: two mounts; a hard link does not cross them.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "hard_link",
    about: "link(2) a read-only file into the workspace and write it",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("outside/file", "original");
        fixture.set_path("file", "outside/file");
    },
    jail_args: &["--workspace", "host:{host_ws}", "--read", "{file}"],
    attack: |env| {
        let link = env.path("ws").join("link");
        judge(fs::hard_link(env.get("file"), &link).and_then(|()| fs::write(link, "changed")))
    },
    effect: Some(|fixture, _| (fixture.read("outside/file") != "original").then(|| "it changed".into())),
    ..Attack::BASE
};
