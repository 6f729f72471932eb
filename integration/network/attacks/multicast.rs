//! Speaks to the neighbourhood: mDNS, SSDP.
//!
//! Stopped by: the proxy namespace, which forwards nothing.

use super::prelude::*;

use std::net::{Ipv4Addr, UdpSocket};

const MDNS: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251));

pub const ATTACK: Attack = Attack {
    name: "multicast",
    about: "UDP to multicast and broadcast addresses",
    attack: |env| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        // The world has no route for it; its loopback must be named. A jail has one way out.
        let any = if env.jailed { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let by = libc::ip_mreqn {
            imr_multiaddr: libc::in_addr { s_addr: 0 },
            imr_address: libc::in_addr { s_addr: u32::from_ne_bytes(any.octets()) },
            imr_ifindex: 0,
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        let size = size_of::<libc::ip_mreqn>();
        let (level, option) = (libc::IPPROTO_IP, libc::IP_MULTICAST_IF);
        drop(syscall!(libc::SYS_setsockopt, fd, level, option, &raw const by, size));
        drop(socket.send_to(b"secret", (MDNS, 5353)));
        Verdict::Tried("sent".into())
    },
    effect: Some(|_, _| world::get().seen.packet_to(MDNS)),
    ..BASE
};
