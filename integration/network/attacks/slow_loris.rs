//! Begins many connections, and sends a byte of each now and then: each takes a place for ever.
//!
//! Stopped by: the time in which a request, or the hello of TLS, must be there. Meanwhile others are served.

use super::prelude::*;
use std::time::{Duration, Instant};

/// More than the proxy gives, and less than the harness does.
const LONG_ENOUGH: Duration = Duration::from_secs(14);
const OF_EACH: usize = 12;

/// A way in, and what is sent there bit by bit.
fn begin(door: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    // Nothing of it is complete before its last byte, which is never sent.
    let head = [b"GET http://allowed.test/ HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 200]].concat();
    match door {
        "http" => Ok((client::dial(world::DOOR, world::HTTP_DOOR)?, head)),
        "socks" => {
            let mut stream = client::dial(world::DOOR, world::SOCKS_DOOR)?;
            stream.write_all(&[5, 200])?;
            Ok((stream, vec![1; 199]))
        }
        "connect" => Ok((client::tunnel("allowed.test:443")?, tls::hello(Some("allowed.test")))),
        _ => {
            let address = client::resolve("allowed.test")[0];
            Ok((client::dial(address, 443)?, tls::hello(Some("allowed.test"))))
        }
    }
}

/// True while the other side has neither closed nor answered.
fn is_held(stream: &mut TcpStream, byte: u8) -> bool {
    let sent = stream.write_all(&[byte]).is_ok();
    let silent = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
    sent && stream.peek(&mut [0]).is_err_and(silent)
}

pub const ATTACK: Attack = Attack {
    name: "slow_loris",
    about: "requests and hellos that never end",
    attack: |env| {
        let doors = ["http", "socks", "connect", "direct"];
        let all = doors.iter().flat_map(|door| [*door; OF_EACH]);
        let begun: io::Result<Vec<_>> = all.map(begin).collect();
        let mut begun = match begun {
            Ok(begun) => begun,
            Err(error) => return Verdict::Refused(format!("it did not begin: {error}")),
        };
        for (stream, _) in &begun {
            stream.set_nonblocking(true).expect("nonblocking");
        }
        let (until, count) = (Instant::now() + LONG_ENOUGH, begun.len());
        for turn in 0.. {
            begun.retain_mut(|(stream, bytes)| is_held(stream, bytes[turn.min(bytes.len() - 2)]));
            if let Err(why) = client::allowed_works() {
                return Verdict::Escaped(format!("nobody else is served: {why}"));
            }
            let left = begun.len();
            let ended = if env.jailed { left == 0 } else { left < count };
            if ended || Instant::now() > until {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        match begun.len() {
            left if left == count => Verdict::Escaped(format!("all {left} were held")),
            0 => Verdict::Refused("each was ended".into()),
            left if env.jailed => Verdict::Escaped(format!("{left} of {count} were held")),
            left => Verdict::Refused(format!("{left} of {count} were held")),
        }
    },
    ..BASE
};
