//! From a question to its answer: asks the gate, looks up, vets, remembers.

use super::super::gate::{Gate, Grant};
use super::super::hold::Client;
use super::super::resolve::{Family, NotResolved};
use super::super::route::Path;
use super::question::{Asked, Question, Refusal, read};
use crate::firewall::{Denial, Door, Host, Reason};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::time::Instant;

/// The answer to a message, and how many bytes of it a datagram may have.
pub(super) async fn answer(
    gate: &Gate,
    bytes: &[u8],
    client: Client<'_>,
) -> Option<(Message, u16)> {
    match read(bytes) {
        Asked::Nothing => None,
        Asked::Refused(reply, Refusal { name, why }) => {
            let reason = if reply.metadata.response_code == ResponseCode::NXDomain {
                Reason::BadHost { why }
            } else {
                Reason::Malformed { why }
            };
            gate.denied(&Denial::of_text(&gate.config.who, &name, 0, Door::Dns, reason));
            Some((*reply, 512))
        }
        Asked::Name(question) => Some((name(gate, &question, client).await, question.room())),
    }
}

async fn name(gate: &Gate, question: &Question, client: Client<'_>) -> Message {
    let host = Host::Name(question.host.clone());
    if question.host.as_str() == "localhost" {
        // RFC 6761, 6.3: the jail's own loopback, which nobody else needs to know about.
        return question.answer(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let asked = match question.kind {
        RecordType::A | RecordType::AAAA | RecordType::HTTPS => {
            gate.ask_owner(&host, 0, Door::Dns, client).await
        }
        // Whoever asks for these does not connect.
        _ => gate.ask(&host, 0, Door::Dns),
    };
    let grant = match asked {
        Ok(grant) => grant,
        Err(denial) => {
            refused(gate, question, &denial);
            return question.error(ResponseCode::NXDomain);
        }
    };
    let Some(v6) = question.wants_v6() else {
        // The name exists, and has nothing of that kind. HTTPS and SVCB records would lead clients to
        // other ports, to QUIC and to encrypted names.
        return question.answer(&[]);
    };
    match look_up(gate, &grant, question, v6).await {
        Ok(addresses) => {
            gate.names.borrow_mut().answered(&question.host, &addresses);
            question.answer(&addresses)
        }
        Err(code) => question.error(code),
    }
}

/// Once for all the kinds of address that a client asks for.
fn refused(gate: &Gate, question: &Question, denial: &Denial) {
    if gate.questions.borrow_mut().is_new(&question.host, question.kind, Instant::now()) {
        gate.denied(denial);
    }
}

async fn look_up(
    gate: &Gate,
    grant: &Grant,
    question: &Question,
    v6: bool,
) -> Result<Vec<IpAddr>, ResponseCode> {
    let deny = |reason, code| {
        refused(gate, question, &gate.denial(grant, reason));
        Err(code)
    };
    if let Err(reason) = gate.may_look_up(grant) {
        return deny(reason, ResponseCode::ServFail);
    }
    let family = if v6 { Family::V6 } else { Family::V4 };
    let lookup = gate.resolver.family(&question.host, family);
    let patience = gate.config.limits.dial;
    let found = match tokio::time::timeout(patience, lookup).await {
        Ok(Ok(found)) => found,
        Ok(Err(NotResolved::NoSuchName)) => {
            let why = NotResolved::NoSuchName.to_string();
            return deny(Reason::NoAddress { why }, ResponseCode::NXDomain);
        }
        Ok(Err(NotResolved::Failed(why))) => {
            return deny(Reason::NoAddress { why }, ResponseCode::ServFail);
        }
        Err(_) => {
            let why = "no answer in time".to_owned();
            return deny(Reason::NoAddress { why }, ResponseCode::ServFail);
        }
    };
    if found.is_empty() {
        return Ok(found);
    }
    match gate.vet(grant, found) {
        // Without a route, a client would only try in vain; and some do not try the other family.
        Ok(vetted) => Ok(vetted
            .into_iter()
            .filter(|address| address.is_ipv4() || gate.path(*address) != Path::None)
            .collect()),
        Err(reason) => deny(reason, ResponseCode::NXDomain),
    }
}
