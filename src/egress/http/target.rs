//! What a request is for: its target and its `Host`.

use super::head::HeadError;
use crate::firewall::Host;
use std::fmt;

/// `host`, `host:port`, `[v6]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub host: Host,
    pub port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Of CONNECT; the port is always there.
    Authority(Authority),
    /// `http://host[:port]/path?query`; the path begins with `/`, or is `*`.
    Absolute(Authority, String),
    /// `/path?query`.
    Origin(String),
    /// `*`, of OPTIONS.
    Asterisk,
}

impl Authority {
    /// Strict: no user, no empty or padded port, brackets around IPv6 and nothing else.
    pub fn parse(text: &str) -> Result<Self, HeadError> {
        if text.contains('@') {
            return Err(HeadError::Malformed("a user name in the target"));
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => {
                if !address.contains(':') {
                    return Err(HeadError::Malformed("brackets around what is not IPv6"));
                }
                match after.strip_prefix(':') {
                    Some(port) => (address, Some(port)),
                    None if after.is_empty() => (address, None),
                    None => return Err(HeadError::Malformed("text between address and port")),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map(parse_port).transpose()?;
        let host = Host::from_bytes(host.as_bytes())
            .map_err(|why| HeadError::BadHost { text: text.to_owned(), why })?;
        Ok(Self { host, port })
    }

    /// True where a `Host` field says the same: its host, and its port if it has one.
    pub fn is_meant_by(&self, field: &Self) -> bool {
        let port = self.port.unwrap_or(80);
        self.host == field.host && field.port.is_none_or(|own| own == port)
    }
}

/// Decimal, 1 to 65535, without leading zeros.
fn parse_port(text: &str) -> Result<u16, HeadError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if !digits {
        return Err(HeadError::Malformed("a port that is no number from 1 to 65535"));
    }
    text.parse().map_err(|_| HeadError::Malformed("a port that is no number from 1 to 65535"))
}

impl Target {
    pub fn parse(method: &str, text: &str) -> Result<Self, HeadError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(HeadError::Malformed("a character that no target has"));
        }
        if method == "CONNECT" {
            let authority = Authority::parse(text)?;
            if authority.port.is_none() {
                return Err(HeadError::Malformed("CONNECT without a port"));
            }
            return Ok(Self::Authority(authority));
        }
        if text.starts_with('/') {
            return Ok(Self::Origin(text.to_owned()));
        }
        if text == "*" && method == "OPTIONS" {
            return Ok(Self::Asterisk);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(HeadError::Malformed("a target of no known form"));
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = Authority::parse(authority)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(HeadError::Https(authority));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(HeadError::Malformed("a scheme that is not http"));
        }
        let path = match path.chars().next() {
            Some('/') => path.to_owned(),
            Some(_) => format!("/{path}"),
            None if method == "OPTIONS" => "*".to_owned(),
            None => "/".to_owned(),
        };
        Ok(Self::Absolute(authority, path))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) if address.is_ipv6() => write!(f, "[{address}]")?,
            host => host.fmt(f)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(authority) => authority.fmt(f),
            Self::Absolute(authority, path) if path == "*" => write!(f, "http://{authority}"),
            Self::Absolute(authority, path) => write!(f, "http://{authority}{path}"),
            Self::Origin(path) => f.write_str(path),
            Self::Asterisk => f.write_str("*"),
        }
    }
}
