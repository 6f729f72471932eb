//! Asks for real-time scheduling, which can starve the machine.
//!
//! Stopped by: RLIMIT_RTPRIO is 0, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "schedule_realtime",
    about: "sched_setscheduler(SCHED_FIFO)",
    requires: requires![root],
    attack: |_| {
        let priority = 1i32;
        judge(syscall!(libc::SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &raw const priority))
    },
    ..Attack::BASE
};
