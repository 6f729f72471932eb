//! Connects to an abstract unix socket of the host (bubblewrap #330).
//!
//! Stopped by: the network namespace, Landlock's scope.

use super::prelude::*;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "unix_abstract",
    about: "connect to an abstract socket",
    setup: |fixture| {
        let name = fixture.secret.replace("SECRET-", "abstract-");
        let address = SocketAddr::from_abstract_name(name).expect("an address");
        fixture.keep.push(Box::new(UnixListener::bind_addr(&address).expect("a socket")));
    },
    attack: |env| {
        let name = format!("abstract-{}", env.get("marker"));
        judge(SocketAddr::from_abstract_name(name).and_then(|to| UnixStream::connect_addr(&to)))
    },
    ..Attack::BASE
};
