//! Writes to a workspace that is a throw-away copy: the original must not change.
//!
//! Stopped by: an overlay whose writes stay in memory.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "copy_workspace",
    about: "change, remove and rename files of a copied workspace",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/a/file", "original");
        fixture.write("ws/other", "original");
    },
    jail_args: &["--workspace", "copy:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let made = fs::write(ws.join("a/file"), "changed").and_then(|()| fs::remove_file(ws.join("other")));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| {
        let same = fixture.read("ws/a/file") == "original" && fixture.at("ws/other").exists();
        (!same).then(|| "the original changed".into())
    }),
    ..Attack::BASE
};
