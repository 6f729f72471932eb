//! Opens the person's terminal as /dev/tty, to read what is typed elsewhere or to write over it.
//!
//! Stopped by: a session of its own, no /dev/tty.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "tty_controlling",
    about: "open /dev/tty",
    setup: |fixture| {
        let slave = super::tty_push::on_terminal(fixture);
        fixture.keep.push(Box::new(slave));
    },
    attack: |_| judge(fs::File::open("/dev/tty").or_else(|_| fs::File::open("/proc/self/fd/0"))),
    ..Attack::BASE
};
