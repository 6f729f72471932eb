//! A host program listens on an abstract socket, and would dial for the jail.
//!
//! Stopped by: the network namespace, Landlock's scope.

use super::prelude::*;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};

fn address(marker: &str) -> UnixAddress {
    UnixAddress::from_abstract_name(format!("jail-network-{marker}")).expect("an address")
}

pub const ATTACK: Attack = Attack {
    name: "abstract_socket",
    about: "an abstract unix socket of the host, in a jail that has a network",
    setup: |fixture| {
        let listener = UnixListener::bind_addr(&address(&fixture.values["marker"]));
        fixture.keep.push(Box::new(listener.expect("a socket")));
    },
    attack: |env| judge(UnixStream::connect_addr(&address(env.get("marker")))),
    ..BASE
};
