//! Opens as many connections as it can, to use up those of the host. What is allowed must work after it.
//!
//! Stopped by: the limit of a connector's connections.

use super::prelude::*;

const MANY: usize = 400;

pub const ATTACK: Attack = Attack {
    name: "flood",
    about: "hundreds of connections at once",
    attack: |_| {
        // Each sends a request whose answer does not end, and keeps the connection.
        let request = b"GET http://allowed.test/drip HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
        let ask = |_| {
            let mut stream = client::dial(world::DOOR, world::HTTP_DOOR).ok()?;
            stream.write_all(request).ok()?;
            Some(stream)
        };
        let mut streams: Vec<_> = (0..MANY).map_while(ask).collect();
        let answered = |stream: &mut TcpStream| {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).is_ok() && answer.ends_with(b"200")
        };
        let answers = streams.iter_mut().map(answered).filter(|answered| *answered).count();
        Verdict::Tried(format!("{answers} answers at the same time"))
    },
    effect: Some(|_, _| {
        let drips = |seen: &Seen| matches!(seen, Seen::Request { head, .. } if head.contains("/drip"));
        let count = world::get().seen.count(drips);
        // The default is 256.
        (count > 300).then(|| format!("{count} at once"))
    }),
    ..BASE
};
