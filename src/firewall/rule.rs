//! Rules: values, without the file that they came from.

use super::{Endpoint, HostPattern, Ports};
use crate::policy::{Origin, ToolId};
use std::fmt;
use std::time::SystemTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A header that the proxy adds on the way out; its value never enters the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inject {
    /// A header name, such as `Authorization`.
    pub header: String,
    /// The name of an entry of the manifest's `secrets`.
    pub secret: String,
    /// The value with `%s` where the secret goes: `Bearer %s`.
    pub format: String,
}

/// Headers that frame a message, say where it goes or belong to one connection: the proxy sets them
/// itself, and a second one is read differently by different servers.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl Inject {
    /// May no rule set this header? In any spelling.
    pub fn is_reserved(header: &str) -> bool {
        let header = header.to_ascii_lowercase();
        RESERVED.contains(&header.as_str()) || header.starts_with("proxy-")
    }
}

/// One rule of a manifest, of the workspace's firewall or of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub effect: Effect,
    /// For this tool only; `None`: for every connector of the workspace.
    pub tool: Option<ToolId>,
    pub host: HostPattern,
    pub ports: Ports,
    /// Any bytes: neither TLS nor HTTP is looked for.
    pub raw: bool,
    /// The name may have addresses that are not public (loopback, private, link-local, …).
    pub private: bool,
    /// The client may use Encrypted Client Hello, which hides the name that it really asks for.
    pub ech: bool,
    pub inject: Option<Inject>,
    /// From then on the rule does not count.
    pub expires: Option<SystemTime>,
    /// Why it is there, in the words of who made it.
    pub because: Option<String>,
    pub origin: Origin,
}

impl Rule {
    /// A plain rule without conditions.
    pub fn new(effect: Effect, host: HostPattern, ports: Ports, origin: Origin) -> Self {
        Self {
            effect,
            tool: None,
            host,
            ports,
            raw: false,
            private: false,
            ech: false,
            inject: None,
            expires: None,
            because: None,
            origin,
        }
    }

    /// False for one of another tool and for one that has expired.
    pub fn counts(&self, tool: Option<&ToolId>, now: SystemTime) -> bool {
        (self.tool.as_ref().is_none_or(|own| Some(own) == tool)
            || crate::planted::broken(crate::planted::Control::OtherTools))
            && self.expires.is_none_or(|end| now < end)
    }
}

/// What it is about, without its effect: `db.example.com:5432 (raw, private)`. The value that is
/// injected is a secret's name.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = Endpoint { host: self.host.clone(), port: self.ports.one() };
        endpoint.fmt(f)?;
        let inject = self.inject.as_ref();
        let inject = inject.map(|inject| format!("{} from {}", inject.header, inject.secret));
        let flags = [("raw", self.raw), ("private", self.private), ("ech", self.ech)];
        let set = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned());
        let conditions: Vec<String> = set.chain(inject).collect();
        if conditions.is_empty() { Ok(()) } else { write!(f, " ({})", conditions.join(", ")) }
    }
}

/// All rules that can concern one connector, in no particular order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ports that some rule allows now: where the proxy has to listen.
    pub fn allowed_ports(&self, tool: Option<&ToolId>, now: SystemTime) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .0
            .iter()
            .filter(|rule| rule.effect == Effect::Allow && rule.counts(tool, now))
            .flat_map(|rule| {
                // A header is injected into plain HTTP, which comes to port 80.
                let plain = rule.inject.as_ref().map(|_| 80);
                rule.ports.one().into_iter().chain(plain)
            })
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}
