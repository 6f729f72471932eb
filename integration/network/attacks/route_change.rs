//! Gives the jail's own loopback an address, or a route, of its liking.
//!
//! Stopped by: no capabilities in the network namespace.

use super::prelude::*;

use std::os::fd::AsRawFd;

/// RTM_NEWADDR: 203.0.113.7/32 on lo.
fn new_address() -> Vec<u8> {
    let mut message = Vec::new();
    message.extend([0; 4]); // its length, which is known at the end
    message.extend(libc::RTM_NEWADDR.to_ne_bytes());
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE;
    message.extend((flags as u16).to_ne_bytes());
    message.extend([0; 8]);
    message.extend([libc::AF_INET as u8, 32, 0, 0, 1, 0, 0, 0]);
    message.extend(8u16.to_ne_bytes());
    message.extend(libc::IFA_LOCAL.to_ne_bytes());
    message.extend([203, 0, 113, 7]);
    let length = u32::try_from(message.len()).expect("short");
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

pub const ATTACK: Attack = Attack {
    name: "route_change",
    about: "an address of the internet, taken over by netlink",
    setup: with_capabilities,
    attack: |_| {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = syscall!(libc::SYS_socket, libc::AF_NETLINK, kind, libc::NETLINK_ROUTE);
        let sent = socket.map(kit::owned).and_then(|fd| {
            let message = new_address();
            let (fd, mut answer) = (fd.as_raw_fd(), [0u8; 512]);
            syscall!(libc::SYS_sendto, fd, message.as_ptr(), message.len(), 0, 0, 0)?;
            syscall!(libc::SYS_recvfrom, fd, answer.as_mut_ptr(), answer.len(), 0, 0, 0)?;
            let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
            if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
        });
        judge(sent.and_then(|()| std::net::TcpListener::bind("203.0.113.7:0")))
    },
    ..BASE
};
