//! Makes .git/commondir, by which git takes its config and hooks from another folder.
//!
//! The effect is shown by git itself. Stopped by: what a connector makes there is put aside.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_commondir",
    about: "send git to another config by .git/commondir",
    requires: requires![git],
    setup: |fixture| {
        let ws = fixture.workspace();
        let made = std::process::Command::new("git").args(["init", "-q"]).arg(&ws).status();
        assert!(made.expect("git").success());
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let (ws, git) = (env.path("ws"), env.path("ws").join(".git"));
        let made = fs::create_dir_all(ws.join("evil/objects"))
            .and_then(|()| fs::create_dir_all(ws.join("evil/refs")))
            .and_then(|()| fs::write(ws.join("evil/config"), "[alias]\n\tst = !echo evil\n"))
            .and_then(|()| fs::write(git.join("commondir"), "../evil\n"));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| {
        let git = std::process::Command::new("git")
            .current_dir(fixture.at("ws"))
            .args(["-c", "safe.directory=*", "config", "alias.st"])
            .output()
            .expect("git");
        (!git.stdout.is_empty()).then(|| "git reads the connector's configuration".into())
    }),
    ..Attack::BASE
};
