//! Where there is no .cloned, the audit log is in XDG_STATE_HOME: a grant of that folder reaches it.
//!
//! Stopped by: the policy refuses to grant what holds jail's own folders for writing.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "state_rewrite",
    about: "empty XDG_STATE_HOME/jail/audit.log",
    setup: |fixture| {
        fixture.write("state/jail/audit.log", "");
        fixture.write("state/jail/planted", "");
        fixture.set_path("state", "state");
    },
    jail_args: &["--write", "{state}"],
    attack: |env| judge(fs::write(env.path("state").join("jail/planted"), "forged")),
    effect: Some(|fixture, _| {
        (fixture.read("state/jail/planted") == "forged").then(|| "it was written".into())
    }),
    run_refused: Some("writable from inside"),
    ..Attack::BASE
};
