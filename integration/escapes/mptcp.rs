//! Connects by Multipath TCP, which Landlock does not look at (landlock-lsm/linux #54).
//!
//! Stopped by: seccomp, the network namespace.

use super::prelude::*;

/// Connects with a protocol of its own to the port of the fixture.
pub(super) fn connect_by(protocol: i32, env: &Env) -> io::Result<i64> {
    let to = kit::loopback(env.get("port"));
    let fd = syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, protocol)?;
    syscall!(libc::SYS_connect, fd, &raw const to, size_of::<libc::sockaddr_in>())
}

pub const ATTACK: Attack = Attack {
    name: "mptcp",
    about: "MPTCP to the host's loopback",
    requires: requires![mptcp],
    setup: |fixture| super::tcp_loopback::listen(fixture, "127.0.0.1:0"),
    attack: |env| judge(connect_by(262, env)),
    effect: Some(|fixture, _| super::tcp_loopback::connected(fixture)),
    ..Attack::BASE
};
