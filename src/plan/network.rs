//! What the connector's network is: its own loopback, or one veth pair to the proxy.
//!
//! ```text
//! jail netns                        proxy netns (no process lives there)
//! lo   127.0.0.1                    lo    every address is local (AnyIP)
//! eth0 169.254.77.2 ──────veth───── jail0 169.254.77.1   listeners ···fds···► egress process
//! ```
//!
//! The two namespaces are the jail's own, so that every jail has the same addresses and none has a
//! path to another.

mod messages;

pub use messages::{Batch, Requests};

use super::{FirewallFacts, probe};
use crate::egress::config::{HTTP_PORT, SOCKS_PORT};
use crate::firewall::Unlisted;
use crate::policy::Setting;

/// Sockets for ports that a rule allows while the connector runs, of each family.
const SPARES: u16 = 8;
/// Connections at one time to each published port.
const INWARD: u16 = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkPlan {
    /// Nothing but the jail's own loopback.
    Loopback,
    /// The host's own, of which no socket can be had.
    Barred,
    Proxied(Box<Proxied>),
}

/// A veth pair to a namespace in which the egress process listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxied {
    /// TCP ports that are listened on, on every address: the doors, DNS, and what rules allow now.
    pub ports: Vec<u16>,
    pub ipv6: bool,
    pub spares: u16,
    pub inward: u16,
    /// Nobody listens there: where the proof knocks.
    pub closed: u16,
    /// The workspace's firewall, which the egress process follows.
    pub firewall: FirewallFacts,
    /// What happens to hosts that no rule names.
    pub unlisted: Setting<Unlisted>,
    pub requests: Requests,
}

impl Proxied {
    /// `allowed` are the ports of the rules, `published` how many ports are published.
    pub fn new(allowed: &[u16], published: usize, ipv6: bool) -> Self {
        let mut ports = vec![53, SOCKS_PORT, HTTP_PORT];
        ports.extend(allowed);
        ports.sort_unstable();
        ports.dedup();
        let closed = probe::closed_port(&ports);
        let published = u16::try_from(published.min(16)).unwrap_or(16);
        Self {
            ports,
            ipv6,
            spares: SPARES,
            inward: published * INWARD,
            closed,
            firewall: FirewallFacts::default(),
            unlisted: Setting::built_in(Unlisted::default()),
            requests: Requests::new(ipv6),
        }
    }
}

impl NetworkPlan {
    /// One line per step of the network stage, as explained and as numbered in a fault.
    pub fn steps(&self) -> Vec<String> {
        match self {
            Self::Barred => Vec::new(),
            Self::Loopback => LOOPBACK.iter().map(ToString::to_string).collect(),
            Self::Proxied(plan) => PROXIED
                .iter()
                .map(|step| match *step {
                    LISTEN => format!("{step}: {}", list(&plan.ports)),
                    step => step.to_owned(),
                })
                .collect(),
        }
    }
}

fn list(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// The steps without a way out.
pub const LOOPBACK: [&str; 1] = ["bring the loopback interface up; there is no other"];

const LISTEN: &str = "listen in the proxy namespace";

/// The steps of a proxied network, in order.
pub const PROXIED: [&str; 13] = [
    "hold the proxy namespace",
    "refuse every UDP packet there at once, not some a second (sysctl)",
    LISTEN,
    "answer DNS there",
    "see who knocks at closed ports",
    "keep sockets for ports that are allowed later",
    "unshare the jail's own network namespace",
    "join the two by a veth pair",
    "give both ends addresses",
    "bring both ends up",
    "wait until the kernel has seen both ends up",
    "set routes and neighbours: the proxy end is the only way, and there every address is local",
    "hand the sockets of the jail's namespace out, for published ports",
];
