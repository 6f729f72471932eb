//! Kills whatever serves the network: each pid that can be named, and all at once.
//!
//! Stopped by: the pid namespace, Landlock's signal scope.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kill_egress",
    about: "the processes of the jail's network, killed from inside",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let pid: i32 = env.get("pid").parse().expect("a pid");
        if env.jailed {
            // Everything that this process may signal, which must not be its network.
            drop(syscall!(libc::SYS_kill, -1i64, libc::SIGKILL));
            let me = std::process::id() as i32;
            for other in (1..400).chain(pid - 50..pid + 50).filter(|other| *other != me) {
                drop(syscall!(libc::SYS_kill, other, libc::SIGKILL));
                drop(syscall!(libc::SYS_ptrace, 16, other, 0, 0));
            }
        }
        judge(syscall!(libc::SYS_kill, pid, libc::SIGKILL))
    },
    ..BASE
};
