//! Connects by sending: TCP Fast Open goes past Landlock's rule for connect (landlock-lsm/linux #41).
//!
//! Stopped by: seccomp (MSG_FASTOPEN), the network namespace.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "tcp_fast_open",
    about: "sendto(MSG_FASTOPEN) to the host's loopback",
    setup: |fixture| super::tcp_loopback::listen(fixture, "127.0.0.1:0"),
    attack: |env| {
        let to = kit::loopback(env.get("port"));
        let socket = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
        judge(socket.and_then(|fd| {
            let flags = libc::MSG_FASTOPEN;
            syscall!(libc::SYS_sendto, fd, c"x".as_ptr(), 1, flags, &raw const to, size_of::<libc::sockaddr_in>())
        }))
    },
    effect: Some(|fixture, _| super::tcp_loopback::connected(fixture)),
    ..Attack::BASE
};
