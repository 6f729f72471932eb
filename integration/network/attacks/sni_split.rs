//! A ClientHello in many small packets: whoever looks at the first only sees no name.
//!
//! Stopped by: nothing is passed on before the hello is whole.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "sni_split",
    about: "TLS for another name, a byte at a time",
    attack: |_| {
        let hello = tls::hello(Some("other.test"));
        judge(client::tunnel("allowed.test:443").and_then(|mut stream| {
            stream.set_nodelay(true)?;
            for byte in hello {
                stream.write_all(&[byte])?;
            }
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            // A handshake; what the jail itself says is an alert.
            if answer[0] == 22 { Ok(answer) } else { Err(io::Error::other("an alert")) }
        }))
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && !first.is_empty()))),
    ..BASE
};
