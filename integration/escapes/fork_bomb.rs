//! Forks as often as it can (400 at most, and only for a moment).
//!
//! Stopped by: the pids controller, else RLIMIT_NPROC, which counts within the jail's user namespace.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "fork_bomb",
    about: "400 processes at once",
    requires: requires![counted],
    attack: |_| {
        let mut children = Vec::new();
        let mut refused = None;
        while children.len() < 400 && refused.is_none() {
            match unsafe { libc::fork() } {
                0 => unsafe {
                    libc::pause();
                    libc::_exit(0)
                },
                pid if pid > 0 => children.push(pid),
                _ => refused = Some(io::Error::last_os_error()),
            }
        }
        for pid in &children {
            unsafe {
                libc::kill(*pid, libc::SIGKILL);
                libc::waitpid(*pid, std::ptr::null_mut(), 0);
            }
        }
        match refused {
            Some(error) => Verdict::Refused(format!("after {}: {error}", children.len())),
            None => Verdict::Escaped(format!("{} processes", children.len())),
        }
    },
    ..Attack::BASE
};
