//! SOCKS5 messages of a client. Pure.
//!
//! Source: RFC 1928, sections 3 to 6.

use crate::firewall::Host;
use crate::firewall::host::NotAHost;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const VERSION: u8 = 5;

/// The bytes so far, read as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// More bytes will tell.
    Incomplete,
    Malformed(&'static str),
    /// And how many bytes it took; those that follow are the client's next words.
    Complete(T, usize),
}

/// What a client offers first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// True if it can do without a password.
    V5 { no_password: bool },
    /// SOCKS 4 and 4a, which have no way to say that a name is a name.
    V4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Connect,
    Bind,
    UdpAssociate,
    Unknown(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub command: Command,
    pub destination: Destination,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Host(Host),
    /// What was sent as a name, and why it is none.
    NotAHost(Vec<u8>, NotAHost),
}

/// Answers to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply {
    Succeeded = 0,
    Failure = 1,
    NotAllowed = 2,
    HostUnreachable = 4,
    CommandNotSupported = 7,
}

impl Reply {
    /// The whole message. The address that we dialled from is nobody's business.
    pub fn message(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// The answer to a greeting: no password is wanted.
pub const NO_PASSWORD: [u8; 2] = [VERSION, 0];
/// The answer to a greeting that offers passwords only.
pub const NO_METHOD: [u8; 2] = [VERSION, 0xff];
/// SOCKS 4: rejected.
pub const V4_REJECTED: [u8; 8] = [0, 91, 0, 0, 0, 0, 0, 0];

pub fn greeting(bytes: &[u8]) -> Read<Greeting> {
    match *bytes {
        [] | [VERSION] => Read::Incomplete,
        [4, ..] => Read::Complete(Greeting::V4, bytes.len()),
        [VERSION, 0, ..] => Read::Malformed("a SOCKS greeting without a method"),
        [VERSION, count, ref rest @ ..] => match rest.get(..usize::from(count)) {
            Some(methods) => {
                let no_password = methods.contains(&0);
                Read::Complete(Greeting::V5 { no_password }, 2 + methods.len())
            }
            None => Read::Incomplete,
        },
        _ => Read::Malformed("not SOCKS 5"),
    }
}

pub fn request(bytes: &[u8]) -> Read<Request> {
    match *bytes {
        [] | [VERSION] | [VERSION, _] | [VERSION, _, 0] => Read::Incomplete,
        [VERSION, command, 0, kind, ref rest @ ..] => {
            let length = match (kind, rest.first()) {
                (1, _) => 4,
                (4, _) => 16,
                (3, Some(length)) => 1 + usize::from(*length),
                (3, None) => return Read::Incomplete,
                _ => return Read::Malformed("an unknown kind of SOCKS address"),
            };
            let Some((address, after)) = rest.split_at_checked(length) else {
                return Read::Incomplete;
            };
            let [high, low, ..] = *after else { return Read::Incomplete };
            let request = Request {
                command: command_of(command),
                destination: destination(kind, address),
                port: u16::from_be_bytes([high, low]),
            };
            Read::Complete(request, 4 + length + 2)
        }
        [VERSION, _, _, ..] => Read::Malformed("a reserved byte of SOCKS that is not zero"),
        _ => Read::Malformed("not a SOCKS 5 request"),
    }
}

fn command_of(byte: u8) -> Command {
    match byte {
        1 => Command::Connect,
        2 => Command::Bind,
        3 => Command::UdpAssociate,
        other => Command::Unknown(other),
    }
}

/// `kind` and the length of `address` have been checked.
fn destination(kind: u8, address: &[u8]) -> Destination {
    let number = |address: IpAddr| Destination::Host(Host::Address(address.to_canonical()));
    if let (1, Ok(v4)) = (kind, <[u8; 4]>::try_from(address)) {
        return number(Ipv4Addr::from(v4).into());
    }
    if let (4, Ok(v6)) = (kind, <[u8; 16]>::try_from(address)) {
        return number(Ipv6Addr::from(v6).into());
    }
    let name = address.get(1..).unwrap_or_default();
    match Host::from_bytes(name) {
        Ok(host) => Destination::Host(host),
        Err(why) => Destination::NotAHost(name.to_vec(), why),
    }
}
