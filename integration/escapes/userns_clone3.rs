//! Makes a user namespace by clone3(2), whose flags seccomp cannot see.
//!
//! sandlock #47. Stopped by: clone3 does not exist inside (ENOSYS), max_user_namespaces is 0.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "userns_clone3",
    about: "clone3(CLONE_NEWUSER)",
    requires: requires![userns],
    attack: |_| {
        let args: [u64; 8] = [libc::CLONE_NEWUSER as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        let cloned = syscall!(libc::SYS_clone3, args.as_ptr(), size_of_val(&args));
        if matches!(cloned, Ok(0)) {
            unsafe { libc::_exit(0) };
        }
        judge(cloned)
    },
    ..Attack::BASE
};
