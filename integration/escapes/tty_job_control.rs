//! Takes the terminal's foreground from the person's shell.
//!
//! Stopped by: the terminal is not the connector's controlling one.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "tty_job_control",
    about: "TIOCSPGRP on the terminal that is stdin",
    setup: |fixture| {
        let slave = super::tty_push::on_terminal(fixture);
        fixture.keep.push(Box::new(slave));
    },
    attack: |_| {
        let group = unsafe { libc::getpgrp() };
        judge(syscall!(libc::SYS_ioctl, 0, libc::TIOCSPGRP, &raw const group))
    },
    ..Attack::BASE
};
