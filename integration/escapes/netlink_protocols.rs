//! Opens netlink protocols besides routing: uevents, netfilter, audit.
//!
//! net.md §F: not separated by any namespace in part. Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "netlink_protocols",
    about: "socket(AF_NETLINK, 0, 2…22 but ROUTE)",
    attack: |_| {
        let open = |protocol: &i32| {
            syscall!(libc::SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, *protocol)
                .map(|fd| (*protocol, drop(kit::owned(fd))))
        };
        let opened = (2..22).map(|protocol| open(&protocol)).find(Result::is_ok);
        judge(opened.unwrap_or_else(|| open(&15)))
    },
    ..Attack::BASE
};
