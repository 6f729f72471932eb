//! Connects to a service on the host's loopback: development servers, databases, debuggers.
//!
//! claude-code #28018, SSRF. Stopped by: the network namespace, Landlock.

use super::prelude::*;
use std::net::{TcpListener, TcpStream};

/// A listener on the host whose port the attack gets; the effect is a connection.
pub(super) fn listen(fixture: &mut Fixture, address: &str) {
    let listener = TcpListener::bind(address).expect("a listener");
    listener.set_nonblocking(true).expect("nonblocking");
    fixture.set("port", &listener.local_addr().expect("an address").port().to_string());
    let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
    fixture.set("listener", &fd.to_string());
    fixture.keep.push(Box::new(listener));
}

pub(super) fn connected(fixture: &Fixture) -> Option<String> {
    let fd: i64 = fixture.fill("{listener}").parse().expect("a descriptor");
    let accepted = syscall!(libc::SYS_accept4, fd, 0, 0, libc::SOCK_CLOEXEC);
    accepted.ok().map(|fd| drop(kit::owned(fd))).map(|()| "the listener saw a connection".into())
}

pub const ATTACK: Attack = Attack {
    name: "tcp_loopback",
    about: "TCP to 127.0.0.1 of the host",
    setup: |fixture| listen(fixture, "127.0.0.1:0"),
    attack: |env| judge(TcpStream::connect(format!("127.0.0.1:{}", env.get("port")))),
    effect: Some(|fixture, _| connected(fixture)),
    ..Attack::BASE
};
