//! Serves on every address: the host, and all of its network, could connect (CVE-2025-49596).
//!
//! Stopped by: the network namespace, Landlock.

use super::prelude::*;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "bind_any",
    about: "listen on 0.0.0.0 and be reached from the host",
    setup: |fixture| {
        fixture.workspace();
        let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        fixture.set("port", &free.port().to_string());
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let listener = TcpListener::bind(format!("0.0.0.0:{}", env.get("port")));
        let _ = fs::write(env.path("ws").join("ready"), "");
        let until = Instant::now() + Duration::from_secs(10);
        while !env.path("ws").join("tried").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        match listener {
            Ok(listener) => Verdict::Tried(format!("{listener:?}")),
            Err(error) => Verdict::Refused(error.to_string()),
        }
    },
    during: Some(|fixture, _| {
        let until = Instant::now() + crate::run::patience(5000);
        while !fixture.at("ws/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if TcpStream::connect(fixture.fill("127.0.0.1:{port}")).is_ok() {
            fixture.write("reached", "");
        }
        fixture.write("ws/tried", "");
    }),
    effect: Some(|fixture, _| fixture.at("reached").exists().then(|| "the host reached it".into())),
    ..Attack::BASE
};
