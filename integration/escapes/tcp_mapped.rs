//! The same by an IPv4 address in IPv6 clothes.
//!
//! Stopped by: the network namespace, Landlock.

use super::prelude::*;
use std::net::TcpStream;

pub const ATTACK: Attack = Attack {
    name: "tcp_mapped",
    about: "TCP to ::ffff:127.0.0.1 of the host",
    requires: requires![ipv6],
    setup: |fixture| super::tcp_loopback::listen(fixture, "127.0.0.1:0"),
    attack: |env| judge(TcpStream::connect(format!("[::ffff:127.0.0.1]:{}", env.get("port")))),
    effect: Some(|fixture, _| super::tcp_loopback::connected(fixture)),
    ..Attack::BASE
};
