//! Credentials that never enter the jail: the proxy adds a header and speaks TLS to the real host.

use super::head::RequestHead;
use super::refuse::{Place, Refusal};
use super::upstream::Stream;
use crate::egress::gate::{Gate, Grant};
use crate::firewall::{Host, HostPattern, Inject};
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The rule's header, where the request is one that it is added to: plain HTTP at port 80.
pub(super) fn of(grant: &Grant) -> Option<&Inject> {
    grant.rule.inject.as_ref().filter(|_| grant.port == 80)
}

/// Puts the header in place of the client's own of that name.
pub(super) fn add(
    gate: &Gate,
    grant: &Grant,
    inject: &Inject,
    request: &mut RequestHead,
) -> Result<(), Refusal> {
    let place = Place::from(grant);
    let fail = |why: String| place.unreachable(gate, why);
    if matches!(request.method.as_str(), "TRACE" | "TRACK") {
        return Err(place.malformed(gate, "a method that sends the credential back"));
    }
    let name = &inject.header;
    if Inject::is_reserved(name) {
        return Err(fail(format!("the header {name} cannot be injected")));
    }
    let Some(secret) = gate.config.secrets.get(&inject.secret) else {
        return Err(fail(format!("the secret {} has no value", inject.secret)));
    };
    let value = inject.format.replacen("%s", secret, 1);
    let fits = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 127);
    if !value.bytes().all(fits) {
        return Err(fail(format!("the secret {} cannot be in a header", inject.secret)));
    }
    request.fields.remove(name);
    request.fields.push(name, value.as_bytes());
    Ok(())
}

/// TLS to the rule's host, at the rule's port.
pub(super) async fn connect(
    gate: &Rc<Gate>,
    grant: &Grant,
    addresses: &[IpAddr],
) -> Result<Stream, Refusal> {
    let Some(port) = grant.rule.ports.one() else {
        return Err(Place::from(grant).unreachable(gate, "the rule has no port"));
    };
    let outward = Grant { port, ..grant.clone() };
    let place = Place::from(&outward);
    let fail = |why: String| place.unreachable(gate, why);
    if grant.rule.host != HostPattern::Exact(grant.host.clone()) {
        return Err(fail("a header is injected for exact hosts only".to_owned()));
    }
    let Some(trust) = gate.trust() else {
        return Err(fail("no certificates were loaded to check it by".to_owned()));
    };
    let name = match &outward.host {
        Host::Address(address) => ServerName::from(*address),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|error| fail(error.to_string()))?,
    };
    let stream = gate.dial(&outward, addresses).await?;
    stream.set_nodelay(true).map_err(|error| fail(error.to_string()))?;
    let handshake = TlsConnector::from(trust.config()).connect(name, stream);
    match timeout(gate.config.limits.dial, handshake).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(fail(format!("TLS: {error}"))),
        Err(_) => Err(place.no_answer(gate)),
    }
}
