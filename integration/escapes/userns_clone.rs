//! Makes a user namespace by clone(2), also with the upper half of the flags set.
//!
//! Stopped by: seccomp looks at all flags, max_user_namespaces is 0 inside.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "userns_clone",
    about: "clone(CLONE_NEWUSER)",
    requires: requires![userns],
    attack: |_| {
        let clone = |flags: u64| {
            let pid = syscall!(libc::SYS_clone, flags, 0, 0, 0, 0)?;
            if pid == 0 {
                unsafe { libc::_exit(0) };
            }
            unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), 0) };
            Ok(pid)
        };
        let flags = libc::CLONE_NEWUSER as u64 | libc::SIGCHLD as u64;
        judge(clone(flags).or_else(|_: io::Error| clone(flags | 1 << 63)))
    },
    ..Attack::BASE
};
