//! stdin is a TCP connection (inetd, socat): lets go of its peer and connects it to another one, in
//! the host's network.
//!
//! Stopped by: Landlock's rule for connect; where that is off, jail refuses such a stdin.

use super::prelude::*;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

pub const ATTACK: Attack = Attack {
    name: "redial_stdin",
    about: "connect(AF_UNSPEC), then connect elsewhere",
    requires: requires![landlock(4)],
    setup: |fixture| {
        let peer = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let stream = TcpStream::connect(peer.local_addr().expect("an address")).expect("a stream");
        let accepted = peer.accept().expect("its other end");
        fixture.keep.push(Box::new(accepted));
        fixture.hook(move |command| {
            command.stdin(OwnedFd::from(stream.try_clone().expect("a copy")));
        });
        super::tcp_loopback::listen(fixture, "127.0.0.1:0");
    },
    attack: |env| {
        let unspecified = [0u8; 16];
        let _ = syscall!(libc::SYS_connect, 0, unspecified.as_ptr(), 16);
        let to = kit::loopback(env.get("port"));
        judge(syscall!(libc::SYS_connect, 0, &raw const to, size_of::<libc::sockaddr_in>()))
    },
    run_refused: Some("stdin is a network socket"),
    effect: Some(|fixture, _| super::tcp_loopback::connected(fixture)),
    ..Attack::BASE
};
