//! What a rule names: a host or all names below one, and its ports.

use super::{Host, HostName};
use std::fmt;

/// `api.example.com`, `192.0.2.1`, or `*.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    Exact(Host),
    /// One or more labels before this name; never the name itself, never a public suffix.
    Below(HostName),
}

/// Which ports a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    One(u16),
    /// Only for rules that deny.
    All,
}

impl HostPattern {
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(own), host) => own == host,
            (Self::Below(parent), Host::Name(name)) => name.is_below(parent),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl Ports {
    pub fn contain(self, port: u16) -> bool {
        match self {
            Self::One(own) => own == port,
            Self::All => true,
        }
    }

    /// The port, where it is one.
    pub fn one(self) -> Option<u16> {
        match self {
            Self::One(port) => Some(port),
            Self::All => None,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}
