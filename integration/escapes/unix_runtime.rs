//! Connects to a socket in XDG_RUNTIME_DIR: D-Bus, gpg-agent, podman.
//!
//! Kilo #11650, srt #343. Stopped by: the mount namespace.

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "unix_runtime",
    about: "connect to a socket in XDG_RUNTIME_DIR",
    setup: |fixture| {
        let listener = UnixListener::bind(fixture.at("run/agent")).expect("a socket");
        fixture.keep.push(Box::new(listener));
        fixture.set_path("agent", "run/agent");
    },
    attack: |env| judge(UnixStream::connect(env.get("agent"))),
    ..Attack::BASE
};
