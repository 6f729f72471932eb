//! Rules: values, without the file that they came from.

use super::Who;
use super::{Endpoint, Host, HostPattern, Ports};
use crate::policy::{ConnectorName, Origin, ToolId};
use std::fmt;
use std::time::SystemTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// What happens to hosts that no rule names.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// They are refused.
    #[default]
    Deny,
    /// The connection is held while its owner is asked.
    Ask,
}

impl Unlisted {
    pub fn name(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
        }
    }
}

impl std::str::FromStr for Unlisted {
    type Err = crate::policy::Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "deny" => Ok(Self::Deny),
            "ask" => Ok(Self::Ask),
            _ => Err(crate::policy::Malformed::new("`deny` or `ask`", text)),
        }
    }
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
    /// For this connector only, whatever tool it stands behind.
    pub connector: Option<ConnectorName>,
    /// For this run only.
    pub run: Option<String>,
    /// For one connection of that run.
    pub once: bool,
    /// The request for approval that it answers.
    pub request: Option<String>,
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
    /// When it was made, where that was by a command or by an answer. Two answers to one request differ in it.
    pub at: Option<SystemTime>,
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
            connector: None,
            run: None,
            once: false,
            request: None,
            host,
            ports,
            raw: false,
            private: false,
            ech: false,
            inject: None,
            expires: None,
            at: None,
            because: None,
            origin,
        }
    }

    /// False for one of another tool, connector or run and for one that has expired.
    pub fn counts(&self, who: &Who, now: SystemTime) -> bool {
        (self.tool.as_ref().is_none_or(|own| Some(own) == who.tool.as_ref())
            || crate::planted::broken(crate::planted::Control::OtherTools))
            && self.connector.as_ref().is_none_or(|own| *own == who.connector)
            && self.run.as_ref().is_none_or(|own| Some(own) == who.run.as_ref())
            && self.expires.is_none_or(|end| now < end)
    }

    /// How narrowly it says whom it is for; among rules that allow, the narrowest counts.
    pub fn narrowness(&self) -> u8 {
        u8::from(self.run.is_some()) * 4
            + u8::from(self.tool.is_some()) * 2
            + u8::from(self.connector.is_some())
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

    /// Has the owner answered that this host may have an address that is not public? That counts beside the
    /// rule that allows the host, which may be for fewer and so be the one that decides.
    pub fn grant_private(&self, who: &Who, host: &Host, port: u16, now: SystemTime) -> bool {
        self.0.iter().any(|rule| {
            rule.effect == Effect::Allow
                && rule.private
                && rule.request.is_some()
                && rule.counts(who, now)
                && rule.host.matches(host)
                && rule.ports.contain(port)
        })
    }

    /// The ports that some rule allows now: where the proxy has to listen.
    pub fn allowed_ports(&self, who: &Who, now: SystemTime) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .0
            .iter()
            .filter(|rule| rule.effect == Effect::Allow && rule.counts(who, now))
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
