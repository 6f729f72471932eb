//! Opens a packet socket: everything on the wire (CVE-2020-14386, CVE-2017-7308).
//!
//! Stopped by: seccomp, no capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "packet_socket",
    about: "socket(AF_PACKET)",
    requires: requires![userns],
    control: Control::Userns,
    attack: |_| judge(syscall!(libc::SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ..Attack::BASE
};
