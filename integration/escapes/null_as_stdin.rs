//! The same by a descriptor: stdin is the host's own /dev/null (here: /dev/zero's neighbour /dev/full
//! is left alone), and fchmod needs no path.
//!
//! Stopped by: where a stream is /dev/null, the connector gets the jail's.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "null_as_stdin",
    about: "fchmod(stdin), which is /dev/null",
    requires: requires![root],
    attack: |_| judge(syscall!(libc::SYS_fchmod, 0, 0o667)),
    effect: Some(|_, _| super::device_modes::changed("/dev/null")),
    ..Attack::BASE
};
