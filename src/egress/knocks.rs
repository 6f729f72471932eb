//! What knocked at ports where nobody listens: seen by raw sockets, refused by the kernel, and told.

use super::doors::{Doors, is_v6};
use super::gate::Gate;
use super::transparent::{candidates, meant};
use crate::firewall::{Denial, Door, Host, Reason};
use crate::plan::probe::is_outside;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use socket2::{Protocol, SockRef};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The headers are in the first bytes; the filter lets no more through.
const SNAP: usize = 128;
/// After an error of the socket.
const PAUSE: Duration = Duration::from_millis(100);
const QUIC_PORT: u16 = 443;

/// A packet that no door took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    pub to: SocketAddr,
    pub udp: bool,
}

/// Watches a raw socket of TCP or UDP, which has a filter already. Those of IPv6 have IPV6_RECVPKTINFO.
pub(super) fn watch(gate: &Rc<Gate>, doors: &Rc<Doors>, socket: OwnedFd) -> io::Result<()> {
    let v6 = is_v6(&socket)?;
    let udp = SockRef::from(&socket).protocol()? == Some(Protocol::UDP);
    // Only its readiness is used, which is the same for every kind of socket.
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let (gate, doors) = (Rc::clone(gate), Rc::clone(doors));
    tokio::task::spawn_local(async move {
        loop {
            let fd = socket.as_raw_fd();
            match socket.async_io(Interest::READABLE, || receive(fd, v6, udp)).await {
                // The jail's own proof knocked there before the connector started.
                Ok(Some(knock)) if is_outside(knock.to) => {}
                Ok(Some(knock)) if knock.udp || !doors.is_open(knock.to.port()) => {
                    gate.denied(&denial(&gate, knock));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    });
    Ok(())
}

fn receive(socket: RawFd, v6: bool, udp: bool) -> io::Result<Option<Knock>> {
    let mut bytes = [0; SNAP];
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let received = recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut space), flags)?;
    let length = received.bytes;
    let to = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    });
    let packet = bytes.get(..length).unwrap_or_default();
    Ok(match (v6, to) {
        (false, _) => of_v4(packet, udp),
        (true, Some(to)) => port(packet).map(|port| Knock { to: SocketAddr::new(to, port), udp }),
        (true, None) => None,
    })
}

/// Reads a packet that begins with its IPv4 header.
pub fn of_v4(packet: &[u8], udp: bool) -> Option<Knock> {
    let [first, ..] = *packet else { return None };
    if first >> 4 != 4 {
        return None;
    }
    let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let header = usize::from(first & 15) * 4;
    if header < 20 {
        return None;
    }
    let port = port(packet.get(header..)?)?;
    Some(Knock { to: SocketAddr::new(Ipv4Addr::from(to).into(), port), udp })
}

/// The destination port, which TCP and UDP have at the same place.
fn port(transport: &[u8]) -> Option<u16> {
    let port: [u8; 2] = transport.get(2..4)?.try_into().ok()?;
    Some(u16::from_be_bytes(port))
}

fn denial(gate: &Gate, knock: Knock) -> Denial {
    if knock.udp {
        let (host, port) = (meant(gate, knock.to), knock.to.port());
        let protocol = if port == QUIC_PORT { "QUIC (UDP)" } else { "UDP" }.to_owned();
        let reason = Reason::NotTcp { protocol };
        return Denial::new(&gate.config.who, &host, port, Door::Packet, reason);
    }
    match candidates(gate, knock.to, Door::Packet) {
        Err(denial) => {
            gate.note(&meant(gate, knock.to), knock.to.port(), Door::Packet);
            denial
        }
        // A rule allows it, yet nothing listens: said when the rule came; here it has its effect.
        Ok(grants) => {
            let host = grants.first().map(|grant| grant.host.clone());
            let host = host.unwrap_or(Host::Address(knock.to.ip()));
            let what = "more ports than can be opened during a run".to_owned();
            let reason = Reason::Limit { what };
            Denial::new(&gate.config.who, &host, knock.to.port(), Door::Packet, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(port: u16, options: usize) -> Vec<u8> {
        let mut packet = vec![0; 20 + options + 20];
        packet[0] = 0x45 + (options / 4) as u8;
        packet[9] = 6;
        packet[16..20].copy_from_slice(&[192, 0, 2, 7]);
        packet[20 + options + 2..][..2].copy_from_slice(&port.to_be_bytes());
        packet
    }

    #[test]
    fn the_destination_is_read_behind_options_too() {
        for options in [0, 4, 40] {
            let knock = of_v4(&syn(8443, options), false).unwrap();
            assert_eq!(knock.to, "192.0.2.7:8443".parse().unwrap());
        }
    }

    #[test]
    fn every_prefix_and_every_first_byte_is_harmless() {
        let whole = syn(8443, 8);
        for length in 0..whole.len() {
            let read = of_v4(&whole[..length], false);
            assert_eq!(read.is_some(), length >= 32, "{length}");
        }
        for first in 0..=u8::MAX {
            let mut packet = whole.clone();
            packet[0] = first;
            let read = of_v4(&packet, true);
            assert_eq!(read.is_some(), (0x45..=0x4b).contains(&first), "{first:#x}");
        }
    }
}
