//! The client hands over a UDP socket of the host's network as stdin: it can be sent from to anywhere.
//!
//! Stopped by: jail refuses a socket without a connection as stdin.

use super::prelude::*;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;

pub const ATTACK: Attack = Attack {
    name: "datagram_as_stdin",
    about: "sendto by an inherited UDP socket",
    setup: |fixture| {
        let listener = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        listener.set_nonblocking(true).expect("nonblocking");
        fixture.set("port", &listener.local_addr().expect("an address").port().to_string());
        fixture.set("listener", &std::os::fd::AsRawFd::as_raw_fd(&listener).to_string());
        fixture.keep.push(Box::new(listener));
        let given = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        fixture.hook(move |command| {
            command.stdin(OwnedFd::from(given.try_clone().expect("a copy")));
        });
    },
    attack: |env| {
        let socket = UdpSocket::from(kit::owned(0));
        judge(socket.send_to(b"secret", format!("127.0.0.1:{}", env.get("port"))))
    },
    effect: Some(|fixture, _| {
        let fd: i32 = fixture.fill("{listener}").parse().expect("a descriptor");
        let got = unsafe { libc::recv(fd, [0u8; 4].as_mut_ptr().cast(), 4, libc::MSG_DONTWAIT) };
        (got > 0).then(|| "a datagram came".into())
    }),
    run_refused: Some("socket"),
    ..Attack::BASE
};
