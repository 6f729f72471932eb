//! What the registry says, as values. Pure.

use crate::policy::Origin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// In the order of the file; names are unique.
    pub services: Vec<Service>,
    pub reserved: Vec<Reserved>,
    pub policy: RegistryPolicy,
}

/// One service and the one port that it may bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: ServiceName,
    pub port: NonZeroU16,
    /// `tcp` where the file does not say.
    pub proto: Proto,
    /// 127.0.0.1 where the file does not say.
    pub bind: IpAddr,
    /// The user, by name or number, that the socket must belong to.
    pub owner: Option<String>,
    /// The connector that publishes it. At most one of `connector`, `container` and `program` is set.
    pub connector: Option<String>,
    /// The name of the container that publishes it.
    pub container: Option<String>,
    /// The executable that listens: a path, or the last part of one.
    pub program: Option<String>,
    pub note: Option<String>,
    /// Where the entry stands.
    pub origin: Origin,
}

/// A range that only one connector may publish from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    pub connector: String,
    pub range: PortRange,
    pub origin: Origin,
}

/// `[a-z0-9]([a-z0-9._-]*[a-z0-9])?`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceName(String);

/// Transport of a port.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Proto {
    #[default]
    Tcp,
    Udp,
}

/// Both ends belong to it; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    first: NonZeroU16,
    last: NonZeroU16,
}

/// How findings are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryPolicy {
    /// A listening port that no service has. `warn` where the file does not say.
    pub unregistered: Judgement,
    /// A socket that other machines can reach. `deny` where the file does not say.
    pub non_loopback: Judgement,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    Allow,
    Warn,
    Deny,
}

impl Default for RegistryPolicy {
    fn default() -> Self {
        Self { unregistered: Judgement::Warn, non_loopback: Judgement::Deny }
    }
}

impl Service {
    /// Where a service listens that says no more than its port.
    pub const DEFAULT_BIND: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// True where not both can be bound at one time.
    pub fn clashes(&self, other: &Self) -> bool {
        self.proto == other.proto && self.port == other.port && overlap(self.bind, other.bind)
    }
}

/// True where a socket on one of these addresses is in the way of one on the other. `::` is taken for
/// both families, as Linux does unless a program asks otherwise.
pub fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let all = |wide: IpAddr, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    one == other || all(one, other) || all(other, one)
}

impl ServiceName {
    const MOST: usize = 64;
    /// The fields of a service: `a.port` would read like a field of `a`.
    const FIELDS: [&str; 8] =
        ["port", "proto", "bind", "owner", "connector", "container", "program", "note"];

    /// # Errors
    /// Says in words what is wrong with the name.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
            return Err("a service needs a name");
        };
        if text.len() > Self::MOST {
            return Err("a name of a service has at most 64 letters");
        }
        let inner = |b: u8| plain(b) || b"._-".contains(&b);
        if !(plain(first) && plain(last) && text.bytes().all(inner)) {
            return Err(
                "a name of a service has lower-case letters, digits, and `.`, `_`, `-` between them",
            );
        }
        if text.rsplit_once('.').is_some_and(|(_, last)| Self::FIELDS.contains(&last)) {
            return Err("a name of a service does not end with `.` and the name of a field");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Proto {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PortRange {
    /// `None` where the first is above the last.
    pub fn new(first: NonZeroU16, last: NonZeroU16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    pub const fn first(self) -> u16 {
        self.first.get()
    }

    pub const fn last(self) -> u16 {
        self.last.get()
    }

    pub fn contains(self, port: u16) -> bool {
        (self.first()..=self.last()).contains(&port)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Registry {
    /// The service that has this port.
    pub fn service(&self, proto: Proto, port: u16) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |s| s.proto == proto && s.port.get() == port)
    }

    /// The service of this name.
    pub fn named(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// The connector that the port is kept for.
    pub fn reserved_for(&self, port: u16) -> Option<&Reserved> {
        self.reserved.iter().find(|reserved| reserved.range.contains(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["localai", "a", "web-preview.2", "9p", "a_b"] {
            assert_eq!(ServiceName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a b", "ä", "a\n", "a.port", &"a".repeat(65)] {
            assert!(ServiceName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wildcard_is_in_the_way_of_its_family() {
        let clash = |one: &str, other: &str| {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(one, other), overlap(other, one));
            overlap(one, other)
        };
        assert!(clash("127.0.0.1", "127.0.0.1") && clash("0.0.0.0", "127.0.0.1"));
        assert!(clash("::", "::1") && clash("::", "127.0.0.1") && clash("::", "0.0.0.0"));
        assert!(!clash("127.0.0.1", "127.0.0.2") && !clash("0.0.0.0", "::1"));
        assert!(!clash("127.0.0.1", "::1"));
    }

    #[test]
    fn a_range_has_both_ends() {
        let port = |n| NonZeroU16::new(n).unwrap();
        let range = PortRange::new(port(3100), port(3199)).unwrap();
        assert!(range.contains(3100) && range.contains(3199));
        assert!(!range.contains(3099) && !range.contains(3200));
        assert_eq!(PortRange::new(port(2), port(1)), None);
    }
}
