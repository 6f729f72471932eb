//! Reads another process's memory: process_vm_readv and /proc/PID/mem.
//!
//! Stopped by: the pid namespace, seccomp, an undumpable init.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "process_memory",
    about: "read the memory of a neighbour or of pid 1",
    requires: requires![ptrace],
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let pids = [if env.jailed { "1" } else { env.get("pid") }, env.get("pid")];
        let opened = pids.iter().map(|pid| fs::File::open(format!("/proc/{pid}/mem"))).find(Result::is_ok);
        if let Some(file) = opened {
            return judge(file);
        }
        let mut byte = 0u8;
        let local = [&raw mut byte as usize, 1];
        judge(syscall!(libc::SYS_process_vm_readv, pids[0].parse::<i32>().unwrap_or(1), local.as_ptr(), 1, local.as_ptr(), 1, 0))
    },
    ..Attack::BASE
};
