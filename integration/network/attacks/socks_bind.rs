//! SOCKS5's BIND: the proxy listens for whoever comes, and lets them in.
//!
//! Stopped by: the door serves CONNECT alone.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "socks_bind",
    about: "a port of the proxy that strangers connect to",
    attack: |_| {
        let (mut stream, at) = match client::socks_command(2, world::OTHER, 80) {
            Ok(answer) => answer,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        // The stranger, who would be elsewhere.
        let call = client::dial(at.ip(), at.port()).and_then(|mut far| far.write_all(b"let in"));
        let mut got = vec![0; 10 + 6];
        let heard = stream.read_exact(&mut got).map(|()| got.ends_with(b"let in"));
        match call.and(heard) {
            Ok(true) => Verdict::Escaped(format!("a stranger came in at {at}")),
            Ok(false) => Verdict::Tried(format!("it listens at {at}")),
            Err(error) => Verdict::Tried(format!("it says that it listens at {at}: {error}")),
        }
    },
    ..BASE
};
