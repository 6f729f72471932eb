//! Walks into other processes' roots: /proc/PID/root, /proc/PID/cwd.
//!
//! Ona's report on Claude Code used /proc/self/root; the others are classics. Stopped by: the pid
//! namespace, hidepid, an undumpable init, and the jail's own root.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "proc_root",
    about: "read a secret by way of /proc/PID/root and /proc/PID/cwd",
    setup: |fixture| {
        fixture.set_path("file", "home/.ssh/id_rsa");
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("neighbour", &pid.to_string());
        fixture.set("harness", &std::process::id().to_string());
    },
    attack: |env| {
        let who = ["1", "2", "self", env.get("neighbour"), env.get("harness")];
        let paths = who.iter().flat_map(|who| {
            let file = env.get("file");
            // Through the magic link of another process first; `self` is the same root again.
            [format!("/proc/{who}/root{file}"), format!("/proc/{who}/cwd/../../../../../..{file}")]
        });
        let found = paths.map(fs::read).find(Result::is_ok);
        judge_secret(found.unwrap_or_else(|| fs::read("/proc/1/root")), env.get("marker"))
    },
    ..Attack::BASE
};
