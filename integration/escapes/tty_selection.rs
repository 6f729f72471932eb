//! TIOCLINUX: pastes a selection into a virtual console.
//!
//! bubblewrap PR #150. Stopped by: seccomp.

use super::prelude::*;
use std::os::fd::AsRawFd;

pub const ATTACK: Attack = Attack {
    name: "tty_selection",
    about: "TIOCLINUX on a virtual console",
    requires: requires![root, console],
    setup: |fixture| {
        fixture.hook(|command| {
            let console = fs::OpenOptions::new().read(true).write(true).open("/dev/tty1");
            command.stdin(console.expect("a console"));
        });
    },
    attack: |_| {
        // Sub-call 6: the shift state; harmless, and only consoles know it.
        let mut call = [6u8; 4];
        judge(syscall!(libc::SYS_ioctl, io::stdin().as_raw_fd(), libc::TIOCLINUX, call.as_mut_ptr()))
    },
    ..Attack::BASE
};
