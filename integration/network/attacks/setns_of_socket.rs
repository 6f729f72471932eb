//! Asks a socket for its network namespace, and enters it or that of a neighbour.
//!
//! Stopped by: no capabilities, seccomp.

use super::prelude::*;

use std::os::fd::AsRawFd;

const SIOCGSKNS: libc::c_ulong = 0x894c;

pub const ATTACK: Attack = Attack {
    name: "setns_of_socket",
    about: "the namespace of a socket, and setns",
    setup: with_capabilities,
    attack: |_| {
        let stream = client::dial(world::DOOR, world::HTTP_DOOR).expect("the door");
        let by_socket = syscall!(libc::SYS_ioctl, stream.as_raw_fd(), SIOCGSKNS, 0).map(kit::owned);
        match by_socket {
            Ok(namespace) => Verdict::Escaped(format!("{namespace:?}")),
            Err(error) => {
                let file = std::fs::File::open("/proc/1/ns/net");
                let entered = file.and_then(|file| {
                    syscall!(libc::SYS_setns, file.as_raw_fd(), libc::CLONE_NEWNET)
                });
                match entered {
                    Ok(_) => Verdict::Escaped("setns".into()),
                    Err(second) => Verdict::Refused(format!("{error}; {second}")),
                }
            }
        }
    },
    ..BASE
};
