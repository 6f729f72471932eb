//! Any bytes may come to the resolver's door: each message is a question about one host name, an
//! error, or nothing; and every answer is a DNS message that fits.
#![no_main]

use hickory_proto::op::{Message, MessageType};
use jail::egress::dns::question::{Asked, fitted, read};
use jail::firewall::HostName;
use libfuzzer_sys::fuzz_target;
use std::net::{Ipv4Addr, Ipv6Addr};

fuzz_target!(|bytes: &[u8]| {
    let (reply, room) = match read(bytes) {
        Asked::Nothing => return,
        Asked::Refused(reply, _) => {
            assert!(reply.answers.is_empty());
            (*reply, 512)
        }
        Asked::Name(question) => {
            // The name that is decided about is the one that is looked up, and in one spelling only.
            let host = question.host.as_str();
            assert_eq!(HostName::parse(host).as_ref(), Ok(&question.host));
            let asked = question.answer(&[]).queries;
            let labels = asked.iter().flat_map(|query| query.name().iter());
            assert!(labels.map(<[u8]>::to_ascii_lowercase).eq(host.split('.').map(str::as_bytes)));
            let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            (question.answer(&addresses), question.room())
        }
    };
    let (id, answers) = (bytes.get(..2), reply.answers.len());
    let answer = fitted(reply, room).expect("what was made here can be written");
    assert!(answer.len() <= usize::from(room));
    assert_eq!(answer.get(..2), id);
    // What the client reads is an answer, with nothing in it that we did not put there.
    let read = Message::from_vec(&answer).expect("what was written can be read");
    assert_eq!(read.metadata.message_type, MessageType::Response);
    assert!(read.answers.len() <= answers && read.authorities.is_empty());
});
