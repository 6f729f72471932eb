//! stdout is a host file opened for appending: reopens it for reading and gets what was in it.
//!
//! Stopped by: Landlock: the file lies under no rule (the descriptor itself stays usable).

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "reopen_stdout",
    about: "open /proc/self/fd/1 with other rights",
    requires: requires![landlock(1)],
    setup: |fixture| {
        // Not the secret itself, which must not be in the output; its marker is enough.
        let marker = fixture.secret.replace("SECRET-", "earlier line: ");
        fixture.write("outside/log", &format!("{marker}\n"));
        let log = fixture.at("outside/log");
        fixture.output_file = Some(log.clone());
        fixture.hook(move |command| {
            let file = fs::OpenOptions::new().append(true).open(&log).expect("the log");
            command.stdout(file);
        });
    },
    attack: |env| judge_secret(fs::read("/proc/self/fd/1"), env.get("marker")),
    ..Attack::BASE
};
