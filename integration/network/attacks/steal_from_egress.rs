//! Takes what the processes of the jail's network hold: traces them, reads their memory, copies their
//! sockets.
//!
//! Stopped by: the pid namespace, seccomp, a process that cannot be dumped.

use super::prelude::*;

const SEIZE: libc::c_uint = 0x4206;
const DETACH: libc::c_uint = 17;

/// What of this process can be had.
fn taken(pid: i32) -> Option<String> {
    if syscall!(libc::SYS_ptrace, SEIZE, pid, 0, 0).is_ok() {
        drop(syscall!(libc::SYS_ptrace, DETACH, pid, 0, 0));
        return Some(format!("{pid} is traced"));
    }
    for file in ["mem", "maps", "environ", "fd/0"] {
        let path = format!("/proc/{pid}/{file}");
        if std::fs::File::open(&path).is_ok_and(|mut file| file.read(&mut [0]).is_ok()) {
            return Some(format!("{path} is read"));
        }
    }
    let process = syscall!(libc::SYS_pidfd_open, pid, 0).map(kit::owned).ok()?;
    let process = std::os::fd::AsRawFd::as_raw_fd(&process);
    let stolen = (0..64).find(|fd| {
        syscall!(libc::SYS_pidfd_getfd, process, *fd, 0).map(kit::owned).is_ok()
    })?;
    Some(format!("descriptor {stolen} of {pid}"))
}

pub const ATTACK: Attack = Attack {
    name: "steal_from_egress",
    about: "ptrace, /proc/PID/mem and pidfd_getfd of every process that can be named",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let neighbour: i32 = env.get("pid").parse().expect("a pid");
        let (me, parent) = (std::process::id() as i32, unsafe { libc::getppid() });
        // Init, and on the host the supervisor and the process of the way out, which come after.
        let pids: Vec<i32> =
            if env.jailed { (1..400).chain(neighbour..neighbour + 200).collect() } else { vec![neighbour] };
        let own = |pid: &i32| *pid == me || (*pid == parent && *pid != 1);
        match pids.into_iter().filter(|pid| !own(pid)).find_map(taken) {
            Some(what) => Verdict::Escaped(what),
            None => Verdict::Refused("nothing of anybody".into()),
        }
    },
    ..BASE
};
