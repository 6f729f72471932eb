//! Asks a resolver of its own choice, over UDP and TCP, which would answer anything.
//!
//! Stopped by: port 53 of every address is the jail's own resolver.

use super::prelude::*;

use hickory_proto::rr::RecordType;

pub const ATTACK: Attack = Attack {
    name: "dns_foreign",
    about: "questions to somebody else's resolver",
    attack: |_| {
        let question = client::question("other.test", RecordType::A);
        let framed = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
        let by_tcp = client::dial(world::RESOLVER, 53).and_then(|mut stream| {
            stream.write_all(&framed)?;
            let mut answer = [0; 2];
            stream.read_exact(&mut answer)
        });
        let by_udp = client::ask(world::RESOLVER, "other.test", RecordType::A);
        Verdict::Tried(format!("TCP {by_tcp:?}, UDP {:?}", by_udp.map(|m| m.answers.len())))
    },
    effect: Some(|_, _| {
        let seen = &world::get().seen;
        seen.packet_to(world::RESOLVER).or_else(|| seen.question_of("other.test"))
    }),
    ..BASE
};
