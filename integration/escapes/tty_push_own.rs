//! `jail run --tty`: types into the terminal that jail made.
//!
//! It is the connector's own, but what is typed must not come out at the person's. Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "tty_push_own",
    about: "TIOCSTI on the terminal of --tty",
    requires: requires![sysctl("dev/tty/legacy_tiocsti", "1")],
    setup: |fixture| {
        let slave = super::tty_push::on_terminal(fixture);
        fixture.keep.push(Box::new(slave));
    },
    jail_args: &["--tty"],
    attack: |_| judge(syscall!(libc::SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr())),
    ..Attack::BASE
};
