//! What the egress process is given before it starts.

use crate::firewall::store::Folder;
use crate::firewall::{Rules, Who};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The proxy's own addresses in every jail; each jail has a network of its own, so that all can have
/// the same.
pub const PROXY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 77, 1);
pub const PROXY_V6: Ipv6Addr = Ipv6Addr::new(0xfd6a, 0x6169, 0x6c, 0, 0, 0, 0, 1);
/// The jail's own.
pub const JAIL_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 77, 2);
pub const JAIL_V6: Ipv6Addr = Ipv6Addr::new(0xfd6a, 0x6169, 0x6c, 0, 0, 0, 0, 2);
/// Port of the HTTP door, at the proxy's own addresses.
pub const HTTP_PORT: u16 = 3128;
/// Port of the SOCKS5 door, at the proxy's own addresses.
pub const SOCKS_PORT: u16 = 1080;

/// True for the proxy's own addresses: what comes there is for a door, all else is transparent.
pub fn is_proxy(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4 == PROXY_V4,
        IpAddr::V6(v6) => v6 == PROXY_V6,
    }
}

/// Sockets that were made inside the jail's two network namespaces.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Listening TCP sockets of the proxy namespace, on the wildcard addresses: HTTP door, SOCKS door,
    /// DNS over TCP, and every port that a rule allowed at the start.
    pub listeners: Vec<OwnedFd>,
    /// TCP sockets of the proxy namespace, neither bound nor listening: for ports that a later rule
    /// allows. IPv6 ones are V6ONLY.
    pub spare_v4: Vec<OwnedFd>,
    pub spare_v6: Vec<OwnedFd>,
    /// UDP 53 on the wildcard addresses, with IP_PKTINFO / IPV6_RECVPKTINFO.
    pub dns: Vec<OwnedFd>,
    /// Raw sockets with a filter: what knocked at closed ports.
    pub knocks: Vec<OwnedFd>,
    /// Unconnected TCP sockets of the *jail's* namespace, for published ports.
    pub inward: Vec<OwnedFd>,
    /// Listening sockets of `jail proxy`: each is one door, whatever its address is.
    pub http: Vec<OwnedFd>,
    pub socks: Vec<OwnedFd>,
}

/// Bounds of one connector's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At one time.
    pub connections: usize,
    /// Bytes per second in each direction, all connections together.
    pub bandwidth: Option<u64>,
    /// For a request's head, a ClientHello, a SOCKS5 handshake to be complete.
    pub handshake: Duration,
    /// For a name to be resolved and a host to be connected.
    pub dial: Duration,
    /// A tunnel without a byte in either direction is closed after this.
    pub idle: Duration,
    /// Bytes of a request's or response's head.
    pub head: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            bandwidth: None,
            handshake: Duration::from_secs(10),
            dial: Duration::from_secs(4),
            idle: Duration::from_secs(600),
            head: 64 << 10,
        }
    }
}

/// A proxy between us and the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamKind {
    HttpConnect,
    Socks5,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub kind: UpstreamKind,
    pub host: String,
    pub port: u16,
    /// `user:password`.
    pub credentials: Option<String>,
}

/// Everything that the egress process knows; it reads nothing else but the firewall's files.
#[derive(Debug, Clone)]
pub struct Config {
    pub who: Who,
    /// Rules of the manifest and of the command line, which do not change during the run.
    pub fixed: Rules,
    /// The workspace's `.cloned/policy`, which may change at any time.
    pub firewall: Option<Folder>,
    pub limits: Limits,
    /// How long a connection that no rule names is held while its owner is asked; `None`: nobody is.
    pub hold: Option<Duration>,
    pub upstream: Option<Upstream>,
    /// Values of the secrets that rules inject, by name.
    pub secrets: BTreeMap<String, String>,
    /// Host address to listen on → port inside the jail.
    pub publish: Vec<(std::net::SocketAddr, u16)>,
}
