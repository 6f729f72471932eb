//! Joins a namespace by its file.
//!
//! Stopped by: seccomp, no capabilities, no other process in sight.

use super::prelude::*;
use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "setns",
    about: "setns() with /proc/PID/ns/{mnt,net,uts}",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| {
        let paths = ["/proc/1/ns/mnt", "/proc/1/ns/net", "/proc/self/ns/uts", "/proc/self/ns/net"];
        let join = |path: &&str| {
            let file = fs::File::open(path)?;
            syscall!(libc::SYS_setns, file.as_raw_fd(), 0)
        };
        let joined = paths.iter().map(join).find(Result::is_ok);
        judge(joined.unwrap_or_else(|| join(&paths[3])))
    },
    ..Attack::BASE
};
