//! A D-Bus connection with a deadline: enough to call one method and wait for one signal.
//!
//! rustbus marshals and unmarshals; its connection type is not used because its login reads without
//! a deadline, loops on end of file, and leaves the socket open across exec. The specification:
//! <https://dbus.freedesktop.org/doc/dbus-specification.html>.

use rustbus::message_builder::{MarshalledMessage, MessageType};
use rustbus::wire::{marshal, unmarshal};
use rustbus::{MessageBuilder, standard_messages};
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Larger than any message that this conversation can have.
const MESSAGE_MAX: usize = 1 << 20;
/// The length of the fixed part of a header, with the length of its array.
const FIXED: usize = 16;

/// Where a message bus listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// A connection that said hello.
pub(super) struct Bus {
    stream: UnixStream,
    until: Instant,
    serial: u32,
    signals: VecDeque<MarshalledMessage>,
}

/// What went wrong, in words.
pub(super) type Result<T> = std::result::Result<T, String>;

fn cannot<E: Display>(what: &'static str) -> impl Fn(E) -> String {
    move |e| format!("{what}: {e}")
}

impl Bus {
    pub(super) fn connect(address: &BusAddress, patience: Duration) -> Result<Self> {
        let address = match address {
            BusAddress::Path(path) => SocketAddr::from_pathname(path),
            BusAddress::Abstract(name) => SocketAddr::from_abstract_name(name),
        };
        let stream =
            address.and_then(|a| UnixStream::connect_addr(&a)).map_err(cannot("connect"))?;
        Self::over(stream, nix::unistd::geteuid().as_raw(), patience)
    }

    /// Logs in over a connected socket.
    pub(super) fn over(stream: UnixStream, uid: u32, patience: Duration) -> Result<Self> {
        let until = Instant::now() + patience;
        let mut bus = Self { stream, until, serial: 0, signals: VecDeque::new() };
        let digits: String = uid.to_string().bytes().map(|b| format!("{b:02x}")).collect();
        bus.send(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes())?;
        let answer = bus.login_line()?;
        if !answer.starts_with("OK ") {
            return Err(format!("the bus refused us: {}", answer.trim_end()));
        }
        bus.send(b"BEGIN\r\n")?;
        bus.call(&standard_messages::hello())?;
        Ok(bus)
    }

    /// Sends a call and waits for its reply; an error reply is an error.
    pub(super) fn call(&mut self, message: &MarshalledMessage) -> Result<MarshalledMessage> {
        self.serial += 1;
        let mut bytes = Vec::new();
        marshal::marshal(message, self.serial, &mut bytes).map_err(cannot("marshal"))?;
        bytes.extend_from_slice(message.get_buf());
        self.send(&bytes)?;
        loop {
            let got = self.receive()?;
            match got.typ {
                MessageType::Signal => self.signals.push_back(got),
                _ if got.dynheader.response_serial != Some(self.serial) => {}
                MessageType::Error => return Err(error_text(&got)),
                _ => return Ok(got),
            }
        }
    }

    /// The next signal, those first that came while a reply was awaited.
    pub(super) fn signal(&mut self) -> Result<MarshalledMessage> {
        loop {
            if let Some(signal) = self.signals.pop_front() {
                return Ok(signal);
            }
            let got = self.receive()?;
            if got.typ == MessageType::Signal {
                self.signals.push_back(got);
            }
        }
    }

    /// One line of the login. Read bytewise: what follows the line is not ours to swallow.
    fn login_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > 1024 {
                return Err("the bus answered the login with an endless line".into());
            }
            line.extend_from_slice(&self.take(1)?);
        }
        String::from_utf8(line).map_err(cannot("login"))
    }

    fn receive(&mut self) -> Result<MarshalledMessage> {
        let mut bytes = self.take(FIXED)?;
        let length = message_length(&bytes)?;
        bytes.extend_from_slice(&self.take(length - FIXED)?);
        let odd = |e| format!("the bus sent a malformed message: {e}");
        let (at, header) = unmarshal::unmarshal_header(&bytes, 0).map_err(odd)?;
        let (more, fields) =
            unmarshal::unmarshal_dynamic_header(&header, &bytes, at).map_err(odd)?;
        let (_, message) =
            unmarshal::unmarshal_next_message(&header, fields, &bytes, at + more).map_err(odd)?;
        Ok(message)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.set_write_timeout(Some(self.left()?)).map_err(cannot("set a deadline"))?;
        self.stream.write_all(bytes).map_err(cannot("send"))
    }

    /// Exactly `count` bytes, before the deadline.
    fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0u8; count];
        let mut have = 0;
        while have < count {
            self.stream.set_read_timeout(Some(self.left()?)).map_err(cannot("set a deadline"))?;
            match self.stream.read(&mut bytes[have..]) {
                Ok(0) => return Err("the bus closed the connection".into()),
                Ok(n) => have += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {} // left() says when it is over
                Err(e) => return Err(format!("receive: {e}")),
            }
        }
        Ok(bytes)
    }

    fn left(&self) -> Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err("no answer in time".into()) } else { Ok(left) }
    }
}

/// The length of a whole message from its first 16 bytes: header, fields padded to 8, body.
pub(super) fn message_length(fixed: &[u8]) -> Result<usize> {
    let word = |at: usize| -> Option<usize> {
        let bytes: [u8; 4] = fixed.get(at..at + 4)?.try_into().ok()?;
        let number = match fixed.first()? {
            b'l' => u32::from_le_bytes(bytes),
            b'B' => u32::from_be_bytes(bytes),
            _ => return None,
        };
        usize::try_from(number).ok()
    };
    match (word(4), word(12)) {
        (Some(body), Some(fields)) if body <= MESSAGE_MAX && fields <= MESSAGE_MAX => {
            Ok(FIXED + fields.next_multiple_of(8) + body)
        }
        _ => Err("the bus sent a malformed header".into()),
    }
}

/// `name: text` of an error reply.
fn error_text(reply: &MarshalledMessage) -> String {
    let name = reply.dynheader.error_name.as_deref().unwrap_or("error");
    match reply.body.parser().get::<String>() {
        Ok(text) => format!("{name}: {text}"),
        Err(_) => name.to_owned(),
    }
}

/// A call to an object.
pub(super) fn method(to: &str, object: &str, interface: &str, name: &str) -> MarshalledMessage {
    MessageBuilder::new().call(name).with_interface(interface).on(object).at(to).build()
}
