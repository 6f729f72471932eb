//! Heads of requests and responses: pure, and stricter than HTTP asks for.
//!
//! A head that two readers could read differently is refused. What is accepted becomes values, and only
//! those are written again ([`RequestHead::write`]): what was judged is what is sent.

use super::fields::{Fields, write_field};
use super::target::{Authority, Target};
use crate::firewall::host::NotAHost;
use crate::planted::{Control, broken};

/// More header fields than this are refused.
pub const MAX_FIELDS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

/// How long a body is, as its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Absent,
    Length(u64),
    Chunked,
}

/// `fields` are those without `Host`, `Content-Length` and `Transfer-Encoding`, which are values here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    pub method: String,
    pub target: Target,
    pub version: Version,
    pub host: Option<Authority>,
    pub framing: Framing,
    pub fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub version: Version,
    pub status: u16,
    pub phrase: String,
    pub framing: Framing,
    pub fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the head is longer than the limit")]
    TooLong,
    #[error("more than {MAX_FIELDS} header fields")]
    TooMany,
    #[error("not a host name: {why}")]
    BadHost { text: String, why: NotAHost },
    #[error("an https:// target outside CONNECT")]
    Https(Authority),
    #[error("the target is {target}, the Host field says {host}")]
    HostMismatch { target: Authority, host: Authority },
}

/// Where the head ends that `bytes` begin with; `None`: it goes on. Looks at nothing before `from`,
/// where a former look at fewer of the same bytes found no fault.
///
/// Whatever follows, what is refused here stays refused.
pub fn end_of_head(bytes: &[u8], from: usize, limit: usize) -> Result<Option<usize>, HeadError> {
    if bytes.first().is_some_and(|byte| !is_token(*byte)) {
        return Err(HeadError::Malformed("it begins with no method"));
    }
    // A fault is found with at most three bytes of what went before.
    let limit = if broken(Control::HeadLimit) { usize::MAX } else { limit };
    for at in from.saturating_sub(3)..bytes.len().min(limit) {
        let next = bytes.get(at + 1);
        match bytes[at] {
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => {
                return Err(HeadError::Malformed("a line ends without CR"));
            }
            b'\n' if bytes[..at].ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
            b'\n' if matches!(next, Some(b' ' | b'\t')) => {
                return Err(HeadError::Malformed("a header is continued on the next line"));
            }
            b'\n' | b'\t' => {}
            b'\r' if next.is_some_and(|next| *next != b'\n') => {
                return Err(HeadError::Malformed("CR without LF"));
            }
            b'\r' => {}
            0..=31 | 127 => return Err(HeadError::Malformed("a control character")),
            _ => {}
        }
    }
    if bytes.len() >= limit && !broken(Control::HeadLimit) {
        Err(HeadError::TooLong)
    } else {
        Ok(None)
    }
}

impl RequestHead {
    /// `bytes` are one head with its empty line, as [`end_of_head`] found it.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        check_whole(bytes)?;
        let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut room);
        complete(parsed.parse(bytes), bytes)?;
        let version = version(parsed.version)?;
        let method = parsed.method.unwrap_or_default().to_owned();
        let target = Target::parse(&method, parsed.path.unwrap_or_default())?;
        let mut fields = fields(parsed.headers);
        let framing = take_framing(&mut fields, version)?;
        let host = take_host(&mut fields)?;
        let head = Self { method, target, version, host, framing, fields };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), HeadError> {
        let connect = matches!(self.target, Target::Authority(_));
        if connect && !matches!(self.framing, Framing::Absent | Framing::Length(0)) {
            return Err(HeadError::Malformed("CONNECT with a body"));
        }
        if self.host.is_none() && self.version == Version::Http11 && !connect {
            return Err(HeadError::Malformed("no Host field"));
        }
        if let (Target::Authority(own) | Target::Absolute(own, _), Some(host)) =
            (&self.target, &self.host)
            && !own.is_meant_by(host)
            && !broken(Control::HostCompare)
        {
            return Err(HeadError::HostMismatch { target: own.clone(), host: host.clone() });
        }
        Ok(())
    }

    /// Appends the head as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = format!("{} {} {}\r\n", self.method, self.target, self.version.name());
        out.extend_from_slice(line.as_bytes());
        if let Some(host) = &self.host {
            write_field(out, "Host", host.to_string().as_bytes());
        }
        self.fields.write(out);
        write_framing(out, self.framing);
        out.extend_from_slice(b"\r\n");
    }
}

impl ResponseHead {
    /// `bytes` are one head with its empty line, as [`end_of_head`] found it.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        check_whole(bytes)?;
        let mut room = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut room);
        complete(parsed.parse(bytes), bytes)?;
        let version = version(parsed.version)?;
        let status = parsed.code.unwrap_or_default();
        if !(100..600).contains(&status) {
            return Err(HeadError::Malformed("a status that HTTP does not have"));
        }
        // A phrase in another encoding than ASCII is no phrase to httparse either.
        let phrase = parsed.reason.unwrap_or_default().to_owned();
        let mut fields = fields(parsed.headers);
        let framing = take_framing(&mut fields, version)?;
        Ok(Self { version, status, phrase, framing, fields })
    }

    /// Appends the head as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = format!("{} {:03} {}\r\n", self.version.name(), self.status, self.phrase);
        out.extend_from_slice(line.as_bytes());
        self.fields.write(out);
        write_framing(out, self.framing);
        out.extend_from_slice(b"\r\n");
    }
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// httparse is laxer about line ends than this module, and skips empty lines in front.
fn check_whole(bytes: &[u8]) -> Result<(), HeadError> {
    match end_of_head(bytes, 0, usize::MAX)? {
        Some(end) if end == bytes.len() => Ok(()),
        _ => Err(HeadError::Malformed("it has no end")),
    }
}

fn complete(result: httparse::Result<usize>, bytes: &[u8]) -> Result<(), HeadError> {
    use httparse::Error;
    match result {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => Ok(()),
        Ok(_) => Err(HeadError::Malformed("it has no end")),
        Err(Error::TooManyHeaders) => Err(HeadError::TooMany),
        Err(Error::HeaderName) => Err(HeadError::Malformed("a header name that is none")),
        Err(Error::HeaderValue) => Err(HeadError::Malformed("a header value that is none")),
        Err(Error::Version) => Err(HeadError::Malformed("neither HTTP/1.0 nor HTTP/1.1")),
        Err(Error::Status) => Err(HeadError::Malformed("a status line that is none")),
        Err(_) => Err(HeadError::Malformed("a request line that is none")),
    }
}

fn version(minor: Option<u8>) -> Result<Version, HeadError> {
    match minor {
        Some(0) => Ok(Version::Http10),
        Some(1) => Ok(Version::Http11),
        _ => Err(HeadError::Malformed("neither HTTP/1.0 nor HTTP/1.1")),
    }
}

fn fields(parsed: &[httparse::Header<'_>]) -> Fields {
    let mut fields = Fields::default();
    for header in parsed {
        fields.push(header.name, header.value.trim_ascii());
    }
    fields
}

/// The one value of a field, which is taken out; an error where it came twice.
fn take_one(
    fields: &mut Fields,
    name: &str,
    twice: &'static str,
) -> Result<Option<Vec<u8>>, HeadError> {
    let mut values = fields.values(name);
    let first = values.next().map(<[u8]>::to_vec);
    if values.next().is_some() && !broken(Control::HeaderFields) {
        return Err(HeadError::Malformed(twice));
    }
    drop(values);
    fields.remove(name);
    Ok(first)
}

fn take_host(fields: &mut Fields) -> Result<Option<Authority>, HeadError> {
    let Some(value) = take_one(fields, "host", "two Host fields")? else { return Ok(None) };
    let text = String::from_utf8(value).map_err(|error| {
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        HeadError::BadHost { text, why: NotAHost::NotText }
    })?;
    Authority::parse(&text).map(Some)
}

fn take_framing(fields: &mut Fields, version: Version) -> Result<Framing, HeadError> {
    let length = take_one(fields, "content-length", "two Content-Length fields")?;
    let coding = take_one(fields, "transfer-encoding", "two Transfer-Encoding fields")?;
    match (length, coding) {
        (None, None) => Ok(Framing::Absent),
        (Some(_), Some(_)) if !broken(Control::Framing) => {
            Err(HeadError::Malformed("both Content-Length and Transfer-Encoding"))
        }
        (Some(length), _) => parse_length(&length).map(Framing::Length),
        (None, Some(_)) if version == Version::Http10 => {
            Err(HeadError::Malformed("Transfer-Encoding in HTTP/1.0"))
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(HeadError::Malformed("a Transfer-Encoding that is not chunked")),
    }
}

/// Digits only; more than 18 of them are no length that a body has.
fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    const BAD: HeadError = HeadError::Malformed("a Content-Length that is no number");
    let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).map_err(|_| BAD)?;
    if digits { text.parse().map_err(|_| BAD) } else { Err(BAD) }
}

fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::Absent => {}
        Framing::Length(length) => {
            write_field(out, "Content-Length", length.to_string().as_bytes())
        }
        Framing::Chunked => write_field(out, "Transfer-Encoding", b"chunked"),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
