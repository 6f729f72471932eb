//! Host names and addresses, parsed once: the same value serves the rule, the resolver and the dial.

use std::fmt;
use std::net::IpAddr;

/// A DNS name of letters, digits and hyphens: lower case, A-labels, without the final dot, at most 253
/// bytes, at least one label, and not a spelling of an address (`127.1`, `0x7f.1`, `2130706433`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// What a connector can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Name(HostName),
    /// IPv4-mapped IPv6 addresses are the IPv4 address.
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAHost {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 253 bytes")]
    TooLong,
    #[error("a label is empty or longer than 63 bytes")]
    Label,
    #[error("{0:?} cannot be in a host name")]
    Character(char),
    #[error("it is not text")]
    NotText,
    #[error("a label begins or ends with a hyphen")]
    Hyphen,
    #[error("it has no A-label form")]
    Idna,
    #[error("it is an address in a spelling that programs read differently")]
    AddressSpelling,
    #[error("the address has a zone")]
    Zone,
}

impl Host {
    /// Reads a host as it stands in a URL, a `Host` header, a CONNECT target, a SOCKS5 or DNS name:
    /// `example.com`, `EXAMPLE.com.`, `192.0.2.1`, `[2001:db8::1]` or `2001:db8::1`. No port.
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        HostName::parse(text).map(Self::Name)
    }

    /// The same from the wire, where it need not be text.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAHost> {
        std::str::from_utf8(bytes).map_err(|_| NotAHost::NotText).and_then(Self::parse)
    }
}

impl HostName {
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| NotAHost::Idna)?
        };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if name.is_empty() {
            return Err(NotAHost::Empty);
        }
        if name.len() > 253 {
            return Err(NotAHost::TooLong);
        }
        for label in name.split('.') {
            check_label(label)?;
        }
        // inet_aton(3) reads a last label of digits, or 0x…, as a number.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAHost::AddressSpelling);
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `a.b.example.com` below `example.com`; false for the name itself.
    pub fn is_below(&self, parent: &Self) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

fn check_label(label: &str) -> Result<(), NotAHost> {
    if label.is_empty() || label.len() > 63 {
        return Err(NotAHost::Label);
    }
    let bad = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if let Some(c) = label.chars().find(bad) {
        return Err(NotAHost::Character(c));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NotAHost::Hyphen);
    }
    Ok(())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}
