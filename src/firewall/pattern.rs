//! What a rule names: a host or all names below one, and its ports.

use super::host::NotAHost;
use super::{Host, HostName};
use std::fmt;
use std::str::FromStr;

/// The port of a rule that names none.
pub const DEFAULT_PORT: u16 = 443;

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

/// `HOST[:PORT]` as rules are written, in files and on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub host: HostPattern,
    /// `None`: none was written.
    pub port: Option<u16>,
}

/// Why a text is no `HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEndpoint {
    #[error("{0}")]
    Host(#[from] NotAHost),
    #[error("`*` stands for whole labels at the start: `*.example.com`")]
    Star,
    #[error("`{0}` is a public suffix: everybody can have a name below it")]
    PublicSuffix(HostName),
    #[error("a port is a number from 1 to 65535, not {0:?}")]
    Port(String),
    #[error("an IPv6 address stands in brackets")]
    NoBrackets,
    #[error("a rule names hosts, not URLs")]
    Url,
}

impl HostPattern {
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(own), host) => own == host,
            (Self::Below(parent), Host::Name(name)) => name.is_below(parent),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }

    /// True where it matches whatever the other one matches.
    pub fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(host) => self.matches(host),
            Self::Below(name) => match self {
                Self::Exact(_) => false,
                Self::Below(own) => own == name || name.is_below(own),
            },
        }
    }
}

impl FromStr for HostPattern {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let Some(parent) = text.strip_prefix("*.") else {
            return match text.contains('*') {
                true => Err(NotAnEndpoint::Star),
                false => Ok(Self::Exact(Host::parse(text)?)),
            };
        };
        if parent.contains('*') {
            return Err(NotAnEndpoint::Star);
        }
        let parent = HostName::parse(parent)?;
        // Of a suffix, or of a name of one label, there is no domain that somebody owns.
        match psl::domain_str(parent.as_str()) {
            Some(_) => Ok(Self::Below(parent)),
            None => Err(NotAnEndpoint::PublicSuffix(parent)),
        }
    }
}

impl Endpoint {
    /// As a rule that allows has it: one port, 443 where none was written.
    pub fn to_allow(&self) -> (HostPattern, Ports) {
        (self.host.clone(), Ports::One(self.port.unwrap_or(DEFAULT_PORT)))
    }

    /// As a rule that denies has it: all ports where none was written.
    pub fn to_deny(&self) -> (HostPattern, Ports) {
        (self.host.clone(), self.port.map_or(Ports::All, Ports::One))
    }

    /// What was probably meant by a text that is none.
    pub fn meant(text: &str) -> Option<String> {
        let candidate = match text.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let authority = rest.get(..end)?;
                let host = authority.rsplit('@').next().unwrap_or(authority);
                let plain =
                    scheme == "http" && host.parse::<Self>().is_ok_and(|e| e.port.is_none());
                if plain { format!("{host}:80") } else { host.to_owned() }
            }
            None => match text.parse::<Host>() {
                Ok(address @ Host::Address(_)) => format!("[{address}]"),
                Err(NotAHost::OtherSpelling(name)) => name,
                _ => return None,
            },
        };
        candidate.parse::<Self>().is_ok().then_some(candidate)
    }
}

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        if text.contains("://") {
            return Err(NotAnEndpoint::Url);
        }
        let (host, port) = if text.starts_with('[') {
            // In brackets a colon is the address's own.
            let end = text.find(']').ok_or(NotAHost::Brackets)?;
            let (host, rest) = text.split_at(end + 1);
            let port = rest.strip_prefix(':');
            if port.is_none() && !rest.is_empty() {
                return Err(NotAHost::Brackets.into());
            }
            (host, port)
        } else {
            match text.split_once(':') {
                Some((_, rest)) if rest.contains(':') => return Err(NotAnEndpoint::NoBrackets),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        Ok(Self { host: host.parse()?, port: port.map(self::port).transpose()? })
    }
}

/// Decimal digits alone: `u16` would also take a sign.
fn port(text: &str) -> Result<u16, NotAnEndpoint> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    let wrong = || NotAnEndpoint::Port(text.chars().take(20).collect());
    number.filter(|&number| number != 0).ok_or_else(wrong)
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

/// As it is written: an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Exact(Host::Address(address)) if address.is_ipv6() => {
                write!(f, "[{address}]")?;
            }
            host => host.fmt(f)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn refused(text: &str) -> NotAnEndpoint {
        text.parse::<Endpoint>().expect_err(text)
    }

    #[test]
    fn endpoints_are_shown_as_they_are_read() {
        for (text, shown) in [
            ("api.example.com", "api.example.com"),
            ("API.example.com.:8443", "api.example.com:8443"),
            ("*.Example.com", "*.example.com"),
            ("*.example.com.:80", "*.example.com:80"),
            ("exämple.com", "xn--exmple-cua.com"),
            ("10.0.0.7:5432", "10.0.0.7:5432"),
            ("[::1]", "[::1]"),
            ("[2001:DB8:0::1]:80", "[2001:db8::1]:80"),
            ("[::ffff:10.0.0.7]:80", "10.0.0.7:80"),
            ("localhost:00080", "localhost:80"),
        ] {
            let read = endpoint(text);
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(endpoint(shown), read);
        }
    }

    #[test]
    fn a_port_that_is_not_written_is_443_or_all() {
        assert_eq!(endpoint("a.example").to_allow().1, Ports::One(443));
        assert_eq!(endpoint("a.example").to_deny().1, Ports::All);
        assert_eq!(endpoint("a.example:1").to_allow().1, Ports::One(1));
        assert_eq!(endpoint("a.example:1").to_deny().1, Ports::One(1));
    }

    #[test]
    fn a_star_is_for_names_below_a_name_that_somebody_owns() {
        for text in [
            "*.example.com",
            "*.a.example.com",
            "*.example.co.uk",
            "*.me.github.io",
            "*.食狮.公司.cn",
        ] {
            assert!(matches!(endpoint(text).host, HostPattern::Below(_)), "{text}");
        }
        for text in [
            "*.com",
            "*.co.uk",
            "*.github.io",
            "*.s3.amazonaws.com",
            "*.公司.cn",
            "*.internal",
            "*.COM.",
        ] {
            assert!(matches!(refused(text), NotAnEndpoint::PublicSuffix(_)), "{text}");
        }
        for text in [
            "*",
            "**.example.com",
            "*.*.example.com",
            "a.*.example.com",
            "a*.example.com",
            "*example.com",
            "*:443",
        ] {
            assert_eq!(refused(text), NotAnEndpoint::Star, "{text}");
        }
        for text in ["*.", "*.127.0.0.1", "*.0x7f", "*..example.com"] {
            assert!(matches!(refused(text), NotAnEndpoint::Host(_)), "{text}");
        }
    }

    #[test]
    fn a_star_matches_names_below_and_nothing_else() {
        let pattern = endpoint("*.example.com").host;
        for (host, matches) in [
            ("a.example.com", true),
            ("a.b.EXAMPLE.com.", true),
            ("example.com", false),
            ("badexample.com", false),
            ("example.com.evil.example", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(pattern.matches(&Host::parse(host).unwrap()), matches, "{host}");
        }
    }

    #[test]
    fn what_is_no_endpoint() {
        for text in
            ["a:", "a:0", "a:65536", "a:+80", "a:-1", "a: 80", "a:80 ", "a:０", "a:http", "[::1]:"]
        {
            assert!(matches!(refused(text), NotAnEndpoint::Port(_)), "{text}");
        }
        for text in ["::1", "::1:443", "2001:db8::1", "a:80:80", "fe80::1%eth0", "*.[::1]"] {
            assert_eq!(refused(text), NotAnEndpoint::NoBrackets, "{text}");
        }
        for text in [
            "",
            ":443",
            "[::1",
            "[a]:80",
            "[10.0.0.1]:80",
            "[::1]80",
            "[fe80::1%eth0]:80",
            "127.1",
            "0x7f.0.0.0x1",
            "2130706433:80",
            "a.example/path",
            "user@a.example",
            "a\0.example",
            "a..b",
        ] {
            assert!(matches!(refused(text), NotAnEndpoint::Host(_)), "{text}");
        }
        assert_eq!(refused("https://a.example"), NotAnEndpoint::Url);
    }

    #[test]
    fn what_was_meant() {
        for (text, meant) in [
            ("https://a.example/path?x#y", Some("a.example")),
            ("https://u:p@a.example:8443", Some("a.example:8443")),
            ("http://a.example", Some("a.example:80")),
            ("https://[::1]/", Some("[::1]")),
            ("2001:db8::1", Some("[2001:db8::1]")),
            ("ｅxample.com", Some("example.com")),
            ("https://127.1/", None),
            ("::1:443:x", None),
            ("a b", None),
        ] {
            assert_eq!(Endpoint::meant(text).as_deref(), meant, "{text}");
        }
    }
}
