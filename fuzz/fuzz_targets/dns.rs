//! Any bytes may come to the resolver's door: each message is a question about one host name, an
//! error, or nothing; and every answer is a DNS message that fits.
#![no_main]

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
            let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            (question.answer(&addresses), question.room())
        }
    };
    let id = bytes.get(..2);
    if let Some(bytes) = fitted(reply, room) {
        assert!(bytes.len() <= usize::from(room));
        assert_eq!(bytes.get(..2), id);
    }
});
