//! Reads other processes' environments and command lines: the supervisor's, init's, a neighbour's.
//!
//! `jail run --env NAME=SECRET` is in the supervisor's command line and in init's. Stopped by: the pid
//! namespace, hidepid, an undumpable init.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "environ_of_others",
    about: "read /proc/*/environ and /proc/*/cmdline",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let secret = fixture.secret.clone();
        fixture.neighbour(std::process::Command::new(me).arg("--sleep").env("TOKEN", &secret));
        fixture.hook(move |command| _ = command.env("CLIENT_TOKEN", &secret));
    },
    // In init's command line, but not in the connector's environment: the second overrides the first.
    jail_args: &["--env", "TOKEN=SECRET-{marker}", "--env", "TOKEN=other"],
    attack: |env| {
        let marker = format!("SECRET-{}", env.get("marker"));
        let me = std::process::id().to_string();
        let mut seen = Verdict::Refused("no secret in sight".into());
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == me || name == "self" || name == "thread-self" {
                continue;
            }
            for file in ["environ", "cmdline"] {
                let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
                if kit::contains(&bytes, &marker) {
                    seen = Verdict::Escaped(format!("it is in /proc/{name}/{file}"));
                }
            }
        }
        seen
    },
    ..Attack::BASE
};
