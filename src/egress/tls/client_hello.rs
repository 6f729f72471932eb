//! Reads the name that a TLS client asks for. Pure; what two readers could read differently is refused.
//!
//! Source: RFC 8446 sections 4.1.2, 4.2, 5.1; RFC 6066 section 3; RFC 7301 section 3.1; RFC 9849.

use crate::firewall::host::NotAHost;
use crate::firewall::{Host, HostName};
use std::collections::BTreeSet;

/// A longer ClientHello is refused. Those with post-quantum keys have about 2 KiB.
pub const LONGEST: usize = 16 << 10;
/// The same with the headers of all records: nobody needs more than this to read or refuse one.
pub const LONGEST_WITH_RECORDS: usize = 32 << 10;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
const LONGEST_RECORD: usize = 16 << 10;

mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const ALPN: u16 = 16;
    /// Encrypted Client Hello. What clients send to servers without it (GREASE) looks the same.
    pub(super) const ECH: u16 = 0xfe0d;
    /// Its forerunner.
    pub(super) const ESNI: u16 = 0xffce;
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// More bytes will tell.
    Incomplete,
    NotTls,
    Malformed(&'static str),
    Complete(ClientHello),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The one name of the server_name extension; `None`: there is no such extension.
    pub sni: Option<Result<HostName, BadSni>>,
    /// The name that counts may be another one, encrypted.
    pub ech: bool,
    /// As offered, in the client's order.
    pub alpn: Vec<Vec<u8>>,
}

/// A server name that cannot be compared with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSni {
    #[error("{0}")]
    NotAHost(NotAHost),
    /// RFC 6066 has names only.
    #[error("an address")]
    Address,
}

/// Judges the first bytes of a connection; what follows the ClientHello's last record is not looked at.
pub fn read(bytes: &[u8]) -> Hello {
    match message(bytes) {
        Ok(Some(body)) => match parse(&body) {
            Ok(hello) => Hello::Complete(hello),
            Err(why) => Hello::Malformed(why),
        },
        Ok(None) if bytes.len() >= LONGEST_WITH_RECORDS => {
            Hello::Malformed("a ClientHello in too many records")
        }
        Ok(None) => Hello::Incomplete,
        Err(verdict) => verdict,
    }
}

/// The body of the ClientHello, put together from its records; `None`: not all is there.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, Hello> {
    let mut rest = bytes;
    let mut message = Vec::new();
    loop {
        // An SSL 2 hello begins with its length, which is no record type of TLS.
        match *rest {
            [] => return Ok(None),
            [HANDSHAKE] | [HANDSHAKE, 3, ..] => {}
            _ if message.is_empty() => return Err(Hello::NotTls),
            _ => return Err(Hello::Malformed("a ClientHello broken by another record")),
        }
        let Some((header, after)) = rest.split_at_checked(RECORD_HEADER) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > LONGEST_RECORD {
            return Err(Hello::Malformed("a record of a length that is not allowed"));
        }
        let before = message.len();
        let here = &after[..length.min(after.len())];
        message.extend_from_slice(here);
        if let Some(body) = body_length(&message)? {
            let whole = MESSAGE_HEADER + body;
            // A server could take what follows in the same record for a message of its own.
            if before + length > whole {
                return Err(Hello::Malformed("a record that goes on after the ClientHello"));
            }
            if message.len() == whole {
                return Ok(Some(message.split_off(MESSAGE_HEADER)));
            }
        }
        if here.len() < length {
            return Ok(None);
        }
        rest = &after[length..];
    }
}

/// The length that the message's header claims, once it is there.
fn body_length(message: &[u8]) -> Result<Option<usize>, Hello> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Hello::Malformed("a handshake that does not begin with a ClientHello"));
    }
    let [_, high, middle, low, ..] = *message else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([middle, low]));
    if high != 0 || length > LONGEST {
        return Err(Hello::Malformed("a ClientHello of more than 16 KiB"));
    }
    Ok(Some(length))
}

type Parsed<T> = Result<T, &'static str>;

fn parse(body: &[u8]) -> Parsed<ClientHello> {
    let mut input = Input(body);
    if input.take(2)?[0] != 3 {
        return Err("a ClientHello of an unknown version");
    }
    input.take(32)?; // random
    if input.short_vector()?.len() > 32 {
        return Err("a session id of more than 32 bytes");
    }
    let suites = input.vector()?;
    if suites.is_empty() || suites.len() % 2 != 0 {
        return Err("a list of cipher suites of odd length, or none");
    }
    if input.short_vector()?.is_empty() {
        return Err("no compression method");
    }
    let mut hello = ClientHello::default();
    // Before TLS 1.2, extensions may be missing altogether.
    if input.is_empty() {
        return Ok(hello);
    }
    let mut extensions = Input(input.vector()?);
    input.end()?;
    let mut seen = BTreeSet::new();
    while !extensions.is_empty() {
        let kind = extensions.number()?;
        let content = Input(extensions.vector()?);
        if !seen.insert(kind) {
            return Err("an extension twice");
        }
        match kind {
            extension::SERVER_NAME => hello.sni = Some(server_name(content)?),
            extension::ALPN => hello.alpn = protocols(content)?,
            extension::ECH | extension::ESNI => hello.ech = true,
            _ => {}
        }
    }
    Ok(hello)
}

fn server_name(mut content: Input) -> Parsed<Result<HostName, BadSni>> {
    let mut list = Input(content.vector()?);
    content.end()?;
    if list.take(1)? != [0] {
        return Err("a server name that is no host name");
    }
    let name = list.vector()?;
    list.end()?;
    // The one parser of names takes Unicode as well, but a server would see other bytes than we judged.
    if !name.is_ascii() {
        return Err("a server name that is not ASCII");
    }
    Ok(match Host::from_bytes(name) {
        Ok(Host::Name(name)) => Ok(name),
        Ok(Host::Address(_)) => Err(BadSni::Address),
        Err(why) => Err(BadSni::NotAHost(why)),
    })
}

fn protocols(mut content: Input) -> Parsed<Vec<Vec<u8>>> {
    let mut list = Input(content.vector()?);
    content.end()?;
    let mut protocols = Vec::new();
    while !list.is_empty() {
        let protocol = list.short_vector()?;
        if protocol.is_empty() {
            return Err("an ALPN protocol without a name");
        }
        protocols.push(protocol.to_vec());
    }
    if protocols.is_empty() { Err("an empty ALPN list") } else { Ok(protocols) }
}

/// Bytes still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("a ClientHello cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Parsed<u16> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes after their length in one byte.
    fn short_vector(&mut self) -> Parsed<&'a [u8]> {
        let length = usize::from(self.take(1)?[0]);
        self.take(length)
    }

    /// Bytes after their length in two bytes.
    fn vector(&mut self) -> Parsed<&'a [u8]> {
        let length = usize::from(self.number()?);
        self.take(length)
    }

    fn end(&self) -> Parsed<()> {
        if self.is_empty() { Ok(()) } else { Err("bytes after the end of a list") }
    }
}
