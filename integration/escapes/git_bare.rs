//! Makes the workspace itself a bare repository: git then reads the `config` beside HEAD.
//!
//! The effect is shown by git itself. Stopped by: a HEAD that the connector makes is put aside.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "git_bare",
    about: "create HEAD, config, objects and refs at the top",
    requires: requires![git],
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let made = fs::create_dir(ws.join("objects"))
            .and_then(|()| fs::create_dir(ws.join("refs")))
            .and_then(|()| fs::write(ws.join("config"), "[core]\n\tbare = true\n[alias]\n\tst = !evil\n"))
            .and_then(|()| fs::write(ws.join("HEAD"), "ref: refs/heads/main\n"));
        Verdict::Tried(format!("{made:?}"))
    },
    effect: Some(|fixture, _| {
        let git = std::process::Command::new("git")
            .current_dir(fixture.at("ws"))
            .env("GIT_CEILING_DIRECTORIES", fixture.at(""))
            .args(["-c", "safe.directory=*", "config", "alias.st"])
            .output()
            .expect("git");
        (!git.stdout.is_empty()).then(|| "git reads the connector's configuration".into())
    }),
    ..Attack::BASE
};
