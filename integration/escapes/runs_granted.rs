//! A grant that holds the folder of runs: whoever can open a record can lock it, so that a dead run seems to
//! live, and reads what other connectors said.
//!
//! Stopped by: the policy refuses to grant it.

use super::prelude::*;
use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "runs_granted",
    about: "lock a record in XDG_RUNTIME_DIR, which is granted",
    setup: |fixture| {
        let record = "run/cloned/jail/runs/0123456789ab-00000000/run.json";
        fixture.write(record, "{}");
        fixture.set_path("record", record);
        fixture.set_path("run", "run");
    },
    jail_args: &["--read", "{run}"],
    attack: |env| {
        let locked = fs::File::open(env.get("record")).and_then(|file| {
            syscall!(libc::SYS_flock, file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB)
        });
        judge(locked)
    },
    run_refused: Some("not granted whole"),
    ..Attack::BASE
};
