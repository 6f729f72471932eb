//! Sets the upper half of arguments that the kernel reads as 32 bits: filters that compare all 64 let
//! them pass (CVE-2019-7303, snapd).
//!
//! Stopped by: the filter allows by masked comparison, and refuses by default.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "high_bits",
    about: "socket(AF_NETLINK, NETLINK_KOBJECT_UEVENT) with upper bits set",
    attack: |_| {
        let high = 1u64 << 32;
        let (family, raw) = (libc::AF_NETLINK as u64, libc::SOCK_RAW as u64);
        let tries = [
            syscall!(libc::SYS_socket, family | high, raw, 15),
            syscall!(libc::SYS_socket, family | high, raw | high, 15 | high),
            syscall!(libc::SYS_socket, family, raw, 15 | 1u64 << 63),
        ];
        judge(tries.into_iter().reduce(|a, b| a.or(b)).expect("tries"))
    },
    ..Attack::BASE
};
