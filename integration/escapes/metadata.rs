//! Asks the cloud's metadata service for credentials. The test owns the address: in a network
//! namespace of its own, of which the whole of jail is part; no packet leaves the machine.
//!
//! Every SSRF. Stopped by: the network namespace, Landlock.

use super::prelude::*;
use std::net::TcpStream;
use std::time::Duration;

pub const ATTACK: Attack = Attack {
    name: "metadata",
    about: "TCP to 169.254.169.254",
    requires: requires![userns],
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path").display().to_string();
        fixture.wrapper = vec![me, "--metadata-host".into()];
        fixture.set("port", "@PORT@");
    },
    attack: |env| {
        let address = format!("169.254.169.254:{}", env.get("port")).parse().expect("an address");
        judge(TcpStream::connect_timeout(&address, Duration::from_secs(1)))
    },
    effect: Some(|_, outcome| {
        let none = outcome.errors.contains("metadata service: 0 connections");
        (!none).then(|| outcome.errors.clone())
    }),
    ..Attack::BASE
};
