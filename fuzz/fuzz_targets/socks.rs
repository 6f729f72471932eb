//! SOCKS5 messages: more bytes never change what was read, none is read twice, and a name that was taken
//! is one that the rules can name.
#![no_main]

use jail::egress::socks::message::{Destination, Greeting, Read, Request, greeting, request};
use jail::firewall::Host;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    match greeting(bytes) {
        Read::Complete(greeting, used) => {
            assert!(used <= bytes.len());
            if greeting != Greeting::V4 {
                same_for_prefixes(greeting_value, &bytes[..used]);
                rest = &bytes[used..];
            }
        }
        Read::Incomplete => assert!(bytes.len() < 2 + 255),
        Read::Malformed(_) => {}
    }
    match request(rest) {
        Read::Complete(asked, used) => {
            same_for_prefixes(request_value, &rest[..used]);
            if let Destination::Host(host) = asked.destination {
                assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host));
            }
        }
        Read::Incomplete => assert!(rest.len() < 4 + 1 + 255 + 2),
        Read::Malformed(_) => {}
    }
});

fn greeting_value(bytes: &[u8]) -> Option<Greeting> {
    if let Read::Complete(value, _) = greeting(bytes) { Some(value) } else { None }
}

fn request_value(bytes: &[u8]) -> Option<Request> {
    if let Read::Complete(value, _) = request(bytes) { Some(value) } else { None }
}

/// A message is complete at its last byte, and not before.
fn same_for_prefixes<T>(parse: fn(&[u8]) -> Option<T>, message: &[u8]) {
    assert!(parse(message).is_some());
    assert!((0..message.len()).all(|length| parse(&message[..length]).is_none()));
}
