//! stdout is a host file opened for appending: empties it, by the descriptor itself.
//!
//! Not stopped: a descriptor keeps the rights that it was opened with. Give the connector a pipe.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "truncate_stdout",
    about: "ftruncate(1)",
    setup: |fixture| {
        fixture.write("outside/log", "earlier line\n");
        let log = fixture.at("outside/log");
        fixture.output_file = Some(log.clone());
        fixture.hook(move |command| {
            command.stdout(fs::OpenOptions::new().append(true).open(&log).expect("the log"));
        });
    },
    attack: |_| judge(syscall!(libc::SYS_ftruncate, 1, 0)),
    effect: Some(|fixture, _| {
        (!fixture.read("outside/log").starts_with("earlier")).then(|| "the log was emptied".into())
    }),
    by_design: Some("a descriptor keeps its rights; Landlock and seccomp see only later opens"),
    ..Attack::BASE
};
