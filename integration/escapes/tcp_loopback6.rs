//! The same by IPv6.
//!
//! Stopped by: the network namespace, Landlock.

use super::prelude::*;
use std::net::TcpStream;

pub const ATTACK: Attack = Attack {
    name: "tcp_loopback6",
    about: "TCP to ::1 of the host",
    requires: requires![ipv6],
    setup: |fixture| super::tcp_loopback::listen(fixture, "[::1]:0"),
    attack: |env| judge(TcpStream::connect(format!("[::1]:{}", env.get("port")))),
    effect: Some(|fixture, _| super::tcp_loopback::connected(fixture)),
    ..Attack::BASE
};
