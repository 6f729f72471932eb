//! stdin is an MPTCP connection: lets go of its peer and connects it to another one, in the host's
//! network. Landlock's rule for connect is about TCP itself.
//!
//! Stopped by: jail refuses such a stdin.

use super::prelude::*;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

fn socket(protocol: i32) -> OwnedFd {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    kit::owned(syscall!(libc::SYS_socket, libc::AF_INET, kind, protocol).expect("a socket"))
}

pub const ATTACK: Attack = Attack {
    name: "redial_mptcp",
    about: "connect(AF_UNSPEC) of an MPTCP stdin, then connect elsewhere",
    requires: requires![mptcp],
    setup: |fixture| {
        let peer = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let to = kit::loopback(&peer.local_addr().expect("an address").port().to_string());
        let stream = socket(libc::IPPROTO_MPTCP);
        let size = size_of::<libc::sockaddr_in>();
        syscall!(libc::SYS_connect, stream.as_raw_fd(), &raw const to, size)
            .expect("a connection");
        let accepted = peer.accept().expect("its other end");
        fixture.keep.push(Box::new(accepted));
        fixture.hook(move |command| {
            command.stdin(stream.try_clone().expect("a copy"));
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
