//! Kills another process of the same user: by its number, by pidfd, and (in the jail only, where it
//! cannot hit the machine that runs the tests) by kill(-1).
//!
//! Stopped by: the pid namespace, Landlock's signal scope.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kill_neighbour",
    about: "SIGKILL to a neighbour, the supervisor and -1",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        // An own process each, whose death the harness sees.
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let pid: i32 = env.get("pid").parse().expect("a pid");
        if env.jailed {
            let _ = syscall!(libc::SYS_kill, -1i64, libc::SIGKILL);
            // init is the only one with this number; it must shrug it off.
            let _ = syscall!(libc::SYS_kill, 1, libc::SIGKILL);
        }
        let by_fd = syscall!(libc::SYS_pidfd_open, pid, 0)
            .and_then(|fd| syscall!(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, 0, 0));
        judge(by_fd.or_else(|_| syscall!(libc::SYS_kill, pid, libc::SIGKILL)))
    },
    effect: Some(|fixture, _| {
        let pid = fixture.fill("{pid}");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie until the fixture waits for it.
        (state.is_empty() || state.contains(") Z")).then(|| "the neighbour is dead".into())
    }),
    ..Attack::BASE
};
