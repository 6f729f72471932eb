//! Opens as many files as it can, after raising its own limit.
//!
//! Stopped by: RLIMIT_NOFILE, soft and hard.

use super::prelude::*;
use std::os::unix::process::CommandExt;

pub const ATTACK: Attack = Attack {
    name: "descriptor_fill",
    about: "setrlimit(NOFILE) and 1500 descriptors",
    setup: |fixture| {
        fixture.hook(|command| {
            let limit = libc::rlimit { rlim_cur: 256, rlim_max: 2048 };
            unsafe {
                command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                })
            };
        });
    },
    attack: |_| {
        let more = libc::rlimit { rlim_cur: 2048, rlim_max: 2048 };
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const more) };
        let files: io::Result<Vec<fs::File>> = (0..1500).map(|_| fs::File::open("/dev/null")).collect();
        judge(files.map(|files| files.len()))
    },
    ..Attack::BASE
};
