//! Sockets of every shape.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// What a socket is made with.
#[derive(Clone, Copy, Default)]
pub struct Shape {
    pub udp: bool,
    /// UDP-Lite.
    pub lite: bool,
    pub only_v6: Option<bool>,
    pub device: Option<&'static str>,
    pub reuse_port: bool,
    pub reuse_address: bool,
    /// Bound, but nobody listens.
    pub idle: bool,
}

pub const TCP: Shape = Shape {
    udp: false,
    lite: false,
    only_v6: None,
    device: None,
    reuse_port: false,
    reuse_address: false,
    idle: false,
};
pub const UDP: Shape = Shape { udp: true, ..TCP };

/// A bound socket that listens if it is one of TCP.
pub fn socket(shape: Shape, ip: &str, port: u16) -> Socket {
    try_socket(shape, ip, port).unwrap_or_else(|error| panic!("{ip} {port}: {error}"))
}

pub fn try_socket(shape: Shape, ip: &str, port: u16) -> std::io::Result<Socket> {
    let ip: IpAddr = ip.parse().expect("an address");
    let domain = if ip.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let kind = if shape.udp { Type::DGRAM } else { Type::STREAM };
    let protocol = shape.lite.then(|| Protocol::from(libc::IPPROTO_UDPLITE));
    let socket = Socket::new(domain, kind, protocol)?;
    if let Some(only_v6) = shape.only_v6 {
        socket.set_only_v6(only_v6)?;
    }
    if let Some(device) = shape.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    socket.set_reuse_port(shape.reuse_port)?;
    if shape.reuse_address {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(place(ip, port)))?;
    if !shape.udp && !shape.idle {
        socket.listen(16)?;
    }
    Ok(socket)
}

/// With the scope that a link-local address needs.
pub fn place(ip: IpAddr, port: u16) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            SocketAddrV6::new(v6, port, 0, scope("eth0")).into()
        }
        _ => SocketAddr::new(ip, port),
    }
}

pub fn scope(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).expect("an interface")
}

/// A raw socket.
pub fn raw(v6: bool, protocol: i32) -> std::io::Result<Socket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol)))?;
    let any: SocketAddr = match v6 {
        true => (Ipv6Addr::LOCALHOST, 0).into(),
        false => ([127, 0, 0, 1], 0).into(),
    };
    socket.bind(&any.into())?;
    Ok(socket)
}
