//! Writes an address of its own for an allowed name into /etc/hosts and /etc/resolv.conf, and dials it.
//!
//! Stopped by: both are read-only; a name counts for the addresses that the resolver gave.

use super::prelude::*;

use std::net::ToSocketAddrs;

pub const ATTACK: Attack = Attack {
    name: "hosts_file",
    about: "another address for an allowed name, in /etc/hosts",
    attack: |_| {
        let hosts = std::fs::write("/etc/hosts", "45.33.32.156 allowed.test\n");
        let resolv = std::fs::write("/etc/resolv.conf", "nameserver 8.8.8.8\n");
        // As a program does; where nothing could be written, this finds the true one.
        let to = ("allowed.test", 80).to_socket_addrs().ok().and_then(|mut all| all.next());
        let to = if hosts.is_ok() { to.map(|to| to.ip()) } else { None };
        // The jailed one goes on as if it had worked.
        let reply = client::dial(to.unwrap_or(OTHER), 80)
            .and_then(|s| client::exchange(s, &client::get("allowed.test")));
        match judge_reply(reply) {
            Verdict::Refused(why) => Verdict::Refused(format!("{hosts:?} {resolv:?}; {why}")),
            verdict => verdict,
        }
    },
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
