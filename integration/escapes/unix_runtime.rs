//! Connects to a socket in XDG_RUNTIME_DIR: D-Bus, gpg-agent, podman.
//!
//! Kilo #11650, srt #343. Stopped by: the mount namespace.

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "unix_runtime",
    about: "connect to XDG_RUNTIME_DIR/bus",
    setup: |fixture| {
        let listener = UnixListener::bind(fixture.at("run/bus")).expect("a socket");
        fixture.keep.push(Box::new(listener));
        fixture.set_path("bus", "run/bus");
    },
    attack: |env| judge(UnixStream::connect(env.get("bus"))),
    ..Attack::BASE
};
