//! A ClientHello in records of ten bytes: the name is in none of them whole.
//!
//! Stopped by: the hello is put together before it is decided.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "sni_records",
    about: "TLS for another name, cut into many records",
    attack: |_| {
        let hello = tls::hello(Some("other.test"));
        let mut cut = Vec::new();
        for piece in hello[5..].chunks(10) {
            cut.extend([22, 3, 1, 0, u8::try_from(piece.len()).expect("short")]);
            cut.extend(piece);
        }
        judge(client::tunnel("allowed.test:443").and_then(|mut stream| {
            stream.write_all(&cut)?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            // A handshake; what the jail itself says is an alert.
            if answer[0] == 22 { Ok(answer) } else { Err(io::Error::other("an alert")) }
        }))
    },
    effect: Some(|_, _| world::get().seen.find(|seen| matches!(seen, Seen::Bytes { to, first } if to.port() == 443 && !first.is_empty()))),
    ..BASE
};
