//! Which ports the kernel gives away, and whether it would give one to us.

use crate::failure::{Failure, Kind};
use crate::ports::{PortRange, Proto};
use socket2::{Domain, Socket, Type};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// The ports that clients get when they name none; IPv6 uses the same range.
pub fn ephemeral() -> Result<PortRange, Failure> {
    let cannot = || Failure::new(Kind::Io, format!("cannot read {EPHEMERAL}"));
    let text = fs::read_to_string(EPHEMERAL).map_err(|error| cannot().because(error))?;
    let mut ends = text.split_ascii_whitespace().map(str::parse::<NonZeroU16>);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => PortRange::new(first, last),
        _ => None,
    }
    .ok_or_else(|| cannot().because(format!("expected two ports, found {:?}", text.trim())))
}

/// Tries by binding: at this address, and at both loopback addresses, where a client that says
/// `localhost` may look. The sockets are closed at once.
pub fn free(proto: Proto, bind: IpAddr, port: u16) -> io::Result<()> {
    bound(proto, SocketAddr::new(bind, port))?;
    for other in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        match bound(proto, SocketAddr::new(other, port)) {
            Err(error) if other != bind && absent(&error) => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// No SO_REUSEADDR: a socket that is bound and does not listen counts, too.
fn bound(proto: Proto, at: SocketAddr) -> io::Result<Socket> {
    let sort = match proto {
        Proto::Tcp => Type::STREAM,
        Proto::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(at), sort.cloexec(), None)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// This machine has no such address: nobody can be there.
fn absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}
