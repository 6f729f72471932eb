//! Types into the person's terminal: TIOCSTI on stdin.
//!
//! CVE-2017-5226 (bubblewrap), CVE-2016-9016 (firejail), cplt PR #380. Stopped by: seccomp (also with
//! upper bits set), a session without a terminal.

use super::prelude::*;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

/// Makes a terminal all three streams of the command, and its controlling one; gives the slave.
pub(super) fn on_terminal(fixture: &mut Fixture) -> std::os::fd::OwnedFd {
    let (master, slave) = kit::pty();
    fixture.terminal = Some(master);
    let streams = slave.try_clone().expect("the slave");
    fixture.hook(move |command| {
        let stream = || streams.try_clone().expect("the slave");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                }
            })
        };
    });
    slave
}

pub const ATTACK: Attack = Attack {
    name: "tty_push",
    about: "TIOCSTI on the terminal that is stdin",
    requires: requires![sysctl("dev/tty/legacy_tiocsti", "1")],
    setup: |fixture| {
        let slave = on_terminal(fixture);
        fixture.set("slave", &slave.as_raw_fd().to_string());
        fixture.keep.push(Box::new(slave));
    },
    attack: |_| {
        let push = |request: u64| syscall!(libc::SYS_ioctl, 0, request, c"x".as_ptr());
        let tiocsti = libc::TIOCSTI;
        judge(push(tiocsti).or_else(|_| push(tiocsti | 1 << 32)))
    },
    effect: Some(|fixture, _| {
        let slave: i32 = fixture.fill("{slave}").parse().expect("a descriptor");
        let mut waiting = 0i32;
        unsafe { libc::ioctl(slave, libc::FIONREAD, &raw mut waiting) };
        (waiting > 0).then(|| format!("{waiting} bytes were typed"))
    }),
    ..Attack::BASE
};
