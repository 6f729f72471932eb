//! Attaches to another process of the same user, or to the jail's init.
//!
//! Stopped by: the pid namespace, seccomp, an undumpable init, Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "ptrace",
    about: "PTRACE_SEIZE a neighbour or pid 1",
    requires: requires![ptrace],
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let neighbour: i32 = env.get("pid").parse().expect("a pid");
        let seize = |pid: i32| syscall!(libc::SYS_ptrace, 0x4206, pid, 0, 0);
        let init = if env.jailed { seize(1) } else { seize(neighbour) };
        judge(init.or_else(|_| seize(neighbour)))
    },
    ..Attack::BASE
};
