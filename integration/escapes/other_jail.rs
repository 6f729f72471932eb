//! Talks to a connector in another jail of the same user, through an abstract socket.
//!
//! Stopped by: each jail has its own network namespace; Landlock's scope.

use super::prelude::*;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// What the neighbour does: listens, and says so.
pub fn listen(name: &str) -> UnixListener {
    let address = SocketAddr::from_abstract_name(name).expect("an address");
    UnixListener::bind_addr(&address).expect("a socket")
}

pub const ATTACK: Attack = Attack {
    name: "other_jail",
    about: "connect to a connector in another jail",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path").display().to_string();
        let name = fixture.secret.replace("SECRET-", "other-");
        let mut command = if fixture.jailed {
            let mut jail = fixture.jail(&["--read", &me, "--"]);
            jail.arg(me);
            jail
        } else {
            std::process::Command::new(me)
        };
        fixture.neighbour(command.args(["--listen-abstract", &name]));
        std::thread::sleep(Duration::from_millis(300));
    },
    attack: |env| {
        let name = format!("other-{}", env.get("marker"));
        let address = SocketAddr::from_abstract_name(name).expect("an address");
        let until = Instant::now() + Duration::from_millis(if env.jailed { 100 } else { 3000 });
        loop {
            let connected = UnixStream::connect_addr(&address);
            if connected.is_ok() || Instant::now() > until {
                return judge(connected);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    },
    ..Attack::BASE
};
