//! Makes itself the last that the kernel kills when memory is short.
//!
//! Stopped by: a read-only /proc.

use super::prelude::*;
use std::os::unix::process::CommandExt;

pub const ATTACK: Attack = Attack {
    name: "oom_score",
    about: "lower /proc/self/oom_score_adj",
    setup: |fixture| {
        // From what we have to more, and back: services of a user cannot go below theirs.
        let ours = fs::read_to_string("/proc/self/oom_score_adj").expect("our own");
        let ours: i32 = ours.trim().parse().expect("a number");
        fixture.set("ours", &ours.to_string());
        let more = (ours + 300).to_string();
        fixture.hook(move |command| {
            let more = more.clone();
            unsafe { command.pre_exec(move || fs::write("/proc/self/oom_score_adj", &more)) };
        });
    },
    attack: |env| judge(fs::write("/proc/self/oom_score_adj", env.get("ours"))),
    ..Attack::BASE
};
