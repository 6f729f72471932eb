//! Where a packet to an address would go from here. Asks the routing table; nothing is sent.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::Instant;

/// Five system calls are saved at each use within this time. An address that becomes this machine's own
/// meanwhile is seen by the next one.
const FRESH: Duration = Duration::from_secs(1);
const KEPT: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// There is no route.
    None,
    /// It is an address of this machine.
    Here,
    Away,
}

/// What the routing table said lately, newest first.
#[derive(Debug, Default)]
pub(super) struct Routes(VecDeque<(IpAddr, Instant, Path)>);

impl Routes {
    pub(super) fn path(&mut self, address: IpAddr, now: Instant) -> Path {
        self.0.retain(|(_, asked, _)| now.duration_since(*asked) < FRESH);
        if let Some((.., path)) = self.0.iter().find(|(known, ..)| *known == address) {
            return *path;
        }
        let path = path(address);
        self.0.truncate(KEPT - 1);
        self.0.push_front((address, now, path));
        path
    }
}

fn path(address: IpAddr) -> Path {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    });
    match source {
        Err(_) => Path::None,
        // The kernel takes as source the destination itself, where that is local.
        Ok(source) if source.ip() == address || address.is_loopback() => Path::Here,
        Ok(_) => Path::Away,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_not_the_public_internet() {
        for own in ["127.0.0.1", "127.0.0.9"] {
            assert_eq!(path(own.parse().unwrap()), Path::Here);
        }
    }

    #[test]
    fn what_the_table_said_is_kept_for_a_moment() {
        let mut routes = Routes::default();
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let start = Instant::now();
        // An answer that the table would not give, to tell the two apart.
        routes.0.push_front((own, start, Path::Away));
        assert_eq!(routes.path(own, start + FRESH / 2), Path::Away);
        assert_eq!(routes.path(own, start + FRESH), Path::Here);
        for n in 0..KEPT as u32 * 2 {
            routes.path(Ipv4Addr::from(0x7f00_0000 | n).into(), start + FRESH);
        }
        assert_eq!(routes.0.len(), KEPT);
    }
}
