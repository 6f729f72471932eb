//! Takes every inotify instance of the user: they are counted per user, jailed or not, and without
//! them the person's editors and servers stop working.
//!
//! Stopped by: the jail's user namespace has a lower count of its own.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "watch_fill",
    about: "open all inotify instances of the user",
    attack: |_| {
        let mut open = Vec::new();
        let refused = loop {
            match syscall!(libc::SYS_inotify_init1, libc::IN_CLOEXEC) {
                Ok(fd) => open.push(kit::owned(fd)),
                Err(error) => break error,
            }
            if open.len() >= 100 {
                return Verdict::Escaped(format!("{} instances", open.len()));
            }
        };
        Verdict::Refused(format!("after {}: {refused}", open.len()))
    },
    ..Attack::BASE
};
