//! `jail run --listen`: a connector that sees the socket could start more jails by it. Its folder is
//! granted here, as a careless owner would.
//!
//! Not stopped: connections of the same user are served; each is a jail with its own limits.

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "unix_listen",
    about: "connect to jail's own listening socket",
    setup: |fixture| {
        let ws = fixture.workspace();
        let socket = ws.join("sock");
        if fixture.jailed {
            let socket = format!("unix:{}", socket.display());
            let mut jail = fixture.jail(&["--listen", &socket, "--", "true"]);
            fixture.neighbour(&mut jail);
            let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while !ws.join("sock").exists() && std::time::Instant::now() < until {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        } else {
            fixture.keep.push(Box::new(UnixListener::bind(socket).expect("a socket")));
        }
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| judge(UnixStream::connect(env.path("ws").join("sock"))),
    by_design: Some("a socket in a granted folder is granted; the other end is a jail as well"),
    ..Attack::BASE
};
