//! The person runs `git config` during a run: git renames a new file over .git/config. A mount on a
//! file that is replaced elsewhere is lazily detached, and the protection with it.
//!
//! Not stopped: nothing can be mounted again from outside in time. jail says so when the run ends.

use super::prelude::*;
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "git_config_replaced",
    about: "write .git/config after the host replaced it",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.git/config", "[core]\n");
        fixture.write("ws/.git/hooks/README", "");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        fs::write(ws.join("ready"), "").expect("ready");
        // Longer than any machine takes: the harness ends it before.
        let until = Instant::now() + Duration::from_secs(600);
        while !ws.join("replaced").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        judge(fs::write(ws.join(".git/config"), "[core]\n\tfsmonitor = evil\n"))
    },
    during: Some(|fixture, _| {
        let until = Instant::now() + crate::run::patience(5000);
        while !fixture.at("ws/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        fixture.write("ws/.git/config.lock", "[core]\n\tbare = false\n");
        fs::rename(fixture.at("ws/.git/config.lock"), fixture.at("ws/.git/config")).expect("rename");
        fixture.write("ws/replaced", "");
    }),
    by_design: Some("the kernel takes the mount away with the file; jail tells at the end"),
    ..Attack::BASE
};
