//! What the proxy refused: can a rule allow it, and should one?

use super::{Finding, Remedy, Weight};
use crate::firewall::{Endpoint, Host, HostPattern, address};
use std::net::IpAddr;

const METADATA: &str =
    "this is a cloud metadata service, which hands out the machine's own credentials";
const PRIVATE: &str =
    "it is not of the public internet, but of this machine or of a network around it";
const ADDRESS: &str =
    "an address does not say who is behind it; name the host instead where it has a name";
const RAW: &str = "raw lets any bytes pass: nothing shows any more which host is meant";
const ECH: &str = "the name that is really asked for stays hidden";
const DENIED: &str = "somebody denied it on purpose";

pub(super) fn judge(finding: &mut Finding) {
    split_code(finding);
    let code = finding.code.as_ref().map_or("", |code| code.as_str()).to_owned();
    (finding.weight, finding.remedy) = match verdict(&code, finding) {
        Remedy::Change { think_twice: None } => {
            (Weight::Rule, Remedy::Change { think_twice: None })
        }
        remedy @ Remedy::Change { .. } => (Weight::Doubtful, remedy),
        remedy @ Remedy::Advice { .. } => (Weight::Trouble, remedy),
        remedy @ Remedy::None { .. } => (Weight::Never, remedy),
    };
    let trouble = matches!(code.as_str(), "no-address" | "unreachable");
    if trouble {
        finding.weight = Weight::Trouble;
    }
}

/// The reason begins with its code, which is all that records of earlier versions have.
fn split_code(finding: &mut Finding) {
    let Some((code, rest)) = finding.reason.split_once(": ") else { return };
    let is_code = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if is_code && finding.code.as_ref().is_none_or(|known| known.as_str() == code) {
        finding.code = Some(code.into());
        finding.reason = rest.to_owned();
    }
}

fn verdict(code: &str, finding: &Finding) -> Remedy {
    let endpoint: Option<Endpoint> = finding.object.as_str().parse().ok();
    let change = |think_twice| match endpoint {
        Some(_) => Remedy::Change { think_twice },
        None => Remedy::None { because: "it is many hosts, or none" },
    };
    match code {
        "not-listed" | "other-port" | "expired" | "other-tool" | "revoked" | "unanswered" => {
            change(endpoint.as_ref().and_then(address_of).map(doubt))
        }
        "address-not-listed" | "unknown-address" => {
            change(Some(endpoint.as_ref().and_then(address_of).map_or(ADDRESS, doubt)))
        }
        "not-public" => {
            let address = finding.address.as_ref().and_then(|text| text.as_str().parse().ok());
            let metadata = address.is_some_and(address::is_metadata);
            change(Some(if metadata { METADATA } else { PRIVATE }))
        }
        "not-tls" | "no-sni" => change(Some(RAW)),
        "ech" => change(Some(ECH)),
        "denied-by-rule" if finding.fix.is_some() => Remedy::Change { think_twice: Some(DENIED) },
        "denied-by-rule" => Remedy::Advice {
            text:
                "the rule that denies it is in a manifest or on the command line: take it out there"
                    .to_owned(),
        },
        "limit" if connections(finding).is_some() => Remedy::Change { think_twice: None },
        _ => other(code),
    }
}

fn other(code: &str) -> Remedy {
    let because = match code {
        "sni-mismatch" => {
            "a connection to one host that asks for another one inside is what domain fronting is; \
             the client must connect to the name that it asks for"
        }
        "host-mismatch" => "a request must be for the host that it is sent to",
        "ambiguous" => {
            "the client must say which name it means: with TLS and a server name, or through the \
             proxy (http_proxy, https_proxy)"
        }
        "https-absolute-form" => "the client must ask for a tunnel (CONNECT) instead",
        "malformed" => "what two readers could read differently is never passed on",
        "bad-host" => "it is no host name",
        "not-tcp" => "only TCP goes out; most clients that try QUIC go on with TLS",
        "limit" => "the bound is fixed",
        "no-address" => "it is allowed: the name itself, or its servers, have no answer",
        "unreachable" => "it is allowed: the host, or the way to it, does not answer",
        _ => "this version of jail does not know the reason",
    };
    Remedy::None { because }
}

fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    match endpoint.host {
        HostPattern::Exact(Host::Address(address)) => Some(address),
        _ => None,
    }
}

fn doubt(address: IpAddr) -> &'static str {
    if address::is_metadata(address) {
        METADATA
    } else if address::not_public(address).is_some() {
        PRIVATE
    } else {
        ADDRESS
    }
}

/// The limit of connections, where that is the one that was reached.
pub(super) fn connections(finding: &Finding) -> Option<u64> {
    let text = finding.reason.strip_prefix("over a limit: ")?;
    text.strip_suffix(" connections at one time")?.parse().ok()
}
