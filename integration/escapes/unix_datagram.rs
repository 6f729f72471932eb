//! Sends a datagram to a host socket, abstract and by path: no connect() is involved (nono PR #1096).
//!
//! Stopped by: the network and mount namespaces.

use super::prelude::*;
use std::os::unix::net::UnixDatagram;

pub const ATTACK: Attack = Attack {
    name: "unix_datagram",
    about: "sendto a unix datagram socket of the host",
    setup: |fixture| {
        let socket = UnixDatagram::bind(fixture.at("run/log")).expect("a socket");
        socket.set_nonblocking(true).expect("nonblocking");
        fixture.set("listener", &std::os::fd::AsRawFd::as_raw_fd(&socket).to_string());
        fixture.keep.push(Box::new(socket));
        fixture.set_path("log", "run/log");
    },
    attack: |env| judge(UnixDatagram::unbound().and_then(|s| s.send_to(b"x", env.get("log")))),
    effect: Some(|fixture, _| {
        let fd: i32 = fixture.fill("{listener}").parse().expect("a descriptor");
        let got = unsafe { libc::recv(fd, [0u8; 4].as_mut_ptr().cast(), 4, libc::MSG_DONTWAIT) };
        (got > 0).then(|| "a datagram came".into())
    }),
    ..Attack::BASE
};
