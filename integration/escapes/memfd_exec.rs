//! Runs a program that no file system holds.
//!
//! Not stopped: it is no more than what an interpreter in the jail can do with any bytes, and it stays
//! under every control.

use super::prelude::*;
use std::os::unix::process::CommandExt;

pub const ATTACK: Attack = Attack {
    name: "memfd_exec",
    about: "execute a memfd",
    attack: |_| {
        let Ok(fd) = syscall!(libc::SYS_memfd_create, c"x".as_ptr(), 0) else {
            return Verdict::Refused("no memfd".into());
        };
        let path = format!("/proc/self/fd/{fd}");
        // Not fs::copy, which changes modes as well: that is refused without namespaces.
        let copied = fs::read("/bin/true").and_then(|program| fs::write(&path, program));
        // One program may have many names, and look at the one that it was called by.
        let mut program = std::process::Command::new(&path);
        program.arg0("true");
        let run = copied.and_then(|_| program.status());
        judge(run.and_then(|status| status.success().then_some(()).ok_or(io::ErrorKind::Other.into())))
    },
    by_design: Some("interpreters run any bytes anyway; the controls hold for all that is executed"),
    ..Attack::BASE
};
