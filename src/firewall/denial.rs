//! What was refused, why, and what would allow it.

use super::{Door, Host, Who, address, command};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Why a connection or request was refused. The serialised `code` is stable: it is in the audit log and
/// in the `jail-denied` header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Reason {
    NotListed,
    /// `rule` is where the rule stands, `lift` the command that takes it away, where one can.
    DeniedByRule {
        rule: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lift: Option<String>,
    },
    OtherPort {
        allowed: Vec<u16>,
    },
    Expired {
        rule: String,
    },
    OtherTool {
        // Flattened into a denial, which has a `tool` already.
        #[serde(rename = "only")]
        tool: String,
    },
    /// The name is no host name.
    BadHost {
        why: String,
    },
    /// An address was asked for by number, and no rule names it.
    AddressNotListed,
    /// The name resolves to addresses that are not public, and the rule does not say `private`.
    NotPublic {
        address: IpAddr,
        class: String,
    },
    /// The name has no address, or resolving it failed.
    NoAddress {
        why: String,
    },
    /// No answer of the resolver gave this address to the connector.
    UnknownAddress,
    /// Several allowed names share this address, and nothing said which one is meant.
    Ambiguous {
        names: Vec<String>,
    },
    NotTls,
    NoSni,
    /// Encrypted Client Hello.
    Ech,
    SniMismatch {
        sni: String,
    },
    /// The `Host` of a request is not the target.
    HostMismatch {
        // Flattened into a denial, which has a `host` already.
        #[serde(rename = "asked")]
        host: String,
    },
    /// TLS is not made on behalf of a client that sent `https://` in absolute form.
    HttpsAbsoluteForm,
    /// Breaks HTTP, SOCKS, DNS or TLS in a way that two readers could read differently.
    Malformed {
        why: String,
    },
    /// A limit of the connector: connections, header size, waiting time.
    Limit {
        what: String,
    },
    /// Only TCP goes out.
    NotTcp {
        protocol: String,
    },
    /// Allowed, but the host (or the upstream proxy) could not be reached.
    Unreachable {
        why: String,
    },
    /// The rule that allowed it is gone.
    Revoked,
    /// It was held while its owner was asked, for so long.
    Unanswered {
        request: String,
        waited: String,
    },
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Host as policy sees it, or what the connector sent where that is none (control bytes escaped,
    /// at most 255 characters).
    pub host: String,
    pub port: u16,
    pub door: Door,
    #[serde(flatten)]
    pub reason: Reason,
    /// The tool whose rules would have to allow it.
    pub tool: Option<String>,
}

impl Denial {
    pub fn new(who: &Who, host: &Host, port: u16, door: Door, reason: Reason) -> Self {
        Self::of_text(who, &host.to_string(), port, door, reason)
    }

    /// For a host that is none; the text is made safe to print.
    pub fn of_text(who: &Who, host: &str, port: u16, door: Door, reason: Reason) -> Self {
        // Bounded as it is shown: an escape is up to ten times as long as its character.
        let host = host.chars().take(255).flat_map(char::escape_default).take(255).collect();
        let tool = who.tool.as_ref().map(ToString::to_string);
        Self { host, port, door, reason, tool }
    }

    /// The command that would allow it; `None` where no rule can.
    pub fn fix(&self) -> Option<String> {
        let flag = match &self.reason {
            Reason::NotListed
            | Reason::OtherPort { .. }
            | Reason::Expired { .. }
            | Reason::OtherTool { .. }
            | Reason::AddressNotListed
            | Reason::Revoked => "",
            // `private` does not cover it: who means it names it.
            Reason::NotPublic { address, class } if class == address::METADATA => {
                return Some(format!("jail firewall allow {}", target_of(address, self.port)));
            }
            Reason::NotPublic { .. } => " --private",
            Reason::NotTls | Reason::NoSni => " --raw",
            Reason::Ech => " --ech",
            Reason::DeniedByRule { lift, .. } => return lift.clone(),
            Reason::Unanswered { request, .. } => {
                return Some(format!("jail approvals approve {request}"));
            }
            _ => return None,
        };
        let tool = self.tool.as_ref().map(|tool| format!("--tool {tool} ")).unwrap_or_default();
        Some(format!("jail firewall allow {tool}{}{flag}", command::quoted(&self.target())))
    }

    /// `host:port`, without the port where it is the default one or unknown.
    pub fn target(&self) -> String {
        target_of(&self.host, self.port)
    }
}

fn target_of(host: &impl ToString, port: u16) -> String {
    let host = host.to_string();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    match port {
        0 | 443 => host,
        port => format!("{host}:{port}"),
    }
}

impl Reason {
    /// The stable code, as it is serialised.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotListed => "not-listed",
            Self::DeniedByRule { .. } => "denied-by-rule",
            Self::OtherPort { .. } => "other-port",
            Self::Expired { .. } => "expired",
            Self::OtherTool { .. } => "other-tool",
            Self::BadHost { .. } => "bad-host",
            Self::AddressNotListed => "address-not-listed",
            Self::NotPublic { .. } => "not-public",
            Self::NoAddress { .. } => "no-address",
            Self::UnknownAddress => "unknown-address",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NotTls => "not-tls",
            Self::NoSni => "no-sni",
            Self::Ech => "ech",
            Self::SniMismatch { .. } => "sni-mismatch",
            Self::HostMismatch { .. } => "host-mismatch",
            Self::HttpsAbsoluteForm => "https-absolute-form",
            Self::Malformed { .. } => "malformed",
            Self::Limit { .. } => "limit",
            Self::NotTcp { .. } => "not-tcp",
            Self::Unreachable { .. } => "unreachable",
            Self::Revoked => "revoked",
            Self::Unanswered { .. } => "unanswered",
        }
    }
}

/// One line, fit for an HTTP status phrase: no control characters, nothing but ASCII.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed => f.write_str("no rule allows it"),
            Self::DeniedByRule { rule, .. } => write!(f, "denied by {rule}"),
            Self::OtherPort { allowed } => write!(f, "allowed at port {} only", list(allowed)),
            Self::Expired { rule } => write!(f, "the rule has expired ({rule})"),
            Self::OtherTool { tool } => write!(f, "allowed for {tool} only"),
            Self::BadHost { why } => write!(f, "not a host name: {why}"),
            Self::AddressNotListed => f.write_str("an address, and no rule names it"),
            Self::NotPublic { address, class } => write!(f, "it resolves to {address} ({class})"),
            Self::NoAddress { why } => write!(f, "it has no address: {why}"),
            Self::UnknownAddress => f.write_str("an address that no allowed name has"),
            Self::Ambiguous { names } => {
                write!(f, "several names have this address: {}", list(names))
            }
            Self::NotTls => f.write_str("not TLS"),
            Self::NoSni => f.write_str("TLS without a server name"),
            Self::Ech => f.write_str("TLS with an encrypted server name (ECH)"),
            Self::SniMismatch { sni } => write!(f, "TLS for another server name: {sni}"),
            Self::HostMismatch { host } => write!(f, "a request for another host: {host}"),
            Self::HttpsAbsoluteForm => f.write_str("https must come as CONNECT"),
            Self::Malformed { why } => write!(f, "malformed: {why}"),
            Self::Limit { what } => write!(f, "over a limit: {what}"),
            Self::NotTcp { protocol } => write!(f, "{protocol}: only TCP goes out"),
            Self::Unreachable { why } => write!(f, "cannot be reached: {why}"),
            Self::Revoked => f.write_str("the rule that allowed it was removed"),
            Self::Unanswered { waited, .. } => write!(f, "nobody answered within {waited}"),
        }
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_is_short_and_printable() {
        let who = Who {
            connector: crate::policy::ConnectorName::of_command("x".as_ref()),
            tool: None,
            run: None,
        };
        for text in ["\u{fffd}".repeat(255), "\u{1b}[2J\u{202e}\n".repeat(99), "a".repeat(999)] {
            let denial = Denial::of_text(&who, &text, 443, Door::Socks, Reason::NotTls);
            assert_eq!(denial.host.len(), 255);
            assert!(denial.host.bytes().all(|byte| byte.is_ascii_graphic()), "{}", denial.host);
        }
    }

    #[test]
    fn every_reason_survives_the_way_to_the_supervisor() {
        let text = || "x".to_owned();
        let address = IpAddr::from([10, 0, 0, 1]);
        let reasons = [
            Reason::NotListed,
            Reason::DeniedByRule { rule: text(), lift: Some(text()) },
            Reason::OtherPort { allowed: vec![80] },
            Reason::Expired { rule: text() },
            Reason::OtherTool { tool: text() },
            Reason::BadHost { why: text() },
            Reason::AddressNotListed,
            Reason::NotPublic { address, class: text() },
            Reason::NoAddress { why: text() },
            Reason::UnknownAddress,
            Reason::Ambiguous { names: vec![text()] },
            Reason::NotTls,
            Reason::NoSni,
            Reason::Ech,
            Reason::SniMismatch { sni: text() },
            Reason::HostMismatch { host: text() },
            Reason::HttpsAbsoluteForm,
            Reason::Malformed { why: text() },
            Reason::Limit { what: text() },
            Reason::NotTcp { protocol: text() },
            Reason::Unreachable { why: text() },
            Reason::Revoked,
            Reason::Unanswered { request: text(), waited: text() },
        ];
        for reason in reasons {
            let tool = Some("cloned.mcp.web@v1".to_owned());
            let denial = Denial { host: text(), port: 443, door: Door::Connect, reason, tool };
            let json = serde_json::to_string(&denial).unwrap();
            assert_eq!(serde_json::from_str::<Denial>(&json).unwrap(), denial, "{json}");
        }
    }
}
