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

/// Is there a process, in whatever namespace, that was started to listen?
fn started(name: &str) -> bool {
    let line = format!("--listen-abstract\0{name}\0");
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let words = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("cmdline")).ok();
    // Only its own program comes before; jail's own command line has more.
    entries.filter_map(words).any(|text| {
        text.strip_suffix(&line).is_some_and(|program| program.matches('\0').count() == 1)
    })
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
        // Without namespaces no jail may listen there: the neighbour has ended already.
        if fixture.jailed && crate::tier::chosen() {
            return;
        }
        // An engine takes its time: what is connected to must be there.
        let until = Instant::now() + crate::run::patience(10_000);
        while !started(&name) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(started(&name), "the neighbour does not listen");
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
