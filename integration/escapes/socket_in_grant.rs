//! A granted folder holds a unix socket of a host program: read-only mounts do not stop a connection.
//!
//! Nothing does before Landlock's ABI 9; see `by_design`.

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "socket_in_grant",
    about: "connect to a host socket that lies in a granted folder",
    setup: |fixture| {
        let listener = UnixListener::bind(fixture.at("outside/sock")).expect("a socket");
        fixture.keep.push(Box::new(listener));
        fixture.set_path("folder", "outside");
    },
    jail_args: &["--read", "{folder}"],
    attack: |env| judge(UnixStream::connect(env.path("folder").join("sock"))),
    by_design: Some("what is granted is reachable; only Landlock ABI 9 can tell sockets from files"),
    ..Attack::BASE
};
