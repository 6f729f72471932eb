//! A DNS message as it came: what is asked, or what can be said at once. Pure.

use crate::firewall::HostName;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::IpAddr;

/// Seconds that a client may keep an answer.
const TTL: u32 = 30;
/// What fits into a datagram everywhere (DNS flag day 2020).
const LARGEST: u16 = 1232;
const SMALLEST: u16 = 512;

/// What to do with a message.
#[derive(Debug)]
pub enum Asked {
    /// One question about a name.
    Name(Question),
    /// It is answered with an error; the text says why, for the report.
    Refused(Box<Message>, Refusal),
    /// No question at all, so that an answer could only do harm.
    Nothing,
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub name: String,
    pub why: String,
}

/// One question of class IN about a host name.
#[derive(Debug, Clone)]
pub struct Question {
    pub host: HostName,
    pub kind: RecordType,
    /// The answer without its records: id and question exactly as asked, in their case.
    reply: Message,
    /// Bytes that the client takes in a datagram.
    room: u16,
}

/// Reads a message.
pub fn read(bytes: &[u8]) -> Asked {
    let Ok(message) = Message::from_vec(bytes) else {
        return broken(bytes);
    };
    if message.metadata.message_type != MessageType::Query {
        return Asked::Nothing;
    }
    let mut reply = Message::response(message.metadata.id, message.metadata.op_code);
    reply.metadata.recursion_desired = message.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.add_queries(message.queries.iter().cloned());
    if let Some(edns) = &message.edns {
        let mut own = Edns::new();
        own.set_max_payload(LARGEST).set_version(0);
        if edns.version() != 0 {
            own.set_rcode_high(ResponseCode::BADVERS.high());
            reply.metadata.response_code = ResponseCode::BADVERS;
        }
        reply.set_edns(own);
    }
    let refuse = |mut reply: Message, code, why: &str| {
        reply.metadata.response_code = code;
        let name = message.queries.first().map(|query| query.name().to_ascii()).unwrap_or_default();
        Asked::Refused(Box::new(reply), Refusal { name, why: why.to_owned() })
    };
    if reply.metadata.response_code == ResponseCode::BADVERS {
        return refuse(reply, ResponseCode::BADVERS, "an unknown version of EDNS");
    }
    if message.metadata.op_code != OpCode::Query {
        return refuse(reply, ResponseCode::NotImp, "not a standard query");
    }
    let [query] = message.queries.as_slice() else {
        reply.queries.clear();
        return refuse(reply, ResponseCode::FormErr, "not one question");
    };
    if !message.answers.is_empty() || !message.authorities.is_empty() {
        return refuse(reply, ResponseCode::FormErr, "a question with records");
    }
    if query.query_class() != DNSClass::IN {
        return refuse(reply, ResponseCode::Refused, "a class that is not IN");
    }
    if query.query_type() == RecordType::PTR {
        return refuse(reply, ResponseCode::Refused, "names of addresses are not looked up");
    }
    let room = message.edns.as_ref().map_or(SMALLEST, Edns::max_payload);
    let room = room.clamp(SMALLEST, LARGEST);
    match host(query) {
        Ok(host) => Asked::Name(Question { host, kind: query.query_type(), reply, room }),
        Err(why) => refuse(reply, ResponseCode::NXDomain, &why),
    }
}

/// What has a header is told that it is malformed; it says who is told.
fn broken(bytes: &[u8]) -> Asked {
    let Some(&[a, b, flags, ..]) = bytes.get(..12) else {
        return Asked::Nothing;
    };
    if flags & 0x80 != 0 {
        return Asked::Nothing;
    }
    let id = u16::from_be_bytes([a, b]);
    let reply = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
    let why = "not a DNS message".to_owned();
    Asked::Refused(Box::new(reply), Refusal { name: String::new(), why })
}

fn host(query: &Query) -> Result<HostName, String> {
    let mut text = String::new();
    for label in query.name().iter() {
        // A label may hold any byte, a dot too: it must not become two labels.
        let label = std::str::from_utf8(label).map_err(|_| "it is not text".to_owned())?;
        if label.contains('.') || !label.is_ascii() {
            return Err("a label with other characters than a host name's".to_owned());
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(label);
    }
    HostName::parse(&text).map_err(|error| error.to_string())
}

impl Question {
    /// The family of addresses that is asked for; `None`: something else.
    pub fn wants_v6(&self) -> Option<bool> {
        match self.kind {
            RecordType::A => Some(false),
            RecordType::AAAA => Some(true),
            _ => None,
        }
    }

    /// The answer with these addresses; those of the other family are left out.
    pub fn answer(&self, addresses: &[IpAddr]) -> Message {
        let mut reply = self.reply.clone();
        let name = self.reply.queries.first().map(|query| query.name().clone());
        let name: Name = name.unwrap_or_default();
        for address in addresses.iter().filter(|a| Some(a.is_ipv6()) == self.wants_v6()) {
            reply.add_answer(Record::from_rdata(name.clone(), TTL, RData::from(*address)));
        }
        reply
    }

    pub fn error(&self, code: ResponseCode) -> Message {
        let mut reply = self.reply.clone();
        reply.metadata.response_code = code;
        reply
    }

    pub fn room(&self) -> u16 {
        self.room
    }
}

/// The message in at most `room` bytes: with as many of its records as fit. A client that gets some
/// addresses needs no second question over TCP.
pub fn fitted(mut message: Message, room: u16) -> Option<Vec<u8>> {
    loop {
        let bytes = message.to_vec().ok()?;
        if bytes.len() <= usize::from(room) {
            return Some(bytes);
        }
        if message.answers.pop().is_none() {
            message.queries.clear();
            message.metadata.truncation = true;
            return message.to_vec().ok();
        }
    }
}
