//! Sockets that are made in one of the jail's network namespaces and used by the egress process.

use crate::egress::config::{HTTP_PORT, SOCKS_PORT};
use crate::spawn::handover::Kind;
use crate::sys::{Call, Sys, SysResult, socket as sys};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    SockaddrLike, bind, listen, setsockopt, socket, sockopt,
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Connections that wait to be accepted; more are refused by the kernel.
const BACKLOG: i32 = 128;
/// Always open, so that who connects there does not knock: the two proxies and DNS.
const DOORS: [u16; 3] = [HTTP_PORT, SOCKS_PORT, 53];

/// Sends one socket.
fn hand_out(to: BorrowedFd<'_>, kind: Kind, socket: &OwnedFd) -> SysResult<()> {
    sys::send_descriptor(to, kind as u8, Some(socket.as_fd()))
}

/// Says that all have been sent.
pub(super) fn complete(to: BorrowedFd<'_>) -> SysResult<()> {
    sys::send_descriptor(to, Kind::Complete as u8, None)
}

/// TCP on every address, for each family.
pub(super) fn listeners(port: u16, ipv6: bool, to: BorrowedFd<'_>) -> SysResult<()> {
    for family in families(ipv6) {
        let socket = tcp(family)?;
        bind_any(&socket, family, port)?;
        let backlog = Backlog::new(BACKLOG).sys(Call::Listen)?;
        listen(&socket, backlog).sys(Call::Listen)?;
        hand_out(to, Kind::Listener, &socket)?;
    }
    Ok(())
}

/// UDP 53 on every address; answers must come from the address that was asked (PKTINFO).
pub(super) fn dns(ipv6: bool, to: BorrowedFd<'_>) -> SysResult<()> {
    for family in families(ipv6) {
        let socket = open(family, SockType::Datagram, None)?;
        if family == AddressFamily::Inet {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).sys(Call::Setsockopt)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true).sys(Call::Setsockopt)?;
            // To answer as an address that no interface has.
            sys::free_bind_v6(socket.as_fd())?;
        }
        bind_any(&socket, family, 53)?;
        hand_out(to, Kind::Dns, &socket)?;
    }
    Ok(())
}

/// Copies of TCP connection attempts and UDP packets, whatever port they are for.
pub(super) fn knocks(ipv6: bool, to: BorrowedFd<'_>) -> SysResult<()> {
    for family in families(ipv6) {
        for protocol in [SockProtocol::Tcp, SockProtocol::Udp] {
            let socket = open(family, SockType::Raw, Some(protocol))?;
            let v6 = family == AddressFamily::Inet6;
            if v6 {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true).sys(Call::Setsockopt)?;
            }
            let tcp = protocol == SockProtocol::Tcp;
            sys::filter_knocks(socket.as_fd(), v6, tcp.then_some(DOORS))?;
            hand_out(to, Kind::Knocks, &socket)?;
        }
    }
    Ok(())
}

/// TCP sockets for later: a socket stays in the namespace in which it was made.
pub(super) fn spares(count: u16, ipv6: bool, to: BorrowedFd<'_>) -> SysResult<()> {
    for family in families(ipv6) {
        let kind = if family == AddressFamily::Inet { Kind::SpareV4 } else { Kind::SpareV6 };
        for _ in 0..count {
            hand_out(to, kind, &tcp(family)?)?;
        }
    }
    Ok(())
}

/// TCP sockets of the jail's own namespace, to connect to a port that it serves. Without V6ONLY, so
/// that one reaches 127.0.0.1 as well as ::1.
pub(super) fn inward(count: u16, ipv6: bool, to: BorrowedFd<'_>) -> SysResult<()> {
    let family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    for _ in 0..count {
        let socket = open(family, SockType::Stream, None)?;
        if ipv6 {
            setsockopt(&socket, sockopt::Ipv6V6Only, &false).sys(Call::Setsockopt)?;
        }
        hand_out(to, Kind::Inward, &socket)?;
    }
    Ok(())
}

fn families(ipv6: bool) -> impl Iterator<Item = AddressFamily> {
    [AddressFamily::Inet, AddressFamily::Inet6].into_iter().take(1 + usize::from(ipv6))
}

fn tcp(family: AddressFamily) -> SysResult<OwnedFd> {
    open(family, SockType::Stream, None)
}

fn open(
    family: AddressFamily,
    kind: SockType,
    protocol: Option<SockProtocol>,
) -> SysResult<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, kind, flags, protocol).sys(Call::Socket)?;
    // A raw socket counts as bound already; it is of its own family anyway.
    if family == AddressFamily::Inet6 && kind != SockType::Raw {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true).sys(Call::Setsockopt)?;
    }
    Ok(socket)
}

fn bind_any(socket: &OwnedFd, family: AddressFamily, port: u16) -> SysResult<()> {
    let v4 = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
    let v6 = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0));
    let address: &dyn SockaddrLike = if family == AddressFamily::Inet { &v4 } else { &v6 };
    bind(socket.as_raw_fd(), address).sys(Call::Bind)
}
