//! Makes itself the last that the kernel kills when memory is short.
//!
//! Stopped by: a read-only /proc.

use super::prelude::*;
use std::os::unix::process::CommandExt;

pub const ATTACK: Attack = Attack {
    name: "oom_score",
    about: "lower /proc/self/oom_score_adj",
    setup: |fixture| {
        fixture.hook(|command| {
            unsafe { command.pre_exec(|| fs::write("/proc/self/oom_score_adj", "300")) };
        });
    },
    attack: |_| judge(fs::write("/proc/self/oom_score_adj", "0")),
    ..Attack::BASE
};
