//! Listens, so that the host or another jail could come in.
//!
//! Stopped by: Landlock's rule for bind; the network namespace.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "listen_everywhere",
    about: "a listener at every address",
    requires: requires![landlock(4)],
    attack: |_| judge(std::net::TcpListener::bind("0.0.0.0:3000").or_else(|_| std::net::TcpListener::bind("[::]:3000"))),
    ..BASE
};
