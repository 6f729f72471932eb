//! Connects to a unix socket in /tmp: X11, editors, language servers.
//!
//! Stopped by: the mount namespace (Landlock lets such connections pass before ABI 9).

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "unix_tmp",
    about: "connect to a socket in the host's /tmp",
    setup: |fixture| {
        let listener = UnixListener::bind(fixture.at("socket")).expect("a socket");
        fixture.keep.push(Box::new(listener));
        fixture.set_path("socket", "socket");
    },
    attack: |env| judge(UnixStream::connect(env.get("socket"))),
    ..Attack::BASE
};
